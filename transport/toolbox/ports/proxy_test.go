package ports

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// seen is the head of a request as the guest got it, line by line, the first one apart.
func seen(t *testing.T, guest *fakeGuest, c *transporttest.Client, request string) (first string, headers []string) {
	t.Helper()
	heads := make(chan []string, 1)
	guest.serveRaw(t, 8080, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		var lines []string
		for {
			line, err := in.ReadString('\n')
			if line = strings.TrimSuffix(line, "\r\n"); err != nil || line == "" {
				break
			}
			lines = append(lines, line)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		heads <- lines
	})
	got := c.For(t).Raw(request)
	if got.Status != 200 || got.Body != "ok" {
		t.Fatalf("%q: got %d %s", request, got.Status, got.Body)
	}
	lines := <-heads
	slices.Sort(lines[1:])
	return lines[0], lines[1:]
}

// Ensure paths and queries arrive as they were sent, on every route to the proxy.
func TestTargets(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	c := start(t, guest, nil, Options{})
	for _, tt := range []struct{ sent, want string }{
		{"/proxy/8080", "/"},
		{"/proxy/8080/", "/"},
		{"/proxy/8080?a=1", "/?a=1"},
		{"/proxy/8080/?", "/?"},
		{"/proxy/8080/a/", "/a/"},
		{"/proxy/8080/a%2Fb//c/../d/./e", "/a%2Fb//c/../d/./e"},
		{"/proxy/8080//a%2fb?c=%20+&d", "//a%2fb?c=%20+&d"},
		{"/proxy/8080/%e4%zz", "/%e4%zz"},
		{"/proxy/8080/ä\"<>{}|^`[]", "/ä\"<>{}|^`[]"},
		{"/proxy/8080/x?q=\"<>ä?/?;&&=#", "/x?q=\"<>ä?/?;&&="},
		{"/proxy/8080/proxy/2280/files", "/proxy/2280/files"},
		{"/proxy/8080/sandboxes/dev-1/toolbox/proxy/8080/x", "/sandboxes/dev-1/toolbox/proxy/8080/x"},
		{"/proxy/2280/proxy/8080/x%2f", "/x%2f"},
		{"/proxy/8080/http://example.com/x", "/http://example.com/x"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
			first, _ := seen(t, guest, c, method+" "+base+tt.sent+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+transporttest.Token+"\r\n\r\n")
			if want := method + " " + tt.want + " HTTP/1.1"; first != want {
				t.Errorf("%s: got %q, want %q", tt.sent, first, want)
			}
		}
	}
}

// Ensure the guest gets the client's headers and none that are the connection's or the runner's.
func TestHeaders(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	c := start(t, guest, nil, Options{})
	const head = "GET " + base + "/proxy/8080/x HTTP/1.1\r\nHost: 8080-dev-1.proxy.localhost:4000\r\n"
	for _, tt := range []struct {
		name string
		sent string
		want string
	}{
		{"the runner's token", "Authorization: Bearer " + transporttest.Token, ""},
		{"the user's own authorization", "X-Daytona-Authorization: Bearer " + transporttest.Token + "\r\nAuthorization: Basic dTpw",
			"Authorization: Basic dTpw"},
		{"what is forwarded", "Authorization: Bearer " + transporttest.Token +
			"\r\nX-Forwarded-Host: a, b\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nUser-Agent: me/1\r\nAccept-Encoding: br",
			"Accept-Encoding: br|User-Agent: me/1|X-Forwarded-For: 1.2.3.4|X-Forwarded-Host: a, b|X-Forwarded-Proto: https"},
		{"hop by hop", "Authorization: Bearer " + transporttest.Token + "\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: 3\r\n" +
			"TE: trailers\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-Public: 1\r\nX-Public: 2", "X-Public: 1|X-Public: 2"},
		{"cookies", "Authorization: Bearer " + transporttest.Token + "\r\nCookie: a=1; daytona-sandbox-auth-dev-1=MTc=; b=\"x y\"; Daytona-Sandbox-Auth-x=2",
			"Cookie: a=1; b=\"x y\""},
		{"only Daytona's cookie", "Authorization: Bearer " + transporttest.Token + "\r\nCookie: daytona-sandbox-auth-dev-1=MTc=", ""},
	} {
		_, headers := seen(t, guest, c, head+tt.sent+"\r\n\r\n")
		got := strings.Join(slices.DeleteFunc(slices.Clone(headers), func(h string) bool { return h == "Host: localhost:8080" || h == "Connection: close" }), "|")
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if len(headers) < 1 || !slices.Contains(headers, "Connection: close") {
			t.Errorf("%s: got %q", tt.name, headers)
		}
	}
}

// Ensure answers come back as they were made.
func TestAnswers(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	c := start(t, guest, nil, Options{})
	for _, tt := range []struct {
		name, method, answer string
		status               int
		body                 string
		headers              string // that must be there, "!" before those that must not
	}{
		{"a page", "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: guest\r\nContent-Length: 3\r\n\r\nabc", 200, "abc",
			"Content-Type: text/html|Server: guest|Content-Length: 3"},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, "abc", "!Content-Type|!Content-Length"},
		{"until the end", "GET", "HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", ""},
		{"nothing", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "!Content-Type"},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n", 304, "", "Etag: \"x\""},
		{"only the head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200, "", "Content-Length: 12345"},
		{"a redirect", "GET", "HTTP/1.1 302 Found\r\nLocation: /x//y%2f\r\nContent-Length: 0\r\n\r\n", 302, "", "Location: /x//y%2f"},
		{"hop by hop", "GET", "HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 1\r\nProxy-Authenticate: x\r\n" +
			"Content-Length: 1\r\n\r\nx", 200, "x", "!X-Private|!Keep-Alive|!Proxy-Authenticate"},
		{"cookies", "GET", "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; HttpOnly\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", 200, "",
			"Set-Cookie: a=1; Path=/; HttpOnly|Set-Cookie: b=2"},
		{"its own errors", "POST", "HTTP/1.1 503 No\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy", 503, "busy", "Retry-After: 3"},
		{"hints come before", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", "!Link"},
		{"compressed stays so", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bx", 200, "\x1f\x8bx", "Content-Encoding: gzip"},
		{"a status of nobody", "GET", "HTTP/1.1 799 Odd\r\nContent-Length: 1\r\n\r\nx", 799, "x", ""},
	} {
		guest.serveRaw(t, 8080, func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, tt.answer)
			}
		})
		got := c.For(t).Do(tt.method, base+"/proxy/8080/x", "", "Accept-Encoding: gzip")
		if got.Status != tt.status || got.Body != tt.body {
			t.Errorf("%s: got %d %q", tt.name, got.Status, got.Body)
		}
		for h := range strings.SplitSeq(tt.headers, "|") {
			name, value, _ := strings.Cut(strings.TrimPrefix(h, "!"), ": ")
			if has := slices.Contains(got.Header.Values(name), value); h != "" && (has == strings.HasPrefix(h, "!") || h[0] == '!' && got.Header.Values(name) != nil) {
				t.Errorf("%s: %s in %v", tt.name, h, got.Header)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveRaw(t, 8001, func(conn net.Conn) {})
	guest.serveRaw(t, 8002, func(conn net.Conn) { _, _ = io.WriteString(conn, "no HTTP\r\n\r\n") })
	block := make(chan struct{})
	guest.serveRaw(t, 8003, func(conn net.Conn) { <-block })
	t.Cleanup(func() { close(block) })
	c := start(t, guest, nil, Options{Answer: 50 * time.Millisecond})
	for _, tt := range []struct {
		path, message string
		status        int
	}{
		{base + "/proxy/8000/", "", 502},
		{base + "/proxy/8001/", "", 502},
		{base + "/proxy/8002/", "", 502},
		{base + "/proxy/8003/", "timeout: port 8003 of the guest did not answer in time", 504},
		{base + "/proxy/22222", "not implemented: port 22222 is Daytona's web terminal, which Android devices do not have: use process/pty", 501},
		{base + "/proxy/33333/", "not implemented: port 33333 is Daytona's page of recordings, which Android devices do not have", 501},
		{base + "/proxy/0/", `bad request: "0" in the path is no port`, 400},
		{base + "/proxy/65536/", `bad request: "65536" in the path is no port`, 400},
		{base + "/proxy/http/", `bad request: "http" in the path is no port`, 400},
		{base + "/proxy/8080%2f/", `bad request: "8080/" in the path is no port`, 400},
		{"/sandboxes/stopped/toolbox/proxy/8080/", "conflict: sandbox stopped is stopped: is the sandbox started?", 409},
	} {
		got := c.Do("POST", tt.path, "body")
		if got.Status != tt.status || tt.message != "" && got.Field(t, "message") != tt.message || tt.message == "" && (got.Body != "" || got.Header.Get("Content-Type") != "") {
			t.Errorf("%s: got %d %q %v", tt.path, got.Status, got.Body, got.Header)
		}
	}
	if got := c.Do("GET", base+"/proxy/2280/nothing", ""); got.Status != 404 || got.Body != "404 page not found" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", base+"/proxy/8000/x", "", "Authorization:"); got.Status != 401 {
		t.Errorf("without the token: %d", got.Status)
	}
	eventually(t, func() error { return wantOpen(guest, 0) })
}

func wantOpen(guest *fakeGuest, want int) error {
	if n := guest.opened(); n != want {
		return fmt.Errorf("%d connections to the guest are open, want %d", n, want)
	}
	return nil
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); <-tick.C {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// Ensure a body of any length and sort goes through, while memory stays where it was.
func TestBigBodies(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveHTTP(t, 8080, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v %d", n, sum.Sum(nil), err, r.ContentLength)
	})
	guest.serveHTTP(t, 8081, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 32<<20))
	})
	c := start(t, guest, nil, Options{}, transport.Limits{Body: 1024})
	data := make([]byte, 24<<20)
	_, _ = rand.Read(data)
	sum := sha256.Sum256(data)
	for name, body := range map[string]io.Reader{"sized": bytes.NewReader(data), "chunked": io.MultiReader(bytes.NewReader(data))} {
		got, err := c.Try("PUT", base+"/proxy/8080/x", body)
		size := len(data)
		if name == "chunked" {
			size = -1
		}
		if want := fmt.Sprintf("%d %x <nil> %d", len(data), sum, size); err != nil || got.Body != want {
			t.Errorf("%s: got %d %s (%v), want %s", name, got.Status, got.Body, err, want)
		}
	}
	if got := c.Do("GET", base+"/proxy/8081/x", ""); len(got.Body) != 32<<20 {
		t.Errorf("got %d bytes", len(got.Body))
	}
	eventually(t, func() error { return wantOpen(guest, 0) })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
