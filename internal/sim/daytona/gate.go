package daytona

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// role is whose token a request carries.
type role string

const (
	anyRole    role = ""
	runnerRole role = "runner"
	userRole   role = "user"
	proxyRole  role = "proxy"
)

// roleOf looks at the token. Daytona's own clients send "Bearer" exactly so.
func (s *Server) roleOf(r *http.Request) role {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !found || token == "":
		return anyRole
	case same(token, s.options.Token):
		return runnerRole
	case same(token, s.options.UserKey):
		return userRole
	case same(token, s.options.ProxyKey):
		return proxyRole
	default:
		return anyRole
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// api makes a route of the API: it meets the faults, checks the token, and is noted.
func (s *Server) api(route string, want role, handle func(*http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		have := s.roleOf(r)
		status := 0 // stays 0 where the connection is closed without an answer
		began := time.Now()
		defer func() { s.note(r, have, began, status) }()
		if fault, found := s.takeFault(route, atArrival); found {
			if status = s.misbehave(w, r, fault); status != goOn {
				return
			}
			status = 0
		}
		a := admit(want, have)
		if a.status == 0 {
			if have == runnerRole && r.Header.Get("Traceparent") == "" {
				s.accuse(withoutTraceparent, route, "a call of the runner without traceparent")
			}
			a = handle(r)
		}
		if a.drop {
			panic(http.ErrAbortHandler)
		}
		body := a.encode(r, false)
		if route != routePoll || a.claimed > 0 {
			if fault, found := s.takeFault(route, atAnswer); found {
				s.loseAnswer(w, fault, a, body)
			}
		}
		status = a.status
		send(w, a.status, body)
	})
}

// admit refuses a token that does not fit; the zero answer admits.
func admit(want, have role) answer {
	switch {
	case want == anyRole || want == have:
		return answer{}
	case have == anyRole:
		return refused(http.StatusUnauthorized, "Invalid credentials")
	default:
		return refused(http.StatusForbidden, "Invalid authentication context")
	}
}

// desk makes a route of the desk.
func (s *Server) desk(handle func(*http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := handle(r)
		if a.drop {
			panic(http.ErrAbortHandler)
		}
		body := a.encode(r, true)
		if body != nil {
			body = append(body, '\n') // for those who use curl
		}
		send(w, a.status, body)
	})
}

func send(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone learns nothing
}
