package ingress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPathsReachTheRunnerAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := hostOfPort(6080, sandboxID)
	for _, tt := range []struct{ host, uri, want string }{
		{host, "/js/a%20b(c).js?x=1&y=%2F", "/sandboxes/dev1/toolbox/proxy/6080/js/a%20b(c).js?x=1&y=%2F"},
		{host, "/", "/sandboxes/dev1/toolbox/proxy/6080/"},
		{host, "/a%2Fb/%e2%82%ac/%41", "/sandboxes/dev1/toolbox/proxy/6080/a%2Fb/%e2%82%ac/%41"},
		{host, "/a//../b/./c//", "/sandboxes/dev1/toolbox/proxy/6080/a//../b/./c//"},
		{host, "/q?b=1;a=2&%zz&+", "/sandboxes/dev1/toolbox/proxy/6080/q?b=1;a=2&%zz&+"},
		{host, "/toolbox/dev1/version", "/sandboxes/dev1/toolbox/proxy/6080/toolbox/dev1/version"},
		{hostOfPort(2280, sandboxID), "/version", "/sandboxes/dev1/toolbox/proxy/2280/version"},
		{"Host: proxy.localhost:4000", "/toolbox/dev1/files/info?path=%2Fsdcard%2Fa+b.txt", "/sandboxes/dev1/toolbox/files/info?path=%2Fsdcard%2Fa+b.txt"},
		{"Host: 127.0.0.1:4000", "/toolbox/dev1/", "/sandboxes/dev1/toolbox/"},
		{"Host: 127.0.0.1:4000", "/toolbox/dev1/files", "/sandboxes/dev1/toolbox/files"},
	} {
		if got := w.do("GET", tt.uri, "", tt.host, key); got.status != 200 || got.body != "hello" {
			t.Errorf("%s: %d %s", tt.uri, got.status, got.body)
			continue
		}
		if got := w.last().uri; got != tt.want {
			t.Errorf("%s: the runner got %s, want %s", tt.uri, got, tt.want)
		}
	}
	for _, uri := range []string{"/", "/toolbox", "/toolbox/dev1", "/toolbox//x", "/sandboxes/dev1"} {
		if got := w.do("GET", uri, "", key); got.status != 404 || !strings.Contains(got.body, `"message":"not found: `) {
			t.Errorf("%s: %d %s", uri, got.status, got.body)
		}
	}
}

func TestHeadersThatTheRunnerGets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do("GET", "/", "", hostOfPort(6080, sandboxID), key, "X-Forwarded-Host: before.example", "X-Forwarded-For: 10.0.0.9",
		"X-Forwarded-Proto: https", "Cookie: a=1; b=2", "X-Daytona-Skip-Last-Activity-Update: true", "X-Daytona-Authorization: Bearer forged")
	got := w.last()
	for name, want := range map[string][]string{
		"X-Daytona-Authorization":             {"Bearer " + runnerToken},
		"X-Forwarded-Host":                    {"before.example", "6080-dev1.proxy.localhost:4000"},
		"X-Forwarded-For":                     {"10.0.0.9, 127.0.0.1"},
		"X-Forwarded-Proto":                   {"https"},
		"Cookie":                              {"a=1; b=2"},
		"X-Daytona-Skip-Last-Activity-Update": nil,
		"Authorization":                       nil,
		"Accept-Encoding":                     {"gzip"},
	} {
		if !slices.Equal(got.header.Values(name), want) {
			t.Errorf("%s: %q, want %q", name, got.header.Values(name), want)
		}
	}
	if !strings.HasPrefix(got.host, "127.0.0.1:") {
		t.Errorf("Host is %s, want the runner's", got.host)
	}
	w.do("GET", "/toolbox/dev1/version", "", key)
	if got := w.last().header; got.Get("X-Forwarded-Proto") != "" || got.Get("X-Forwarded-For") != "127.0.0.1" {
		t.Errorf("headers %v", got)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := hostOfPort(6080, sandboxID)
	const elsewhere = "Origin: https://app.example"
	if got := w.do("GET", "/", "", host, key, elsewhere).header; got.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		got.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("another origin: %v", got)
	}
	for name, headers := range map[string][]string{
		"no origin":       {host, key},
		"its own origin":  {host, key, "Origin: http://6080-dev1.proxy.localhost:4000"},
		"switched off":    {host, key, elsewhere, "X-Daytona-Disable-CORS: true"},
		"off, in advance": {host, key, elsewhere, "X-Daytona-Disable-CORS: true", "Access-Control-Request-Method: POST"},
	} {
		if got := w.do("OPTIONS", "/", "", headers...); got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, got.status, got.header)
		}
		if w.last().header.Get("X-Daytona-Disable-CORS") != "" {
			t.Errorf("%s: the runner sees X-Daytona-Disable-CORS", name)
		}
	}
	before := w.count()
	got := w.do("OPTIONS", "/", "", host, elsewhere, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a,x-b")
	if got.status != 204 || got.header.Get("Access-Control-Allow-Headers") != "x-a,x-b" || w.count() != before {
		t.Errorf("a question in advance: %d %v", got.status, got.header)
	}
}

func TestRedirectsOfTheRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	location, status := "", 301
	w.runnerAnswers(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", location)
		rw.WriteHeader(status)
	})
	host := hostOfPort(6080, sandboxID)
	for _, tt := range []struct {
		host, location string
		status         int
		want           string
	}{
		{"Host: 127.0.0.1:4000", "/files/", 301, "/toolbox/dev1/files/"},
		{"Host: 127.0.0.1:4000", "/files/", 307, "/toolbox/dev1/files/"},
		{"Host: 127.0.0.1:4000", "/toolbox/dev1/files/", 301, "/toolbox/dev1/files/"},
		{"Host: 127.0.0.1:4000", "/files/", 201, "/files/"},
		{host, "/files/", 301, "/files/"},
	} {
		location, status = tt.location, tt.status
		if got := w.do("GET", "/toolbox/dev1/files", "", tt.host, key); got.status != tt.status || got.header.Get("Location") != tt.want {
			t.Errorf("%s, %d to %s: %d to %s, want %s", tt.host, tt.status, tt.location, got.status, got.header.Get("Location"), tt.want)
		}
	}
}

func TestARunnerThatCannotBeReachedIs502WithoutABody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runnerAnswers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if got := w.do("GET", "/toolbox/dev1/version", "", key); got.status != 502 || got.body != "" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func TestARunnerWithoutAddressIs400(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/runners/") {
			_, _ = io.WriteString(rw, `{"id":"r","proxyUrl":null,"apiKey":"k"}`)
		}
	}))
	t.Cleanup(silent.Close)
	w.proxy.api.base = silent.URL
	if got := w.do("GET", "/toolbox/dev1/version", "", key); got.status != 400 || !strings.Contains(got.body, "proxyUrl") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestOutputPassesWhileItIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	more := make(chan struct{})
	w.runnerAnswers(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "one\n")
		_ = http.NewResponseController(rw).Flush()
		<-more
		_, _ = io.WriteString(rw, "two\n")
	})
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/toolbox/dev1/logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+userKey)
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	close(more)
	if line, err := lines.ReadString('\n'); line != "two\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestAWebSocketPassesWithTheBrowsersOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runnerAnswers(func(rw http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: " +
			r.Header.Get("Sec-WebSocket-Protocol") + "\r\n\r\n")
		_ = buffered.Flush()
		_, _ = io.Copy(conn, buffered)
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(conn, "GET /ws?x=1 HTTP/1.1\r\nHost: 6080-dev1.proxy.localhost:4000\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p1\r\n"+
		"Origin: http://6080-dev1.proxy.localhost:4000\r\n\r\n", userKey)
	if err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(conn)
	resp, err := http.ReadResponse(from, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != "p1" {
		t.Fatalf("got %v, %v", resp, err)
	}
	for _, text := range []string{"ping", "pong"} {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, len(text))
		if _, err := io.ReadFull(from, back); err != nil || string(back) != text {
			t.Fatalf("got %q, %v", back, err)
		}
	}
	got := w.last()
	for name, want := range map[string]string{
		"Origin": "http://6080-dev1.proxy.localhost:4000", "Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-Websocket-Key": "a2V5", "X-Daytona-Authorization": "Bearer " + runnerToken,
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if got.uri != "/sandboxes/dev1/toolbox/proxy/6080/ws?x=1" {
		t.Errorf("the runner got %s", got.uri)
	}
}

func TestFaultsOfTheProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault, method, uri, host, body string
		calls                          int
		want                           string
	}{
		{oldToolbox, "GET", "/toolbox/dev1/files/info?path=a", "", "", 1, "/sandboxes/dev1/toolbox/proxy/2280/files/info?path=a"},
		{oldToolbox, "GET", "/x", hostOfPort(6080, sandboxID), "", 1, "/sandboxes/dev1/toolbox/proxy/6080/x"},
		{filesSlash, "GET", "/toolbox/dev1/files?path=a", "", "", 1, "/sandboxes/dev1/toolbox/files/?path=a"},
		{filesSlash, "GET", "/toolbox/dev1/files/info", "", "", 1, "/sandboxes/dev1/toolbox/files/info"},
		{plainAuthorization, "GET", "/toolbox/dev1/version", "", "", 1, "/sandboxes/dev1/toolbox/version"},
		{doublePost, "POST", "/toolbox/dev1/process/execute", "", "body", 2, "/sandboxes/dev1/toolbox/process/execute"},
		{doublePost, "POST", "/toolbox/dev1/files/upload", "", strings.Repeat("x", maxRepeated+1), 1, "/sandboxes/dev1/toolbox/files/upload"},
		{doublePost, "GET", "/toolbox/dev1/version", "", "", 1, "/sandboxes/dev1/toolbox/version"},
	} {
		w := newWorld(t)
		got := w.do("POST", "/sim/faults", `{"fault":"`+tt.fault+`"}`)
		if got.status != 201 {
			t.Fatalf("%s: %d %s", tt.fault, got.status, got.body)
		}
		headers := []string{key}
		if tt.host != "" {
			headers = append(headers, tt.host)
		}
		if got := w.do(tt.method, tt.uri, tt.body, headers...); got.status != 200 || got.body != "hello" {
			t.Errorf("%s %s: %d %s", tt.fault, tt.uri, got.status, got.body)
		}
		if call := w.last(); w.count() != tt.calls || call.uri != tt.want || call.body != tt.body {
			t.Errorf("%s %s: %d calls, the last %s with %d bytes", tt.fault, tt.uri, w.count(), call.uri, len(call.body))
		}
		header := w.last().header
		if plain := header.Get("Authorization") == "Bearer "+runnerToken && header.Get("X-Daytona-Authorization") == ""; plain != (tt.fault == plainAuthorization) {
			t.Errorf("%s: headers %v", tt.fault, header)
		}
		if got := w.do("DELETE", "/sim/faults/f1", ""); got.status != 204 {
			t.Errorf("clear: %d", got.status)
		}
		if got := w.do("GET", "/sim/faults", ""); got.body != "[]\n" {
			t.Errorf("left: %s", got.body)
		}
	}
}

func TestRulesOfFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{`{"fault":"explode"}`, `{"fault":"old_toolbox","times":-1}`, `{"fault":"old_toolbox","typo":1}`, `{`} {
		if got := w.do("POST", "/sim/faults", body); got.status != 400 {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if err := w.proxy.AddFault(filesSlash, 1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/sandboxes/dev1/toolbox/files/", "/sandboxes/dev1/toolbox/files"} {
		if w.do("GET", "/toolbox/dev1/files", "", key); w.last().uri != want {
			t.Errorf("got %s, want %s", w.last().uri, want)
		}
	}
	if got := w.do("GET", "/sim/faults", ""); !strings.Contains(got.body, `"times":1,"used":1`) {
		t.Errorf("got %s", got.body)
	}
	if got := w.do("DELETE", "/sim/faults/f9", ""); got.status != 404 {
		t.Errorf("got %d", got.status)
	}
	if got := w.do("DELETE", "/sim/faults", ""); got.status != 204 {
		t.Errorf("got %d", got.status)
	}
}

func TestUploadsOfUnknownSizeArriveInChunks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, fault := range []string{"", doublePost} {
		if fault != "" {
			if err := w.proxy.AddFault(fault, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, size := range []int{1, maxRepeated, maxRepeated + 1, 3 << 20} {
			before := w.count()
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/toolbox/dev1/files/bulk-upload",
				io.MultiReader(strings.NewReader(strings.Repeat("x", size)))) // its size is hidden
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+userKey)
			resp, err := w.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := 1
			if fault != "" && size <= maxRepeated {
				want = 2
			}
			if got := w.last(); w.count()-before != want || len(got.body) != size || got.length != -1 {
				t.Errorf("%q, %d bytes: %d calls, the last with %d bytes, announced as %d", fault, size, w.count()-before, len(got.body), got.length)
			}
		}
	}
}

// roundTripper is a transport that the test plays.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPostIsSentOnceMoreOnlyWhenAKeptConnectionWasDead(t *testing.T) {
	t.Parallel()
	dead := errors.New("connection reset by peer")
	for _, tt := range []struct {
		name   string
		size   int
		hidden bool // of unknown size
		kept   bool
		want   int
	}{
		{"a kept connection", 10, false, true, 2},
		{"the largest body", maxRepeated, false, true, 2},
		{"a body too large", maxRepeated + 1, false, true, 1},
		{"a body of unknown size", 10, true, true, 1},
		{"a new connection", 10, false, false, 1},
	} {
		sent := 0
		s := sender{transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
				trace.GotConn(httptrace.GotConnInfo{Reused: tt.kept})
			}
			body, err := io.ReadAll(r.Body)
			if sent++; err != nil || len(body) != tt.size {
				t.Errorf("%s: %d bytes, %v", tt.name, len(body), err)
			}
			return nil, dead
		})}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "http://runner/", strings.NewReader(strings.Repeat("x", tt.size)))
		if tt.hidden {
			r.ContentLength = -1
		}
		if _, err := s.RoundTrip(r); !errors.Is(err, dead) || sent != tt.want {
			t.Errorf("%s: sent %d times, %v; want %d", tt.name, sent, err, tt.want)
		}
	}
}

func TestTheAPIHearsOfUseAtOnceAndEachFiftySeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a activity
		var heard []time.Duration
		began := time.Now()
		end := a.keep(sandboxID, func(id string) {
			if id != sandboxID {
				t.Errorf("it heard of %s", id)
			}
			heard = append(heard, time.Since(began))
		})
		time.Sleep(120 * time.Second)
		end()
		a.wait()
		if want := []time.Duration{0, 50 * time.Second, 100 * time.Second}; !slices.Equal(heard, want) {
			t.Errorf("it heard after %v, want %v", heard, want)
		}
	})
}

func TestUseOfASandboxIsNoted(t *testing.T) {
	t.Parallel()
	for skip, want := range map[string]int{"true": 0, "false": 1} {
		w := newWorld(t)
		w.do("GET", "/toolbox/dev1/version", "", key, "X-Daytona-Skip-Last-Activity-Update: "+skip)
		w.proxy.activity.wait()
		var requests []struct{ Path, By string }
		w.ask("GET", strings.TrimSuffix(w.apiURL, "/api")+"/sim/requests", "", "", 200, &requests)
		got := 0
		for _, r := range requests {
			if r.Path == "/api/sandbox/dev1/last-activity" && r.By == "proxy" {
				got++
			}
		}
		if got != want {
			t.Errorf("skip %s: noted %d times, want %d", skip, got, want)
		}
	}
}

func TestARunnerIsAskedForAgainAfterTwoMinutes(t *testing.T) {
	t.Parallel()
	var c runnerCache
	asked := 0
	began := time.Now()
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {119 * time.Second, 1}, {120 * time.Second, 2}, {121 * time.Second, 2}} {
		got, err := c.of("dev1", began.Add(tt.after), func() (runner, error) {
			asked++
			return runner{APIKey: fmt.Sprint(asked)}, nil
		})
		if err != nil || asked != tt.want || got.APIKey != fmt.Sprint(tt.want) {
			t.Errorf("after %s: asked %d times, %v, %v; want %d", tt.after, asked, got, err, tt.want)
		}
	}
	failing := errors.New("the API is down")
	for range 2 {
		if _, err := c.of("dev2", began, func() (runner, error) { asked++; return runner{}, failing }); !errors.Is(err, failing) {
			t.Errorf("got %v", err)
		}
	}
	if asked != 4 {
		t.Error("a failure was remembered")
	}
}

func TestServeEndsWithItsContextAlsoWhileAnswersGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun := make(chan struct{})
	w.runnerAnswers(func(rw http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(rw).Flush()
		close(begun)
		<-r.Context().Done()
	})
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	proxy := New(Options{APIURL: w.apiURL, Key: proxyKey})
	go func() { ended <- proxy.Serve(ctx, listener) }()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+listener.Addr().String()+"/toolbox/dev1/logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+userKey)
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-begun
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Listen("0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "choose a loopback address") {
		t.Errorf("others reach it: %v", err)
	}
}
