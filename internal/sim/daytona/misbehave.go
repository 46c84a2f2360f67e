package daytona

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// goOn is what misbehave returns where the request is answered as usual after all.
const goOn = -1

// halfClosedLimit bounds how long a connection stays half closed whose peer does not close it.
const halfClosedLimit = 30 * time.Second

// misbehave carries out a fault of arrival: the request has no effect. It returns the status that it sent.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, f faultRule) int {
	switch f.name() {
	case "status":
		args := f.arguments()
		status, _ := strconv.Atoi(args[0]) // the rule was checked
		if len(args) > 1 {
			w.Header().Set("Retry-After", args[1])
		}
		send(w, status, refused(status, faultText(status)).encode(r, false))
		return status
	case "garbage":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>\n")
		return http.StatusOK
	case "slow":
		timer := time.NewTimer(f.delay())
		defer timer.Stop()
		select {
		case <-timer.C:
			return goOn
		case <-r.Context().Done():
		}
	case "half_closed":
		closeHalf(w, r)
		return 0
	}
	panic(http.ErrAbortHandler) // close, down, or a client that did not wait
}

// faultText is what Daytona says with that status where that is known.
func faultText(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "Invalid credentials"
	case http.StatusForbidden:
		return "Invalid authentication context"
	case http.StatusInternalServerError:
		return "An unexpected error occurred."
	default:
		return http.StatusText(status)
	}
}

// closeHalf ends the double's side of the connection without an answer, and goes on reading.
func closeHalf(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a real connection: closing is what is left
	}
	defer conn.Close()
	// The server has given the connection away and does not end it with itself.
	defer context.AfterFunc(r.Context(), func() { conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(halfClosedLimit))
	if half, isTCP := conn.(*net.TCPConn); isTCP && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// loseAnswer carries out a fault of the answer: the request has had its effect. It does not return.
func (s *Server) loseAnswer(w http.ResponseWriter, f faultRule, a answer, body []byte) {
	if a.reported != nil {
		s.mu.Lock()
		a.reported.answerLost = true // a repeated report is then right
		s.mu.Unlock()
	}
	if f.name() == "truncated" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+10))
		w.WriteHeader(a.status)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}
