package daytona

import (
	"net/http"
	"sync"
	"time"
)

// Options are one double. The zero value is usable except for its Token, which then nobody has.
type Options struct {
	Token    string // the runner's bearer token
	UserKey  string // API key of the SDK's routes; DefaultUserKey if empty
	ProxyURL string // where Daytona's proxy is; DefaultProxyURL if empty
	ProxyKey string // API key of the proxy; DefaultProxyKey if empty
	// Scale divides the API's own limits: with 60 a job is stale after ten seconds instead of ten minutes.
	// 1 if it is not positive.
	Scale float64
	// NoBackups keeps the double from asking for backups by itself, after a stop and once an hour.
	NoBackups bool
}

// Defaults of Options.
const (
	DefaultUserKey  = "demo-key"
	DefaultProxyURL = "http://127.0.0.1:4000"
	DefaultProxyKey = "demo-proxy-key"
)

// Server is the double. It is an http.Handler, and safe for concurrent use.
type Server struct {
	options Options
	mux     *http.ServeMux
	started time.Time

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced whenever something that a request may wait for changes
	jobs      jobStore
	sandboxes []*sandbox
	snapshots []*snapshot
	signed    []signedToken
	runner    runner
	faults    faultList
	book      book
	nextCheck time.Time // of the hourly backups
}

// New makes a double that knows one runner, which has not called yet.
func New(o Options) *Server {
	if o.UserKey == "" {
		o.UserKey = DefaultUserKey
	}
	if o.ProxyURL == "" {
		o.ProxyURL = DefaultProxyURL
	}
	if o.ProxyKey == "" {
		o.ProxyKey = DefaultProxyKey
	}
	if o.Scale <= 0 {
		o.Scale = 1
	}
	now := time.Now()
	s := &Server{options: o, mux: http.NewServeMux(), started: now, changed: make(chan struct{})}
	s.runner = runner{id: newID(), state: runnerInitializing, createdAt: now}
	s.nextCheck = now.Add(s.scaled(backupCheck))
	s.routes()
	return s
}

// ServeHTTP answers one request. It panics with http.ErrAbortHandler where a fault wants the connection
// closed, which net/http understands.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Names of routes, as faults know them.
const (
	routePoll        = "poll"
	routeReport      = "report"
	routeList        = "list"
	routeJob         = "job"
	routeHealthcheck = "healthcheck"
	routeMe          = "me"
	routeForRunner   = "for-runner"
	routeState       = "state"
	routeSDK         = "sdk"
	routeProxy       = "proxy"
	routeUnknown     = "unknown"
	routeAll         = "all"
)

func (s *Server) routes() {
	for _, r := range []struct {
		pattern, name string
		who           role
		handle        func(*http.Request) answer
	}{
		{"GET /api/jobs/poll", routePoll, runnerRole, s.poll},
		{"GET /api/jobs", routeList, runnerRole, s.listJobs},
		{"GET /api/jobs/{id}", routeJob, runnerRole, s.getJob},
		{"POST /api/jobs/{id}/status", routeReport, runnerRole, s.reportJob},
		{"POST /api/runners/healthcheck", routeHealthcheck, runnerRole, s.healthcheck},
		{"GET /api/runners/me", routeMe, runnerRole, s.runnerMe},
		{"GET /api/sandbox/for-runner", routeForRunner, runnerRole, s.sandboxesForRunner},
		{"PUT /api/sandbox/{id}/state", routeState, runnerRole, s.putSandboxState},
		{"GET /api/sandbox", routeSDK, userRole, s.listSandboxes},
		{"GET /api/sandbox/{id}", routeSDK, userRole, s.getSandbox},
		{"GET /api/sandbox/{id}/toolbox-proxy-url", routeSDK, userRole, s.toolboxProxyURL},
		{"GET /api/sandbox/{id}/ports/{port}/preview-url", routeSDK, userRole, s.previewURL},
		{"GET /api/sandbox/{id}/ports/{port}/signed-preview-url", routeSDK, userRole, s.signedPreviewURL},
		{"POST /api/sandbox/{id}/ports/{port}/signed-preview-url/{token}/expire", routeSDK, userRole, s.expireSigned},
		{"POST /api/sandbox/{id}/public/{public}", routeSDK, userRole, s.setPublic},
		{"GET /api/preview/{id}/public", routeProxy, proxyRole, s.previewPublic},
		{"GET /api/preview/{id}/access", routeProxy, userRole, s.previewAccess},
		{"GET /api/preview/{first}/{second}/{third}", routeProxy, proxyRole, s.previewToken},
		{"GET /api/runners/by-sandbox/{id}", routeProxy, proxyRole, s.runnerBySandbox},
		{"POST /api/sandbox/{id}/last-activity", routeProxy, proxyRole, s.lastActivity},
		// Daytona looks for the route before it looks at the token.
		{"/api/", routeUnknown, anyRole, unknownRoute},
	} {
		s.mux.Handle(r.pattern, s.api(r.name, r.who, r.handle))
	}
	for pattern, handle := range map[string]func(*http.Request) answer{
		"POST /sim/jobs":          s.orderJob,
		"GET /sim/jobs":           s.deskJobs,
		"GET /sim/jobs/{id}":      s.deskJob,
		"GET /sim/sandboxes":      s.deskSandboxes,
		"GET /sim/snapshots":      s.deskSnapshots,
		"GET /sim/runner":         s.deskRunner,
		"GET /sim/healthchecks":   s.deskHealthchecks,
		"GET /sim/requests":       s.deskRequests,
		"GET /sim/violations":     s.deskViolations,
		"POST /sim/faults":        s.addFault,
		"GET /sim/faults":         s.listFaults,
		"DELETE /sim/faults":      s.clearFaults,
		"DELETE /sim/faults/{id}": s.clearFault,
		"/":                       unknownRoute,
	} {
		s.mux.Handle(pattern, s.desk(handle))
	}
}

// enter locks the double and applies what has become due. The caller unlocks.
func (s *Server) enter() time.Time {
	s.mu.Lock()
	now := time.Now()
	s.advance(now)
	return now
}

// wake tells all waiting requests to look again. The lock is held.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until done says so, which it is asked under the lock, first at once and then after each
// change. It returns false when the time is up or the client is gone.
func (s *Server) await(r *http.Request, limit time.Duration, done func(now time.Time) bool) bool {
	end := time.Now().Add(limit)
	for {
		now := s.enter()
		if r.Context().Err() != nil {
			s.mu.Unlock()
			return false
		}
		if done(now) {
			s.mu.Unlock()
			return true
		}
		changed, wait := s.changed, end.Sub(now)
		if next := s.nextDue(now); !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		s.mu.Unlock()
		if !now.Before(end) {
			return false
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-r.Context().Done():
		}
		timer.Stop()
	}
}

// scaled is one of the API's own limits, as this double has it.
func (s *Server) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.options.Scale)
}
