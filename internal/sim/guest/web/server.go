package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Port is where the guest serves it.
const Port = 8080

// maxEcho is how much of a body /echo sends back.
const maxEcho = 1 << 20

// Serve serves l until ctx is done, and returns when every request has ended.
func Serve(ctx context.Context, l net.Listener) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var running sync.WaitGroup
	handler := Handler()
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		handler.ServeHTTP(w, r)
	})
	s := &http.Server{Handler: counted, ReadHeaderTimeout: 30 * time.Second, BaseContext: func(net.Listener) context.Context { return base }}
	sockets := &tracker{}
	s.ConnState = sockets.state
	stop := context.AfterFunc(ctx, func() {
		cancel()
		_ = s.Close() // its listener may be closed already
		sockets.close()
	})
	defer stop()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	running.Wait()
	return err
}

// Handler is the server without its listener.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("GET /ws", socket)
	mux.HandleFunc("GET /sse", events)
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/status/{code}", status)
	// The multiplexer redirects paths with dots and doubled slashes; here they are echoed as sent.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.EscapedPath(), "/echo/") {
			echo(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html>\n<title>Simulated guest</title>\n<h1>It works</h1>\n<p>This page comes from a port of the guest.\n")
}

// Echo is what /echo answers.
type Echo struct {
	Method  string              `json:"method"`
	Path    string              `json:"path"` // as it stood in the request line, query included
	Host    string              `json:"host"`
	Proto   string              `json:"proto"`
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body"`
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEcho))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Echo{r.Method, r.RequestURI, r.Host, r.Proto, r.Header, string(body)})
}

func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"bytes\":%d,\"chunked\":%t}\n", n, r.ContentLength < 0)
}

// query is a number of the query, between 0 and most.
func query(r *http.Request, name string, usual, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return usual
	}
	return min(max(n, 0), most)
}

// pause waits, or reports that the client is gone.
func pause(r *http.Request, ms int) bool {
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	for i := range query(r, "n", 3, 1_000_000) {
		if i > 0 && !pause(r, query(r, "ms", 50, 60_000)) {
			return
		}
		if _, err := fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", i, i); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
	}
}

func slow(w http.ResponseWriter, r *http.Request) {
	if pause(r, query(r, "ms", 1000, 600_000)) {
		io.WriteString(w, "slow\n")
	}
}

func status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		code = http.StatusNotFound
	}
	w.WriteHeader(code)
}
