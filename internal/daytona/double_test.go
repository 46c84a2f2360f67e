package daytona_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/daytonaio/runner-android/internal/daytona"
)

const token = "dtn_test-token-0123456789"

// heard is one request as it arrived.
type heard struct {
	line   string // method, path and query, as sent
	header http.Header
	body   string
}

// double is an API of one function that keeps what it heard.
type double struct {
	server *httptest.Server

	mu  sync.Mutex
	all []heard
}

// serve starts an API that answers with answer; the test ends it.
func serve(t testing.TB, answer http.HandlerFunc) *double {
	t.Helper()
	d := &double{}
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		d.all = append(d.all, heard{r.Method + " " + r.RequestURI, r.Header, string(body)})
		d.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(d.server.Close)
	return d
}

func (d *double) requests() []heard {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.all)
}

func (d *double) lines() []string {
	var out []string
	for _, h := range d.requests() {
		out = append(out, h.line)
	}
	return out
}

// client makes a client of the double; the test closes it.
func (d *double) client(t testing.TB, o daytona.Options) *daytona.Client {
	t.Helper()
	o.URL, o.Token = d.server.URL+o.URL, token
	c, err := daytona.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// saying answers every request alike.
func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
