package webrtc_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
	"github.com/daytonaio/runner-android/internal/sim/webrtc"
)

// newSignalOnly is an operator with a device that has no screen.
func newSignalOnly(t *testing.T, o operator.Options) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "wr") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	service, err := operator.Start(o, operator.Place{HTTP: "127.0.0.1:0", Devices: filepath.Join(dir, "operator")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	device := webrtc.New(webrtc.Options{ID: deviceID, Operator: filepath.Join(dir, "operator"), RetryAfter: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := device.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	r := &rig{t: t, service: service, device: device}
	r.awaitRegistered()
	return r
}

// get fetches a file of the page with a limit; "" and 0 is no answer within it.
func (r *rig) get(path string, header http.Header, limit time.Duration) (status int, body string, answer http.Header) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url()+"/devices/"+deviceID+"/files/"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := client(r.t).Do(req)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			r.t.Error(err)
		}
		return 0, "", nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Error(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

func said(s signaling) map[string]any {
	message, ok := s.receive()
	if !ok {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(message, &m) != nil {
		return nil
	}
	return m
}

// Ensure a device without a screen takes part in signaling as others do.
func TestADeviceForSignalingOnly(t *testing.T) {
	t.Parallel()
	r := newSignalOnly(t, operator.Options{})
	s := openSocket(t, r)
	defer s.close()
	s.send(map[string]any{"type": "request-offer"})
	if m := said(s); m["type"] != "offer" || !strings.Contains(m["sdp"].(string), "webrtc-datachannel") {
		t.Errorf("offer %v", m)
	}
	for range 2 {
		if m := said(s); m["type"] != "ice-candidate" {
			t.Errorf("candidate %v", m)
		}
	}
	s.send(map[string]any{"type": "ice-candidate", "candidate": map[string]any{"candidate": "mine", "sdpMid": "0", "sdpMLineIndex": 0}})
	if m := said(s); m["candidate"] != "mine" {
		t.Errorf("echo %v", m)
	}
	s.send(map[string]any{"type": "dance"})
	if m := said(s); m["error"] != "Unknown client message type: dance" {
		t.Errorf("error %v", m)
	}
}

// Ensure the page's files are there with their types, and that headers above 4 KiB are too much.
func TestThePagesFiles(t *testing.T) {
	t.Parallel()
	r := newSignalOnly(t, operator.Options{Version: simroot.Version{Major: 1, Minor: 54}}) // passes cookies on
	for path, want := range map[string]string{
		"client.html": "text/html", "style.css": "text/css", "js/app.js": "text/javascript", "js/cf_webrtc.js": "text/javascript",
		"js/server_connector.js": "text/javascript", "nope.js": "text/plain",
	} {
		status, body, header := r.get(path, nil, patience)
		if (status == 200) != (path != "nope.js") || !strings.HasPrefix(header.Get("Content-Type"), want) || body == "" {
			t.Errorf("%s: %d, %s", path, status, header.Get("Content-Type"))
		}
	}
	if status, _, _ := r.get("client.html", http.Header{"Cookie": {"a=" + strings.Repeat("x", 4096)}}, patience); status != 431 {
		t.Errorf("large headers: %d", status)
	}
}

// Ensure each fault of the device shows while it holds, and not after.
func TestSwitches(t *testing.T) {
	t.Parallel()
	r := newSignalOnly(t, operator.Options{})
	set := func(faults ...string) {
		var fs inject.Faults
		for _, f := range faults {
			parsed, err := inject.ParseFault(f)
			if err != nil {
				t.Fatal(err)
			}
			fs = append(fs, parsed)
		}
		r.device.SetFaults(fs)
	}
	const short = 300 * time.Millisecond
	set("webrtc_freeze")
	if status, _, _ := r.get("client.html", nil, short); status != 0 {
		t.Errorf("frozen: %d", status)
	}
	set("webrtc_slow:0.2")
	begin := time.Now()
	if status, _, _ := r.get("client.html", nil, patience); status != 200 || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("slow: %d after %s", status, time.Since(begin))
	}
	set("webrtc_hostile")
	_, body, header := r.get("client.html", http.Header{"Accept-Encoding": {"identity"}}, patience)
	if header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(body, "\x1f\x8b") {
		t.Errorf("hostile: %v", header)
	}
	set()
	if status, body, _ := r.get("client.html", nil, patience); status != 200 || !strings.Contains(body, "<head>") {
		t.Errorf("at peace: %d %q", status, body)
	}
	set("webrtc_flood")
	s := openSocket(t, r)
	defer s.close()
	s.send(map[string]any{"type": "request-offer"})
	for n := range 1000 {
		if said(s) == nil {
			t.Fatalf("the flood ends after %d", n)
		}
	}
}

// Ensure a device without a way for media offers one candidate that leads nowhere, and nothing else.
func TestNoICE(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	r.device.SetFaults(inject.Faults{{Name: "webrtc_no_ice"}})
	s := openSocket(t, r)
	defer s.close()
	s.send(map[string]any{"type": "request-offer"})
	if m := said(s); m["type"] != "offer" || strings.Contains(m["sdp"].(string), "a=candidate") {
		t.Errorf("offer %v", m)
	}
	if m := said(s); !strings.Contains(m["candidate"].(string), "192.0.2.1") {
		t.Errorf("candidate %v", m)
	}
	s.send(map[string]any{"type": "dance"}) // what comes next is the answer to this
	if m := said(s); m["error"] != "Unknown client message type: dance" {
		t.Errorf("error %v", m)
	}
}
