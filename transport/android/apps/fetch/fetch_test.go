package fetch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/apps/fetch"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// get reads all of a URL.
func get(t *testing.T, o fetch.Options, url string) (string, error) {
	t.Helper()
	f, err := fetch.New(o).Get(t.Context(), url)
	if err != nil {
		return "", err
	}
	defer f.Body.Close()
	data, err := io.ReadAll(f.Body)
	if f.Size >= 0 && err == nil && int64(len(data)) != f.Size {
		t.Errorf("%d bytes of %d", len(data), f.Size)
	}
	return string(data), err
}

// Ensure addresses of hosts, sites and protocols are not public, in no spelling.
func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, public := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "172.32.0.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "168.63.129.16": false, "::1": false, "::": false, "fe80::1": false,
		"fd00:ec2::254": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::7f00:1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := fetch.Public(netip.MustParseAddr(addr)); got != public {
			t.Errorf("%s: public is %t", addr, got)
		}
	}
}

// Ensure a host that is not public is not even connected to, unless the operator allows it.
func TestAddresses(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		_, _ = io.WriteString(w, "content")
	}))
	defer s.Close()
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, url := range []string{s.URL, "http://localhost" + port, "http://[::ffff:127.0.0.1]" + port} {
		_, err := get(t, fetch.Options{}, url)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(asked) > 0 {
		t.Error("it was asked")
	}
	if got, err := get(t, fetch.Options{Allow: loopback}, s.URL); got != "content" || err != nil {
		t.Errorf("allowed: %q %v", got, err)
	}
}

// Ensure redirects are followed, few of them, and each as if it had been asked for.
func TestRedirects(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	to := func(path, target string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
	}
	to("/twice", "/once")
	to("/once", "/file")
	to("/round", "/round")
	to("/inside", "http://10.0.0.1/")
	to("/scheme", "file:///etc/passwd")
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "content") })
	s := httptest.NewServer(mux)
	defer s.Close()
	for path, want := range map[string]string{
		"/twice": "", "/round": "more than 5 times", "/inside": "10.0.0.1 is not a public address", "/scheme": `it has "file"`, "/gone": "404 Not Found instead of a file",
	} {
		got, err := get(t, fetch.Options{Allow: loopback}, s.URL+path)
		if want == "" && (err != nil || got != "content") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
}

// Ensure URLs that are none of a web server are refused, and no password is told.
func TestURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "file:///etc/passwd", "ftp://h/x", "http://", "/x", "gopher://h", "http://u:hunter2@[::1", "http://" + strings.Repeat("a", 9000)} {
		if err := fetch.Check(url); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40s: %v", url, err)
		}
	}
	_, err := get(t, fetch.Options{Allow: loopback}, "http://user:hunter2@127.0.0.1:1/x?token=hunter2")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
}

// Ensure a server that stalls, or breaks off, or whose file nobody waits for any more, is given up.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/stall" {
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	o := fetch.Options{Allow: loopback, Stall: 50 * time.Millisecond}
	if _, err := get(t, o, s.URL+"/stall"); !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "sent nothing for 50ms") {
		t.Errorf("stall: %v", err)
	}
	if _, err := get(t, o, s.URL+"/short"); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("short: %v", err)
	}
	why := errors.New("left")
	ctx, cancel := context.WithCancelCause(t.Context())
	f, err := fetch.New(fetch.Options{Allow: loopback}).Get(ctx, s.URL+"/stall")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	cancel(why)
	if _, err := io.ReadAll(f.Body); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}
