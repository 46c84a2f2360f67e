package proxy_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/proxy/links"
)

// shelf keeps links in memory.
type shelf struct {
	mu  sync.Mutex
	all map[sandbox.ID][]links.Link
}

func (s *shelf) Links(_ context.Context, id sandbox.ID) ([]links.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]links.Link(nil), s.all[id]...), nil
}

func (s *shelf) SaveLinks(_ context.Context, id sandbox.ID, all []links.Link) error {
	if id == "gone" {
		return fault.NotFoundf("sandbox gone does not exist")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id] = append([]links.Link(nil), all...)
	return nil
}

func (s *shelf) Sandboxes(context.Context) ([]sandbox.ID, error) { return nil, nil }

// Ensure a link shows one display to somebody without a token, in both forms of its address, and nothing else; and
// that who watches is put out when it is revoked.
func TestShareLinks(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	made := h.Do("POST", "/sandboxes/dev-1/display/links", `{"expiresInSeconds":600,"label":"for Ann"}`)
	if made.Status != 201 || made.Field(t, "label") != "for Ann" || !strings.HasPrefix(made.Field(t, "url"), "http://runner.example:3107/display/") {
		t.Fatalf("%d %s", made.Status, made.Body)
	}
	token := strings.TrimSuffix(strings.TrimPrefix(made.Field(t, "url"), "http://runner.example:3107/display/"), "/")
	if got := made.Field(t, "hostUrl"); got != "http://"+token+".display.runner.example:3107/" {
		t.Errorf("host form %s", got)
	}
	const nobody = "Authorization:"
	host := "Host: " + token + ".display.runner.example:3107"
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		want    string
	}{
		{"/display/" + token + "/", nil, 200, `window.__DAYTONA_DEVICE_ID="dev-1"`},
		{"/display/" + token + "/style.css", nil, 200, "/devices/dev-1/files/style.css"},
		{"/display/" + token + "/js/server_connector.js", nil, 200, `const device = "dev-1"`},
		{"/display/" + token + "/devices/dev-2/files/x", nil, 404, ""},
		{"/display/" + token, nil, 307, ""},
		{"/display/" + strings.Repeat("a", 40) + "/", nil, 404, "has expired, or was revoked"},
		{"/", []string{host}, 200, `window.__DAYTONA_DEVICE_ID="dev-1"`},
		{"/style.css?a=b", []string{host}, 200, "/devices/dev-1/files/style.css?a=b"},
		{"/sandboxes/dev-1/display/links", []string{host}, 200, "/devices/dev-1/files/sandboxes/dev-1/display/links"},
		{"/sandboxes/dev-1/display/links", nil, 401, ""},
	} {
		got := h.Do("GET", c.path, "", append(c.headers, nobody)...)
		if got.Status != c.status || !strings.Contains(got.Body, c.want) {
			t.Errorf("%s %v: %d %.200s", c.path, c.headers, got.Status, got.Body)
		}
		if c.status == 307 && got.Header.Get("Location") != token+"/" {
			t.Errorf("to %s", got.Header.Get("Location"))
		}
	}
	conn, _, err := h.socket(t, "/display/"+token+"/devices/dev-1/connect", http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Do("GET", "/sandboxes/dev-1/display/links", ""); got.Status != 200 || !strings.Contains(got.Body, token) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	link := made.Field(t, "id")
	if got := h.Do("DELETE", "/sandboxes/dev-2/display/links/"+link, ""); got.Status != 404 {
		t.Errorf("revoked by another: %d %s", got.Status, got.Body)
	}
	if got := h.Do("DELETE", "/sandboxes/dev-1/display/links/"+link, ""); got.Status != 204 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	wantEnd(t, conn, "the link was revoked")
	if got := h.Do("GET", "/display/"+token+"/", "", nobody); got.Status != 404 {
		t.Errorf("revoked: %d", got.Status)
	}
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/sandboxes/gone/display/links", "", 404},
		{"/sandboxes/dev-1/display/links", `{"expiresInSeconds":0}`, 400},
		{"/sandboxes/dev-1/display/links", `{"expiresInSeconds":99999999999999999}`, 400},
		{"/sandboxes/dev-1/display/links", `{`, 400},
		{"/sandboxes/dev-1/display/links", "", 201},
	} {
		if got := h.Do("POST", c.path, c.body); got.Status != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, got.Status, got.Body)
		}
	}
}
