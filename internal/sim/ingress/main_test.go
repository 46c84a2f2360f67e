package ingress

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/daytona"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	runnerToken = "runner-token"
	userKey     = "user-key"
	proxyKey    = "proxy-key"
	sandboxID   = "dev1"
)

// seen is a request as the runner met it.
type seen struct {
	method, uri, host, body string
	header                  http.Header
	length                  int64 // as announced
}

// world is a proxy between the double of the API and a runner of the test's own.
type world struct {
	t      *testing.T
	proxy  *Proxy
	api    *daytona.Server
	url    string // of the proxy
	apiURL string
	client *http.Client

	mu     sync.Mutex
	calls  []seen
	answer http.HandlerFunc // of the runner; it says "hello" unless the test sets one
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, answer: func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") }}
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.calls = append(w.calls, seen{r.Method, r.RequestURI, r.Host, string(body), r.Header.Clone(), r.ContentLength})
		answer := w.answer
		w.mu.Unlock()
		answer(rw, r)
	}))
	w.api = daytona.New(daytona.Options{
		Token: runnerToken, UserKey: userKey, ProxyKey: proxyKey, NoBackups: true, ProxyURL: "http://127.0.0.1:4000",
	})
	apiServer := httptest.NewServer(w.api)
	w.apiURL = apiServer.URL + "/api"
	w.proxy = New(Options{APIURL: w.apiURL, Key: proxyKey})
	server := httptest.NewServer(w.proxy)
	w.url = server.URL
	transport := &http.Transport{DisableCompression: true}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		w.proxy.Close()
		apiServer.Close()
		upstream.Close()
	})
	w.ask("POST", w.apiURL+"/runners/healthcheck", runnerToken, `{"appVersion":"1","domain":"127.0.0.1","proxyUrl":"`+upstream.URL+`"}`, 201, nil)
	w.ask("POST", apiServer.URL+"/sim/jobs", "", `{"type":"START_SANDBOX","sandboxId":"`+sandboxID+`"}`, 201, nil)
	return w
}

// ask calls the API or its desk.
func (w *world) ask(method, url, token, body string, want int, into any) {
	w.t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		w.t.Fatalf("%s %s: %d %s; want %d", method, url, resp.StatusCode, data, want)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			w.t.Fatalf("%v: %s", err, data)
		}
	}
}

// asUser asks the API with the user's key.
func (w *world) asUser(path string, into any) {
	w.t.Helper()
	w.ask("GET", w.apiURL+path, userKey, "", 200, into)
}

// publish makes the sandbox a public one.
func (w *world) publish() {
	w.t.Helper()
	w.ask("POST", w.apiURL+"/sandbox/"+sandboxID+"/public/true", userKey, "", 200, nil)
}

// reply is what came back through the proxy.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request to the proxy. Headers are "Name: value"; "Host: x" is the host.
func (w *world) do(method, uri, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	path, query, _ := strings.Cut(uri, "?")
	r.URL.Opaque, r.URL.RawQuery = path, query // as it stands here
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

// last is what the runner met last.
func (w *world) last() seen {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) == 0 {
		w.t.Fatal("the runner was not called")
	}
	return w.calls[len(w.calls)-1]
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

func (w *world) runnerAnswers(answer http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

const key = "Authorization: Bearer " + userKey

func hostOfPort(port int, label string) string {
	return fmt.Sprintf("Host: %d-%s.proxy.localhost:4000", port, label)
}
