package daytona

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kinds of violations. docs/simulator.md explains each.
const (
	withoutTraceparent = "without_traceparent"
	completedTwice     = "completed_twice"
	contradiction      = "contradiction"
	unclaimedJob       = "unclaimed_job"
	unknownJob         = "unknown_job"
	badStatus          = "bad_status"
	badResult          = "bad_result"
	poorResult         = "poor_result"
	withoutReason      = "without_reason"
	badHealthcheck     = "bad_healthcheck"
	reportsGPU         = "gpu"
	poorTotals         = "totals"
	unknownStateName   = "unknown_state"
)

const (
	maxViolations = 500
	maxRequests   = 500
)

// violation is something that a good runner never does, counted per subject.
type violation struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"` // job, route, state, …
	Text    string `json:"text"`
	Count   int    `json:"count"`
	First   string `json:"first"`
	Last    string `json:"last"`
}

// requestRecord is one request to the API.
type requestRecord struct {
	At          string            `json:"at"`
	By          string            `json:"by"` // runner, user, proxy, or "" for a token that nobody has
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Status      int               `json:"status"` // 0: closed without an answer
	Traceparent bool              `json:"traceparent"`
	Headers     map[string]string `json:"headers"`
}

// book is what the double remembers of the runner's manners.
type book struct {
	requests   []requestRecord
	violations []*violation
}

func (s *Server) accuse(kind, subject, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accuseLocked(kind, subject, text)
}

func (s *Server) accuseLocked(kind, subject, text string) {
	now := iso(time.Now())
	for _, v := range s.book.violations {
		if v.Kind == kind && v.Subject == subject {
			v.Count++
			v.Last = now
			return
		}
	}
	s.book.violations = keepLast(append(s.book.violations, &violation{kind, subject, text, 1, now, now}), maxViolations)
}

// secretHeaders are shown as present, not as they are.
func secretHeaders() []string {
	return []string{"Authorization", "X-Daytona-Authorization", "Proxy-Authorization", "Cookie", "X-Daytona-Preview-Token"}
}

// note remembers a request once it is answered.
func (s *Server) note(r *http.Request, by role, at time.Time, status int) {
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ", ")
		if slices.Contains(secretHeaders(), name) {
			headers[name] = "…"
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.requests = keepLast(append(s.book.requests, requestRecord{
		At: iso(at), By: string(by), Method: r.Method, Path: withoutTokens(r.URL.RequestURI()), Status: max(0, status),
		Traceparent: r.Header.Get("Traceparent") != "", Headers: headers,
	}), maxRequests)
}
