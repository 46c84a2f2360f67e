package daytona

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// socketWorld is a double behind a real socket, where connections can break.
type socketWorld struct {
	*world
	url    string
	client *http.Client
}

func newSocketWorld(t *testing.T) *socketWorld {
	t.Helper()
	w := newWorld(t, Options{NoBackups: true})
	server := httptest.NewServer(w.Server)
	// Each request its own connection, as Go's client repeats a GET by itself on one that was used before.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return &socketWorld{w, server.URL, client}
}

// call returns the answer as a client meets it; err is a broken connection or a body cut short.
func (w *socketWorld) call(ctx context.Context, method, path, body string) (*http.Response, string, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	resp, err := w.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, string(data), err
}

func (w *world) fault(rule string) faultRule {
	w.t.Helper()
	var f faultRule
	if got := w.desk("POST", "/sim/faults", rule, &f); got.status != 201 {
		w.t.Fatalf("fault %s: %d %s", rule, got.status, got.body)
	}
	return f
}

func TestFaultsOfAReport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault   string
		applied bool
		check   func(resp *http.Response, body string, err error) bool
	}{
		{"status:500", false, func(r *http.Response, body string, _ error) bool {
			return r.StatusCode == 500 && strings.Contains(body, "An unexpected error occurred.")
		}},
		{"status:408", false, func(r *http.Response, _ string, _ error) bool { return r.StatusCode == 408 }},
		{"status:429:7", false, func(r *http.Response, _ string, _ error) bool {
			return r.StatusCode == 429 && r.Header.Get("Retry-After") == "7"
		}},
		{"garbage", false, func(r *http.Response, body string, _ error) bool {
			return r.StatusCode == 200 && strings.HasPrefix(body, "<!DOCTYPE html>")
		}},
		{"close", false, func(_ *http.Response, _ string, err error) bool { return errors.Is(err, io.EOF) }},
		{"down", false, func(_ *http.Response, _ string, err error) bool { return errors.Is(err, io.EOF) }},
		{"half_closed", false, func(_ *http.Response, _ string, err error) bool { return err != nil }},
		{"slow:10ms", true, func(r *http.Response, _ string, _ error) bool { return r.StatusCode == 201 }},
		{"lost", true, func(_ *http.Response, _ string, err error) bool { return errors.Is(err, io.EOF) }},
		{"truncated", true, func(_ *http.Response, body string, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && strings.HasPrefix(body, `{"id":`)
		}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			w := newSocketWorld(t)
			id := w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`).ID
			w.claimNow()
			w.fault(fmt.Sprintf(`{"route":"report","fault":%q,"times":1}`, tt.fault))
			resp, body, err := w.call(t.Context(), "POST", "/api/jobs/"+id+"/status", done)
			if !tt.check(resp, body, err) {
				t.Errorf("got %v %q %v", resp, body, err)
			}
			if applied := w.recordOf(id).Status == completed; applied != tt.applied {
				t.Errorf("the report had its effect: %v, want %v", applied, tt.applied)
			}
			// The rule is used up, and to repeat what was not answered is no violation.
			if tt.fault != "slow:10ms" {
				if resp, body, err := w.call(t.Context(), "POST", "/api/jobs/"+id+"/status", done); err != nil || resp.StatusCode != 201 {
					t.Errorf("the second report: %v %s", err, body)
				}
			}
			if kinds := w.violationKinds(); len(kinds) != 0 {
				t.Errorf("violations %v", kinds)
			}
		})
	}
}

func TestALostPollHasClaimedItsJobs(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"lost", "truncated"} {
		w := newSocketWorld(t)
		w.fault(`{"route":"poll","fault":"` + fault + `","times":1}`)
		// An empty answer does not use the rule up.
		if got := w.claimNow(); len(got) != 0 {
			t.Fatal(got)
		}
		id := w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`).ID
		if _, body, err := w.call(t.Context(), "GET", "/api/jobs/poll?timeout=5", ""); err == nil {
			t.Errorf("%s: got %s", fault, body)
		}
		if got := w.claimNow(); len(got) != 0 {
			t.Errorf("%s: delivered again by a poll: %v", fault, got)
		}
		// Only the list helps a runner that has lost it.
		if _, body, err := w.call(t.Context(), "GET", "/api/jobs?status=IN_PROGRESS", ""); err != nil || !strings.Contains(body, id) {
			t.Errorf("%s: %v %s", fault, err, body)
		}
	}
}

func TestAnOutageCutsThePollsThatWait(t *testing.T) {
	t.Parallel()
	w := newSocketWorld(t)
	ended := make(chan error, 1)
	go func() {
		_, _, err := w.call(t.Context(), "GET", "/api/jobs/poll?timeout=60", "")
		ended <- err
	}()
	for w.waiting(t) == 0 {
		time.Sleep(time.Millisecond)
	}
	w.fault(`{"fault":"down"}`)
	if err := <-ended; err == nil {
		t.Error("the waiting poll was answered")
	}
	for _, path := range []string{"/api/jobs", "/api/nothing", "/api/runners/me"} {
		if _, body, err := w.call(t.Context(), "GET", path, ""); err == nil {
			t.Errorf("%s: got %s", path, body)
		}
	}
	if got := w.desk("DELETE", "/sim/faults", "", nil); got.status != 204 {
		t.Errorf("clear: %d", got.status)
	}
	if _, _, err := w.call(t.Context(), "GET", "/api/jobs", ""); err != nil {
		t.Error(err)
	}
}

// waiting is how many requests have been taken in so far: the outage must meet one that waits.
func (w *socketWorld) waiting(t *testing.T) int {
	t.Helper()
	var rules []faultRule
	w.desk("GET", "/sim/faults", "", &rules)
	if len(rules) == 0 {
		w.fault(`{"route":"poll","fault":"slow:1ms","nth":1000}`) // never takes effect, but counts
		return 0
	}
	return rules[0].Seen
}

func TestFaultsCountFromTheNthAndSoOften(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.fault(`{"route":"list","fault":"status:503","nth":2,"times":2}`)
	w.fault(`{"route":"job","fault":"status:503"}`)
	var got []int
	for range 5 {
		got = append(got, w.asRunner("GET", "/api/jobs", "").status)
	}
	if want := []int{200, 503, 503, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var rules []faultRule
	w.desk("GET", "/sim/faults", "", &rules)
	if len(rules) != 2 || rules[0].Seen != 5 || rules[0].Used != 2 || rules[1].Seen != 0 {
		t.Errorf("rules %+v", rules)
	}
	if got := w.desk("DELETE", "/sim/faults/"+rules[1].ID, "", nil); got.status != 204 {
		t.Errorf("clear one: %d %s", got.status, got.body)
	}
	if got := w.desk("DELETE", "/sim/faults/"+rules[1].ID, "", nil); got.status != 404 {
		t.Errorf("clear it again: %d", got.status)
	}
}

func TestUnknownFaultsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for rule, want := range map[string]string{
		`{"fault":"explode"}`:                   "there are status:CODE",
		`{"fault":"lost:1"}`:                    "there are status:CODE",
		`{"fault":"status"}`:                    "want status:CODE",
		`{"fault":"status:200"}`:                "want a code from 400",
		`{"fault":"status:429:soon"}`:           "Retry-After",
		`{"fault":"slow"}`:                      "want slow:SECONDS",
		`{"fault":"slow:never"}`:                "want slow:SECONDS",
		`{"fault":"slow:NaN"}`:                  "want slow:SECONDS",
		`{"fault":"close","route":"elsewhere"}`: "there are all, poll, report",
		`{"fault":"close","times":-1}`:          "times and nth are counts",
		`{"fault":"close","often":1}`:           "unknown field",
	} {
		if got := w.desk("POST", "/sim/faults", rule, nil); got.status != 400 || !strings.Contains(got.message(), want) {
			t.Errorf("%s: %d %s", rule, got.status, got.body)
		}
	}
}

func TestOnlyLoopbackAddressesAreListenedOn(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "[::]:0", "3000"} {
		if l, err := Listen(address); err == nil {
			l.Close()
			t.Errorf("%s was accepted", address)
		} else if !strings.Contains(err.Error(), "such as 127.0.0.1:3000") {
			t.Errorf("%v does not say what to do", err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "127.9.9.9:0", "localhost:0"} {
		l, err := Listen(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		l.Close()
	}
}

func TestServeEndsWithItsContextAndLeavesNoRequestWaiting(t *testing.T) {
	t.Parallel()
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.Serve(ctx, listener) }()
	s := &socketWorld{w, "http://" + listener.Addr().String(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if URL(listener) != s.url+"/api" {
		t.Errorf("URL %s", URL(listener))
	}
	polled := make(chan error, 1)
	go func() {
		_, _, err := s.call(t.Context(), "GET", "/api/jobs/poll?timeout=60", "")
		polled <- err
	}()
	for s.waiting(t) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := <-polled; err == nil {
		t.Error("the poll was answered")
	}
	if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}
