package daytona

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	signedLifetime    = time.Minute // of a signed preview token whose user does not say
	maxSignedLifetime = 24 * time.Hour
	maxSigned         = 1000
)

// signedToken opens one port of one sandbox to whoever has it, for a while. It takes the sandbox's place in
// the host name.
type signedToken struct {
	token, sandboxID string
	port             int
	until            time.Time
}

// rowOf finds a sandbox by its id alone, which is all that the proxy has, and only while it exists.
func (s *Server) rowOf(id string) *sandbox {
	if sb := s.findSandbox(id); sb != nil && sb.id == id && sb.state != destroyed {
		return sb
	}
	return nil
}

// withheld is the answer to the proxy for whatever it may not know: whether a sandbox exists is a secret.
func withheld(id string) answer {
	return refused(http.StatusNotFound, "Sandbox with ID "+id+" not found")
}

// previewPublic tells the proxy that a sandbox needs no authentication.
func (s *Server) previewPublic(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	if sb := s.rowOf(r.PathValue("id")); sb != nil && sb.public {
		return ok(true)
	}
	return withheld(r.PathValue("id"))
}

// previewAccess tells a user, whose credentials the proxy passes on, that the sandbox is theirs.
func (s *Server) previewAccess(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	if s.rowOf(r.PathValue("id")) != nil {
		return ok(true)
	}
	return withheld(r.PathValue("id"))
}

// previewToken answers for two routes that http.ServeMux cannot tell apart: {id}/validate/{token} and
// {token}/{port}/sandbox-id.
func (s *Server) previewToken(r *http.Request) answer {
	first, second, third := r.PathValue("first"), r.PathValue("second"), r.PathValue("third")
	now := s.enter()
	defer s.mu.Unlock()
	if second == "validate" {
		if sb := s.rowOf(first); sb != nil && same(sb.previewToken, third) {
			return ok(true)
		}
		return withheld(first)
	}
	port, err := strconv.Atoi(second)
	if third != "sandbox-id" || err != nil {
		return unknownRoute(r)
	}
	for _, t := range s.signed {
		if same(t.token, first) && t.port == port && now.Before(t.until) && s.rowOf(t.sandboxID) != nil {
			return ok(t.sandboxID)
		}
	}
	return refused(http.StatusNotFound, "Invalid or expired token")
}

// runnerBySandbox tells the proxy where the sandbox's runner is, and how to be let in there.
func (s *Server) runnerBySandbox(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	if s.rowOf(r.PathValue("id")) == nil {
		return withheld(r.PathValue("id"))
	}
	row := s.runnerRow()
	row["apiKey"] = s.options.Token
	if s.runner.proxyURL == "" {
		row["proxyUrl"] = nil // no healthcheck has said it
	}
	return ok(row)
}

// lastActivity keeps a sandbox from being stopped for idleness, if this double did that.
func (s *Server) lastActivity(r *http.Request) answer {
	now := s.enter()
	defer s.mu.Unlock()
	sb := s.rowOf(r.PathValue("id"))
	if sb == nil {
		return withheld(r.PathValue("id"))
	}
	sb.activityAt = now
	return answer{status: http.StatusCreated}
}

// setPublic opens a sandbox's preview ports to everybody, or closes them.
func (s *Server) setPublic(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	sb, none := s.visible(r)
	if sb == nil {
		return none
	}
	sb.public = r.PathValue("public") == "true"
	return ok(s.dto(sb))
}

// portOf reads the port of a preview.
func portOf(r *http.Request) (int, bool) {
	port, err := strconv.Atoi(r.PathValue("port"))
	return port, err == nil && port >= 1 && port <= 65535
}

func (s *Server) previewURL(r *http.Request) answer {
	port, valid := portOf(r)
	if !valid {
		return refused(http.StatusBadRequest, "port must be a port number")
	}
	s.enter()
	defer s.mu.Unlock()
	sb, none := s.visible(r)
	if sb == nil {
		return none
	}
	return ok(map[string]string{"sandboxId": sb.id, "url": s.preview(port, sb.id), "token": sb.previewToken})
}

// signedPreviewURL makes an address that needs nothing else, for so long as the user asks for.
func (s *Server) signedPreviewURL(r *http.Request) answer {
	port, valid := portOf(r)
	if !valid {
		return refused(http.StatusBadRequest, "port must be a port number")
	}
	lifetime := signedLifetime
	if text := r.URL.Query().Get("expiresInSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > int(maxSignedLifetime/time.Second) {
			return refused(http.StatusBadRequest, "expiresInSeconds must be between 1 and 86400")
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	now := s.enter()
	defer s.mu.Unlock()
	sb, none := s.visible(r)
	if sb == nil {
		return none
	}
	t := signedToken{token: strings.ToLower(rand.Text()[:16]), sandboxID: sb.id, port: port, until: now.Add(lifetime)}
	s.signed = slices.DeleteFunc(s.signed, func(t signedToken) bool { return !now.Before(t.until) })
	s.signed = keepLast(append(s.signed, t), maxSigned)
	return ok(map[string]any{"sandboxId": sb.id, "port": port, "token": t.token, "url": s.preview(port, t.token)})
}

// expireSigned takes a signed token back.
func (s *Server) expireSigned(r *http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	sb, none := s.visible(r)
	if sb == nil {
		return none
	}
	port, _ := portOf(r)
	s.signed = slices.DeleteFunc(s.signed, func(t signedToken) bool {
		return t.token == r.PathValue("token") && t.port == port && t.sandboxID == sb.id
	})
	return answer{status: http.StatusOK}
}

// preview is the address of a port behind Daytona's proxy; label is a sandbox's id or a signed token.
func (s *Server) preview(port int, label string) string {
	proxy, err := url.Parse(s.options.ProxyURL)
	if err != nil || proxy.Port() == "" {
		return fmt.Sprintf("http://%d-%s.proxy.localhost", port, label)
	}
	return fmt.Sprintf("http://%d-%s.proxy.localhost:%s", port, label, proxy.Port())
}

// withoutTokens is a request's path as it may be shown.
func withoutTokens(uri string) string {
	parts := strings.Split(uri, "/")
	switch {
	case !strings.HasPrefix(uri, "/api/"):
	case len(parts) == 6 && parts[2] == "preview" && parts[4] == "validate":
		parts[5] = "…"
	case len(parts) == 6 && parts[2] == "preview":
		parts[3] = "…"
	case len(parts) == 9 && parts[6] == "signed-preview-url":
		parts[7] = "…"
	}
	return strings.Join(parts, "/")
}
