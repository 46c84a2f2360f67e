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

const maxFaults = 100

// phase says when in a request's life a fault takes effect.
type phase int

const (
	atArrival phase = iota + 1
	atAnswer        // the request has had its effect
)

// faultPhases is the catalogue. docs/simulator.md explains each.
func faultPhases() map[string]phase {
	return map[string]phase{
		"status": atArrival, "garbage": atArrival, "close": atArrival, "half_closed": atArrival,
		"slow": atArrival, "down": atArrival,
		"truncated": atAnswer, "lost": atAnswer,
	}
}

// faultRoutes are the routes that a rule may name.
func faultRoutes() []string {
	return []string{
		routeAll, routePoll, routeReport, routeList, routeJob, routeHealthcheck,
		routeForRunner, routeMe, routeState, routeSDK, routeProxy,
	}
}

// faultRule is one way in which the API misbehaves.
type faultRule struct {
	ID    string `json:"id"`
	Route string `json:"route"`
	Fault string `json:"fault"`
	Times int    `json:"times"` // at most so often; 0 = until cleared
	Nth   int    `json:"nth"`   // only from the nth matching request on, from 1
	Seen  int    `json:"seen"`  // matching requests so far
	Used  int    `json:"used"`  // how often it took effect
}

func (f faultRule) name() string {
	name, _, _ := strings.Cut(f.Fault, ":")
	return name
}

// arguments are the words behind the fault's name.
func (f faultRule) arguments() []string { return strings.Split(f.Fault, ":")[1:] }

// check finds what is wrong with a rule, and says what would be right.
func (f faultRule) check() error {
	if !slices.Contains(faultRoutes(), f.Route) {
		return fmt.Errorf("route %q is not known; there are %s", f.Route, strings.Join(faultRoutes(), ", "))
	}
	if f.Times < 0 || f.Nth < 0 {
		return fmt.Errorf("times and nth are counts: want 0 or more, not %d and %d", f.Times, f.Nth)
	}
	args := f.arguments()
	switch f.name() {
	case "status":
		if len(args) < 1 || len(args) > 2 {
			return fmt.Errorf("fault %q: want status:CODE or status:429:SECONDS", f.Fault)
		}
		if code, err := strconv.Atoi(args[0]); err != nil || code < 400 || code > 599 {
			return fmt.Errorf("fault %q: want a code from 400 to 599", f.Fault)
		}
		if len(args) == 2 {
			if n, err := strconv.Atoi(args[1]); err != nil || n < 0 {
				return fmt.Errorf("fault %q: want whole seconds for Retry-After", f.Fault)
			}
		}
		return nil
	case "slow":
		if len(args) != 1 || f.delay() <= 0 {
			return fmt.Errorf("fault %q: want slow:SECONDS or slow:300ms", f.Fault)
		}
		return nil
	}
	if faultPhases()[f.name()] == 0 || len(args) > 0 {
		return fmt.Errorf("fault %q is not known; there are status:CODE[:RETRY_AFTER], garbage, truncated, close, "+
			"half_closed, slow:S, lost, down", f.Fault)
	}
	return nil
}

// delay is the argument of slow: seconds or a duration. It is not scaled.
func (f faultRule) delay() time.Duration {
	args := f.arguments()
	if len(args) == 0 {
		return 0
	}
	if d, err := time.ParseDuration(args[0]); err == nil {
		return d
	}
	s, err := strconv.ParseFloat(args[0], 64)
	if err != nil || math.IsNaN(s) || s > 1e6 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// faultList is the rules that hold.
type faultList struct {
	rules []*faultRule
	last  int // number of the last id
}

func (l *faultList) take(route string, when phase) (faultRule, bool) {
	var found *faultRule
	for _, f := range l.rules {
		if f.Route != routeAll && f.Route != route || faultPhases()[f.name()] != when {
			continue
		}
		f.Seen++
		if found == nil && f.Seen >= f.Nth && (f.Times == 0 || f.Used < f.Times) {
			found = f
			f.Used++
		}
	}
	if found == nil {
		return faultRule{}, false
	}
	return *found, true
}

// cut reports whether a rule wants connections to that route closed that wait already, and counts it.
func (l *faultList) cut(route string) bool {
	for _, f := range l.rules {
		if f.name() == "down" && (f.Route == routeAll || f.Route == route) && f.Seen+1 >= f.Nth &&
			(f.Times == 0 || f.Used < f.Times) {
			f.Seen++
			f.Used++
			return true
		}
	}
	return false
}

// takeFault counts the request and returns the fault that it meets.
func (s *Server) takeFault(route string, when phase) (faultRule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.take(route, when)
}

func (s *Server) addFault(r *http.Request) answer {
	f := faultRule{Route: routeAll}
	if err := readJSON(r, &f); err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	if err := f.check(); err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	s.enter()
	defer s.mu.Unlock()
	if len(s.faults.rules) >= maxFaults {
		return refused(http.StatusConflict, fmt.Sprintf("there are %d rules: clear some with DELETE /sim/faults", maxFaults))
	}
	s.faults.last++
	f.ID, f.Seen, f.Used = fmt.Sprintf("f%d", s.faults.last), 0, 0
	s.faults.rules = append(s.faults.rules, &f)
	s.wake() // an outage cuts those who wait
	return answer{status: http.StatusCreated, body: f}
}

func (s *Server) listFaults(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	list := make([]faultRule, 0, len(s.faults.rules))
	for _, f := range s.faults.rules {
		list = append(list, *f)
	}
	return ok(list)
}

func (s *Server) clearFaults(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	s.faults.rules = nil
	return answer{status: http.StatusNoContent}
}

func (s *Server) clearFault(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	before := len(s.faults.rules)
	s.faults.rules = slices.DeleteFunc(s.faults.rules, func(f *faultRule) bool { return f.ID == r.PathValue("id") })
	if len(s.faults.rules) == before {
		return refused(http.StatusNotFound, fmt.Sprintf("there is no rule %q: GET /sim/faults lists them", r.PathValue("id")))
	}
	return answer{status: http.StatusNoContent}
}
