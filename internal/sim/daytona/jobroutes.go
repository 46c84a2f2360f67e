package daytona

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPollTimeout, maxPollTimeout = 30, 60 // seconds
	defaultPollLimit, maxPollLimit     = 10, 100
	defaultListLimit, maxListLimit     = 100, 200
)

// poll waits for jobs and claims them. A client that leaves meanwhile has claimed nothing.
func (s *Server) poll(r *http.Request) answer {
	query := r.URL.Query()
	timeout := jsNumber(query.Get("timeout"), defaultPollTimeout, maxPollTimeout)
	limit := int(max(1, jsNumber(query.Get("limit"), defaultPollLimit, maxPollLimit)))
	jobs, dropped := []wireJob{}, false
	s.await(r, time.Duration(timeout*float64(time.Second)), func(now time.Time) bool {
		if dropped = s.faults.cut(routePoll); dropped {
			return true
		}
		for _, j := range s.jobs.claim(limit, now) {
			s.claimed(j)
			jobs = append(jobs, j.wire())
		}
		if len(jobs) > 0 {
			s.wake()
		}
		return len(jobs) > 0
	})
	return answer{
		status: http.StatusOK, drop: dropped || r.Context().Err() != nil && len(jobs) == 0, claimed: len(jobs),
		body: struct {
			Jobs []wireJob `json:"jobs"`
		}{jobs},
	}
}

// jsNumber reads a number as JavaScript would: decimals are fine, what is no number is the default.
func jsNumber(text string, byDefault, limit float64) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) {
		return byDefault
	}
	return max(0, min(n, limit))
}

func (s *Server) listJobs(r *http.Request) answer {
	query := r.URL.Query()
	status := query.Get("status")
	page, wrongPage := wholeNumber(query.Get("page"), "page", 1, math.MaxInt32)
	limit, wrongLimit := wholeNumber(query.Get("limit"), "limit", defaultListLimit, maxListLimit)
	wrongStatus := ""
	if status != "" {
		_, wrongStatus = fields{"status": status}.choice("status", statuses())
	}
	if wrong := complaints(wrongStatus, wrongPage, wrongLimit); len(wrong) > 0 {
		return refused(http.StatusBadRequest, wrong...)
	}
	s.enter()
	defer s.mu.Unlock()
	items := []wireJob{}
	for _, j := range slices.Backward(s.jobs.all) {
		if status == "" || j.status == status {
			items = append(items, j.wire())
		}
	}
	total := len(items)
	from := min((page-1)*limit, total)
	return ok(struct {
		Items      []wireJob `json:"items"`
		Total      int       `json:"total"`
		Page       int       `json:"page"`
		TotalPages int       `json:"totalPages"`
	}{items[from:min(from+limit, total)], total, page, (total + limit - 1) / limit})
}

// wholeNumber checks a parameter that must be a whole number from 1 to limit.
func wholeNumber(text, name string, byDefault, limit int) (n int, complaint string) {
	if text == "" {
		return byDefault, ""
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, name + " must be an integer number"
	case n < 1:
		return 0, name + " must not be less than 1"
	case n > limit:
		return 0, fmt.Sprintf("%s must not be greater than %d", name, limit)
	}
	return n, ""
}

func (s *Server) getJob(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	j := s.jobs.find(r.PathValue("id"))
	if j == nil {
		return refused(http.StatusNotFound, "Job not found")
	}
	return ok(j.wire())
}

func (s *Server) reportJob(r *http.Request) answer {
	id := r.PathValue("id")
	rep, wrong := s.readReport(r, id)
	if len(wrong) > 0 {
		return refused(http.StatusBadRequest, wrong...)
	}
	now := s.enter()
	defer s.mu.Unlock()
	j := s.jobs.find(id)
	if j == nil {
		s.accuseLocked(unknownJob, id, "a report for a job that does not exist")
		return refused(http.StatusNotFound, "Job not found")
	}
	if err := s.report(j, rep, now); err != nil {
		return refused(http.StatusConflict, err.Error())
	}
	s.wake()
	return answer{status: http.StatusCreated, body: j.wire(), reported: j}
}
