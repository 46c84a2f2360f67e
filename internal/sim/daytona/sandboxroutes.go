package daytona

import (
	"net/http"
	"slices"
	"strings"
)

// sandboxesForRunner is what a runner compares with what it has.
func (s *Server) sandboxesForRunner(r *http.Request) answer {
	query := r.URL.Query()
	var states []string
	if text := query.Get("states"); text != "" {
		states = strings.Split(text, ",")
	}
	for _, state := range states {
		if !slices.Contains(reportable(), state) {
			s.accuse(unknownStateName, state, "sandboxes asked for by a state that is not among "+strings.Join(reportable(), ", "))
			return refused(http.StatusBadRequest, "each value in states must be one of the following values: "+
				strings.Join(reportable(), ", "))
		}
	}
	skip := query.Get("skipReconcilingSandboxes") == "true"
	s.enter()
	defer s.mu.Unlock()
	list := []sandboxDTO{}
	for _, sb := range s.sandboxes {
		if len(states) > 0 && !slices.Contains(states, sb.state) || skip && sb.state != sb.desired {
			continue
		}
		list = append(list, s.dto(sb))
	}
	return ok(list)
}

// putSandboxState is the runner's way to tell that a sandbox changed by itself.
func (s *Server) putSandboxState(r *http.Request) answer {
	f, err := readFields(r)
	if err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	state, wrongState := f.choice("state", sandboxStates())
	if wrongState != "" {
		s.accuse(unknownStateName, f.str("state"), "a sandbox reported in a state that the API does not know")
	}
	reason, wrongReason := f.text("errorReason", true)
	recoverable, isBool := f["recoverable"].(bool)
	wrongRecoverable := ""
	if f["recoverable"] != nil && !isBool {
		wrongRecoverable = "recoverable must be a boolean value"
	}
	if wrong := complaints(wrongState, wrongReason, wrongRecoverable); len(wrong) > 0 {
		return refused(http.StatusBadRequest, wrong...)
	}
	now := s.enter()
	defer s.mu.Unlock()
	sb := s.findSandbox(r.PathValue("id"))
	if sb == nil {
		return refused(http.StatusNotFound, "Sandbox not found")
	}
	switch {
	case sb.state == state:
	case sb.state != started && sb.state != stopped:
		return refused(http.StatusBadRequest, "Sandbox is not in a valid state to be updated")
	case sb.desired == destroyed || sb.desired != sb.state:
		// It is being destroyed, or on its way to another state: the report is late.
	default:
		sb.become(state, now)
		if slices.Contains(reportable(), state) {
			sb.desired = state
		}
		switch {
		case state == errored:
			sb.fail(reason, recoverable, now)
		case state == stopped && !s.options.NoBackups:
			sb.backupDue = now.Add(s.scaled(backupAfterStop))
		}
		s.wake()
	}
	return answer{status: http.StatusOK}
}

// visible returns a sandbox that a user can see, or what to answer instead.
func (s *Server) visible(r *http.Request) (*sandbox, answer) {
	if sb := s.findSandbox(r.PathValue("id")); sb != nil && sb.state != destroyed {
		return sb, answer{}
	}
	return nil, refused(http.StatusNotFound, "Sandbox not found")
}

func (s *Server) listSandboxes(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	items := []sandboxDTO{}
	for _, sb := range s.sandboxes {
		if sb.state != destroyed {
			items = append(items, s.dto(sb))
		}
	}
	return ok(struct {
		Items      []sandboxDTO `json:"items"`
		NextCursor *string      `json:"nextCursor"`
	}{Items: items})
}

func (s *Server) getSandbox(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	sb, none := s.visible(r)
	if sb == nil {
		return none
	}
	return ok(s.dto(sb))
}

func (s *Server) toolboxProxyURL(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	if sb, none := s.visible(r); sb == nil {
		return none
	}
	return ok(map[string]string{"url": s.toolboxBase()})
}
