package main_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// shareLink is a link to a display.
type shareLink struct {
	ID, URL, HostURL, Label string
	ExpiresAt               time.Time
}

// share makes a link.
func (r *runner) share(id string, wishes any) (link shareLink) {
	r.t.Helper()
	body := r.want(http.StatusCreated, "POST", "/sandboxes/"+id+"/display/links", wishes).body
	if err := json.Unmarshal(body, &link); err != nil || link.URL == "" {
		r.t.Fatalf("%v: %s", err, body)
	}
	return link
}

// wantEnded wants a link to be refused like one that never was.
func wantEnded(t *testing.T, w way) {
	t.Helper()
	for _, path := range []string{"/", "/js/server_connector.js", "/daytona-display/status"} {
		if got := w.ask("GET", path, ""); got.status != http.StatusNotFound || !strings.Contains(string(got.body), "This link has expired, or was revoked.") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if conn, status := w.dial("/devices/dev1/connect", nil); conn != nil || status != http.StatusNotFound {
		t.Errorf("signalling: %d", status)
	}
}

// wantClosed wants a socket to be closed with a reason.
func wantClosed(t *testing.T, conn *websocket.Conn, code int, reason string) {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Text, reason) {
			t.Errorf("the socket ended with %v; want %d and %q", err, code, reason)
		}
		return
	}
}

// Ensure a link is used without a token by its path and by its host, survives a restart of the runner and a stop of
// the device, ends when it is revoked or expires, also for who watches, and does not outlive its sandbox.
func TestDisplayLinks(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	settings := append([]string{"RUNNER_DOMAIN=runner.localhost"}, quick...)
	r := startRunner(h, settings...)
	r.create("dev1")
	r.straight("dev1").wantDisplay("ready")
	kept, revoked, short := r.share("dev1", nil), r.share("dev1", `{"label":"for Ann"}`), r.share("dev1", `{"expiresInSeconds":2}`)
	if !strings.HasPrefix(revoked.URL, "http://runner.localhost:") || revoked.HostURL == "" || revoked.Label != "for Ann" {
		t.Errorf("%+v", revoked)
	}
	w := r.by(revoked.URL)
	wantOwnDisplay(t, w)
	if got := w.raw("GET", w.prefix, "", nil); got.status != http.StatusTemporaryRedirect || got.header.Get("Location") != path.Base(w.prefix)+"/" {
		t.Errorf("without its slash: %d %v", got.status, got.header)
	}
	host := w
	host.name, host.host, host.prefix = "by the host of a link", strings.TrimSuffix(strings.TrimPrefix(revoked.HostURL, "http://"), "/"), ""
	wantOwnDisplay(t, host)
	wantEnded(t, r.by(strings.Replace(revoked.URL, revoked.ID, kept.ID, 1))) // another's signature

	expiring := r.by(short.URL).described("dev1", nil)
	wantClosed(t, expiring, websocket.CloseGoingAway, "the link has expired")
	wantEnded(t, r.by(short.URL))

	watched := []*websocket.Conn{w.described("dev1", nil), host.described("dev1", nil)}
	frames, _ := w.dial("/daytona-display/frames", nil)
	if frames == nil {
		t.Fatal("no frames")
	}
	if err := frames.WriteMessage(websocket.TextMessage, []byte(`{"codecs":["image"]}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := frames.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	other := r.by(kept.URL).described("dev1", nil)
	r.want(http.StatusNoContent, "DELETE", "/sandboxes/dev1/display/links/"+revoked.ID, nil)
	for _, conn := range append(watched, frames) {
		wantClosed(t, conn, websocket.CloseGoingAway, "the link was revoked")
	}
	wantEnded(t, w)
	wantEnded(t, host)
	if err := other.WriteMessage(websocket.TextMessage, []byte(`{"type":"request-offer"}`)); err != nil {
		t.Error(err)
	}
	if _, message, err := other.ReadMessage(); err != nil || !strings.Contains(string(message), "device_msg") {
		t.Errorf("the other link's socket: %s, %v", message, err)
	}

	r.kill()
	r = startRunner(h, settings...)
	r.wantState("dev1", "started")
	w = r.by(kept.URL)
	w.wantDisplay("ready")
	other = w.described("dev1", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	wantClosed(t, other, websocket.CloseGoingAway, "")
	if got := w.ask("GET", "/", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "The device is stopped") {
		t.Errorf("of a stopped device: %d %s", got.status, got.body)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	wantEnded(t, w)
	r.create("dev1")
	wantEnded(t, w)
	if got := r.want(http.StatusOK, "GET", "/sandboxes/dev1/display/links", nil); string(got.body) != `{"links":[]}` {
		t.Errorf("links of a new sandbox: %s", got.body)
	}
}
