package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// routes of a door that does what tests want.
func routes() []transport.Route {
	echo := func(c *transport.Ctx) error {
		id, err := c.SandboxID()
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]string{"id": string(id), "body": string(c.Body()), "request": c.RequestID()})
	}
	return []transport.Route{
		{Method: "GET", Path: "/", Open: true, Handler: func(c *transport.Ctx) error { return c.JSON(200, "open") }},
		{Method: "GET", Path: "/things/{id}", Handler: echo},
		{Method: "POST", Path: "/things/{id}", Handler: echo},
		{Method: "POST", Path: "/things/{id}/large", Handler: echo, BodyLimit: 4 << 20},
		{Method: "GET", Path: "/headers", Handler: func(c *transport.Ctx) error {
			h := &c.Fasthttp().Request.Header
			return c.JSON(200, []string{string(h.Peek("X-Daytona-Authorization")), string(h.Peek("Authorization"))})
		}},
		{Method: "GET", Path: "/panic", Handler: func(*transport.Ctx) error { panic("secret details") }},
		{Method: "GET", Path: "/fail", Handler: func(*transport.Ctx) error {
			return fmt.Errorf("boot cvd-3: %w", errors.New("dial https://user:pw@host/x: refused"))
		}},
		{Method: "GET", Path: "/wait", Slow: true, Handler: func(c *transport.Ctx) error {
			ctx, cancel := c.Within(time.Hour, "wait")
			defer cancel()
			<-ctx.Done()
			return context.Cause(ctx)
		}},
		{Method: "GET", Path: "/hang", Handler: func(c *transport.Ctx) error {
			<-c.Context().Done()
			return context.Cause(c.Context())
		}},
	}
}

func start(t testing.TB, o transport.Options, more ...transport.Route) *transporttest.Client {
	t.Helper()
	return transporttest.Start(t, o, func(s *transport.Server) { s.Mount("", append(routes(), more...)) })
}

// Ensure who lacks the token learns so in Daytona's words, whatever else is wrong.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	const right = "Bearer " + transporttest.Token
	tests := []struct {
		name           string
		daytona, plain string
		want           string // empty: let in
	}{
		{"no header at all", "", "", "authorization header required"},
		{"the right token", "", right, ""},
		{"the right token in Daytona's header", right, "", ""},
		{"the right token before a user's own header", right, "Basic dTpw", ""},
		{"a wrong token", "", "Bearer wrong", "invalid token"},
		{"a wrong token of the same length", "", "Bearer " + strings.Repeat("x", len(transporttest.Token)), "invalid token"},
		{"the token and more", "", right + "x", "invalid token"},
		{"a wrong token in Daytona's header, the right one beside", "Bearer wrong", right, "invalid token"},
		{"a malformed Daytona header, the right one beside", "nonsense", right, "invalid authorization header format"},
		{"the scheme in lower case", "", "bearer " + transporttest.Token, "invalid authorization header format"},
		{"no scheme", "", transporttest.Token, "invalid authorization header format"},
		{"two spaces", "", "Bearer  " + transporttest.Token, "invalid authorization header format"},
		{"something behind the token", "", right + " more", "invalid authorization header format"},
		{"the scheme alone", "", "Bearer", "invalid authorization header format"},
		{"another scheme", "", "Basic dTpw", "invalid authorization header format"},
	}
	c := start(t, transport.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Do("GET", "/things/a", "", "X-Daytona-Authorization: "+tt.daytona, "Authorization: "+tt.plain)
			if tt.want == "" {
				if got.Status != http.StatusOK {
					t.Errorf("got %d %s, want 200", got.Status, got.Body)
				}
				return
			}
			if got.Status != http.StatusUnauthorized || got.Field(t, "message") != "unauthorized: "+tt.want || got.Field(t, "code") != "UNAUTHORIZED" {
				t.Errorf("got %d %s, want 401 %s", got.Status, got.Body, tt.want)
			}
		})
	}
}

// Ensure the token stops at the door, and a user's own Authorization passes it.
func TestHandlersDoNotSeeTheToken(t *testing.T) {
	t.Parallel()
	const right = "Bearer " + transporttest.Token
	c := start(t, transport.Options{})
	tests := []struct{ name, daytona, plain, want string }{
		{"in Authorization", "", right, `["",""]`},
		{"in Daytona's header", right, "", `["",""]`},
		{"in Daytona's header beside the user's own", right, "Basic dTpw", `["","Basic dTpw"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Do("GET", "/headers", "", "X-Daytona-Authorization: "+tt.daytona, "Authorization: "+tt.plain)
			if got.Body != tt.want {
				t.Errorf("the handler saw %s, want %s", got.Body, tt.want)
			}
		})
	}
}

// Ensure paths are matched as Daytona's runner does, but never redirected.
func TestRouting(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{})
	tests := []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"GET", "/things/a", 200},
		{"GET", "/things/a/", 200},
		{"POST", "/things/a/large/", 200},
		{"GET", "/things/a?x=/y", 200},
		{"HEAD", "/things/a", 200},
		{"HEAD", "/things/a/", 200},
		{"GET", "/THINGS/a", 404},
		{"GET", "/thing", 404},
		{"GET", "/things", 404},
		{"GET", "/things/a/large", 404}, // only POST
		{"HEAD", "/things/a/large", 404},
		{"DELETE", "/things/a", 404},
		{"OPTIONS", "/things/a", 404},
		{"GET", "/things/a/b", 404},
		{"GET", "/things/../things/a", 404},
		{"GET", "/things/a%2Fb", 400}, // an id, decoded once
		{"GET", "/things/a%252Fb", 400},
		{"GET", "/things/..", 400},
		{"GET", "/things/%2e%2e", 400},
		{"GET", "/things/%00", 400},
		{"GET", "/things/a%zz", 400},
		{"GET", "/things/-a", 400},
		{"GET", "/things/" + strings.Repeat("a", 64), 400},
		{"GET", "/things/" + strings.Repeat("a", 10_000), 400},
		{"GET", "/things/" + strings.Repeat("a", 63), 200},
		{"GET", "/things/%61", 200},
		{"GET", "/things/" + strings.Repeat("a", 20_000), 431},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path[:min(len(tt.path), 30)], func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Raw(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + transporttest.Token + "\r\n\r\n")
			if got.Status != tt.status {
				t.Fatalf("got %d %s, want %d", got.Status, got.Body, tt.status)
			}
			if tt.status == 404 && (got.Header.Get("Content-Type") != "text/plain" || tt.method != "HEAD" && got.Body != "404 page not found") {
				t.Errorf("got %q %q", got.Header.Get("Content-Type"), got.Body)
			}
			if tt.method == "HEAD" && got.Body != "" {
				t.Errorf("HEAD was answered with the body %q", got.Body)
			}
		})
	}
}

// Ensure what is no request gets an answer in JSON, and the server goes on.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{Limits: transport.Limits{HeaderTimeout: 200 * time.Millisecond, BodyTimeout: 300 * time.Millisecond}})
	auth := "Host: x\r\nAuthorization: Bearer " + transporttest.Token + "\r\n"
	tests := []struct {
		name, request string
		status        int
		code          string
	}{
		{"no HTTP", "nonsense\r\n\r\n", 400, "BAD_REQUEST"},
		{"a raw NUL in the path", "GET /things/a\x00b HTTP/1.1\r\n" + auth + "\r\n", 400, "BAD_REQUEST"},
		{"headers that never end", "GET / HTTP/1.1\r\nHost: x\r\n", 408, "REQUEST_TIMEOUT"},
		{"a body that never comes", "POST /things/a HTTP/1.1\r\n" + auth + "Content-Length: 10\r\n\r\nabc", 408, "REQUEST_TIMEOUT"},
		{"chunks that never end", "POST /things/a HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 408, "REQUEST_TIMEOUT"},
		{"broken chunks", "POST /things/a HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", 400, "BAD_REQUEST"},
		{"headers without end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431, "HEADERS_TOO_LARGE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Raw(tt.request)
			if got.Status != tt.status || got.Field(t, "code") != tt.code || got.Field(t, "statusCode") != fmt.Sprint(tt.status) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.code)
			}
			if got.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

// Ensure a body over the limit is answered 413 even while the client still sends it, each route
// has its own limit, and without a token the large ones are closed.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{})
	tests := []struct {
		name, path string
		size       int
		chunked    bool
		header     string
		status     int
	}{
		{"at the limit", "/things/a", 1 << 20, false, "", 200},
		{"over the limit", "/things/a", 1<<20 + 1, false, "", 413},
		{"over the limit, in chunks", "/things/a", 1<<20 + 1, true, "", 413},
		{"far over the limit", "/things/a", 30 << 20, false, "", 413},
		{"over the default, on a route that takes more", "/things/a/large", 4 << 20, false, "", 200},
		{"the same with a slash at the end", "/things/a/large/", 4 << 20, true, "", 200},
		{"over the limit of that route", "/things/a/large", 4<<20 + 1, false, "", 413},
		{"large, and no token", "/things/a/large", 4 << 20, false, "Authorization:", 401},
		{"large, and a wrong token", "/things/a", 4 << 20, false, "Authorization: Bearer x", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var body io.Reader = strings.NewReader(strings.Repeat("x", tt.size))
			if tt.chunked {
				body = struct{ io.Reader }{body}
			}
			headers := []string{}
			if tt.header != "" {
				headers = append(headers, tt.header)
			}
			got, err := c.Try("POST", tt.path, body, headers...)
			if err != nil || got.Status != tt.status {
				t.Fatalf("got %d %.200s %v, want %d", got.Status, got.Body, err, tt.status)
			}
			if tt.status == 413 && got.Field(t, "code") != "PAYLOAD_TOO_LARGE" {
				t.Errorf("got %s", got.Body)
			}
		})
	}
}

// Ensure a panic becomes an answer with an id that the log has too, and tells clients nothing.
func TestPanic(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	registry := prometheus.NewRegistry()
	c := start(t, transport.Options{Log: zap.New(core), Registry: registry})
	got := c.Do("GET", "/panic", "", "X-Request-Id: mine")
	message := got.Field(t, "message")
	if got.Status != 500 || !strings.HasPrefix(message, "internal error ") || strings.Contains(got.Body, "secret") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if c.Do("GET", "/", "").Status != 200 {
		t.Error("the server did not survive")
	}
	entries := logs.All()
	if len(entries) != 1 {
		t.Fatalf("%d lines were logged, want 1: %v", len(entries), entries)
	}
	fields := entries[0].ContextMap()
	if !strings.Contains(message, fmt.Sprint(fields["error_id"])) || fields["reason"] != "secret details" || fields["request_id"] != "mine" ||
		!strings.Contains(fmt.Sprint(fields["stack"]), "server_test.go") {
		t.Errorf("logged %v for %s", fields, message)
	}
	want := "# HELP runner_android_http_panics_total Panics in handlers and stream writers.\n" +
		"# TYPE runner_android_http_panics_total counter\nrunner_android_http_panics_total 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "runner_android_http_panics_total"); err != nil {
		t.Error(err)
	}
}

// Ensure an internal error is a sentence of its cause, without credentials, and an id.
func TestInternalError(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{})
	got := c.Do("GET", "/fail", "")
	_, sentence, _ := strings.Cut(strings.TrimPrefix(got.Field(t, "message"), "internal error "), ": ")
	if got.Status != 500 || sentence != "boot cvd-3: dial https://(redacted)@host/x: refused" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure every answer has a request id: the client's when it is well-formed.
func TestRequestID(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{})
	seen := map[string]bool{}
	for _, tt := range []struct {
		given string
		taken bool
	}{
		{"abc-1.2_X", true}, {strings.Repeat("a", 64), true}, {strings.Repeat("a", 65), false}, {"a b", false}, {"a\"b", false}, {"", false},
	} {
		got := c.Do("GET", "/things/a", "", "X-Request-Id: "+tt.given)
		id := got.Header.Get("X-Request-Id")
		if id != got.Field(t, "request") || id == "" || (id == tt.given) != tt.taken || seen[id] {
			t.Errorf("%q became %q, and %s for the handler", tt.given, id, got.Body)
		}
		seen[id] = true
	}
	if got := c.Do("GET", "/nowhere", "", "X-Request-Id: x1"); got.Header.Get("X-Request-Id") != "x1" {
		t.Errorf("a 404 has the id %q", got.Header.Get("X-Request-Id"))
	}
}

// Ensure an error answer has Daytona's shape, with the path below the mount's prefix.
func TestErrorShape(t *testing.T) {
	t.Parallel()
	refuse := transport.Route{Method: "GET", Path: "/process/{what}", Handler: func(*transport.Ctx) error {
		return fault.Conflictf("sandbox x is stopped: is the sandbox started?")
	}}
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("", []transport.Route{refuse})
		s.Mount("/sandboxes/{id}/toolbox", []transport.Route{refuse})
	})
	for path, shown := range map[string]string{
		"/process/a?secret=1":                "/process/a",
		"/sandboxes/x/toolbox/process/a%20b": "/process/a b",
	} {
		got := c.Do("GET", path, "")
		stamp := got.Field(t, "timestamp")
		want := fmt.Sprintf(`{"statusCode":409,"message":"conflict: sandbox x is stopped: is the sandbox started?","code":"CONFLICT",`+
			`"timestamp":%q,"path":%q,"method":"GET"}`, stamp, shown)
		if got.Status != 409 || got.Body != want || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
			t.Errorf("got %d %s %s\nwant %s", got.Status, got.Header, got.Body, want)
		}
		if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("timestamp %q: %v", stamp, err)
		}
	}
}

// Ensure a query that nobody answers ends with 504.
func TestQueriesHaveADeadline(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{Limits: transport.Limits{Query: 10 * time.Millisecond}})
	got := c.Do("GET", "/hang", "")
	if got.Status != 504 || got.Field(t, "code") != "TIMEOUT" || got.Field(t, "message") != "timeout: no answer within 10ms" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{})
	second, err := transport.New(transport.Options{Addr: c.Addr, Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.Addr)
	if err := second.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "port "+port+" is already in use") {
		t.Errorf("got %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, o := range []transport.Options{
		{Addr: ":0"}, {Token: "x"}, {Addr: ":0", Token: "x", TLSCertFile: "a"}, {Addr: ":0", Token: "x", TLSKeyFile: "a"},
	} {
		if _, err := transport.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	s, err := transport.New(transport.Options{Addr: "127.0.0.1:0", Token: "x", TLSCertFile: "nowhere", TLSKeyFile: "nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS certificate") {
		t.Errorf("got %v", err)
	}
	if err := s.Serve(t.Context()); err == nil {
		t.Error("served without a listener")
	}
}

// Ensure requests are counted by pattern, and clients cannot make up labels.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	c := start(t, transport.Options{Registry: registry})
	for _, id := range []string{"a", "b", "-"} {
		c.Do("GET", "/things/"+id, "")
	}
	c.Do("HEAD", "/things/a", "")
	c.Do("GET", "/nowhere", "")
	c.Do("BREW", "/nowhere", "")
	c.Raw("nonsense\r\n\r\n")
	if n, err := testutil.GatherAndCount(registry, "runner_android_http_request_duration_seconds"); err != nil || n != 3 {
		t.Errorf("%d routes have histograms, %v; want those that were asked", n, err)
	}
	want := `# HELP runner_android_http_requests_total Requests answered, by route, method and status.
# TYPE runner_android_http_requests_total counter
runner_android_http_requests_total{code="200",method="GET",route="/things/{id}"} 2
runner_android_http_requests_total{code="200",method="HEAD",route="/things/{id}"} 1
runner_android_http_requests_total{code="400",method="GET",route="/things/{id}"} 1
runner_android_http_requests_total{code="400",method="GET",route="malformed"} 1
runner_android_http_requests_total{code="404",method="GET",route="unmatched"} 1
runner_android_http_requests_total{code="404",method="other",route="unmatched"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "runner_android_http_requests_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// Ensure the access log has no query, which may hold a token.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	c := start(t, transport.Options{Log: zap.New(core)})
	c.Do("GET", "/things/a?token=secret", "", "X-Request-Id: r1")
	lines := logs.FilterMessage("request answered").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	got := lines[0].ContextMap()
	delete(got, "took")
	if fmt.Sprint(got) != "map[method:GET path:/things/a request_id:r1 status:200]" {
		t.Errorf("logged %v", got)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	c := start(t, transport.Options{}, transport.Route{Method: "GET", Path: "/stream/{how}", Handler: func(c *transport.Ctx) error {
		how, err := c.Param("how")
		if err != nil {
			return err
		}
		c.Stream("text/plain", func(ctx context.Context, w *bufio.Writer) error {
			_, _ = w.WriteString("first\n")
			if err := w.Flush(); err != nil || how == "short" {
				return err
			}
			if how == "panic" {
				panic("in a stream")
			}
			if how == "fail" {
				return errors.New("broken")
			}
			for ctx.Err() == nil {
				_, _ = w.WriteString("more\n")
				if err := w.Flush(); err != nil {
					gone <- err
					return err
				}
			}
			gone <- ctx.Err()
			return ctx.Err()
		})
		return nil
	}})
	if got := c.Do("GET", "/stream/short", ""); got.Status != 200 || got.Body != "first\n" || got.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %v", got)
	}
	if got := c.Do("HEAD", "/stream/short", ""); got.Status != 200 || got.Body != "" {
		t.Errorf("got %v", got)
	}
	for _, how := range []string{"panic", "fail"} {
		if got, err := c.Try("GET", "/stream/"+how, http.NoBody); err == nil || got.Body != "first\n" {
			t.Errorf("a stream that ends by %s: %q, %v; want what was written and an error", how, got.Body, err)
		}
	}
	conn := c.Dial()
	_, _ = io.WriteString(conn, "GET /stream/long HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+transporttest.Token+"\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatal(line, err)
	}
	_ = conn.Close()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the writer did not hear that the client is gone")
	}
	if c.Do("GET", "/", "").Status != 200 {
		t.Error("the server did not survive")
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
