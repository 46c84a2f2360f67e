package ingress

import (
	"net/http"
	"strings"
)

// answeredCORS lets pages of any origin read what comes back, with credentials, and answers what browsers
// ask before they send something: such a request never reaches a runner. A request with
// X-Daytona-Disable-CORS: true is left to the runner.
func answeredCORS(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("X-Daytona-Disable-CORS") == "true" {
		r.Header.Del("X-Daytona-Disable-CORS")
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host {
		return false
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Add("Vary", "Origin")
	if r.Method != http.MethodOptions {
		return false
	}
	header.Set("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS")
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(asked, ","))
	}
	header.Set("Access-Control-Max-Age", "43200")
	w.WriteHeader(http.StatusNoContent)
	return true
}
