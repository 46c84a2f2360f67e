package main_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logStream is an open stream of a device's log.
type logStream struct {
	t      *testing.T
	lines  *bufio.Reader
	hangUp func()
}

// follow opens a stream; query is that of android/logcat.
func (r *runner) follow(id, query string) *logStream {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/sandboxes/"+id+"/android/logcat?"+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	own := &http.Transport{}
	resp, err := own.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		r.t.Fatalf("logcat: %d %s", resp.StatusCode, said)
	}
	s := &logStream{r.t, bufio.NewReader(resp.Body), func() { _ = resp.Body.Close(); own.CloseIdleConnections() }}
	r.t.Cleanup(s.hangUp)
	return s
}

// logLine is what events of a stream hold.
type logLine struct {
	Event   string `json:"-"`
	Tag     string `json:"tag"`
	Level   string `json:"level"`
	Message string `json:"message"`
	Buffer  string `json:"buffer"`
	PID     int    `json:"pid"`
	UID     int    `json:"uid"`
	Time    time.Time
	Count   int    `json:"count"`
	Reason  string `json:"reason"`
}

// next is the next event; io.EOF behind the last one.
func (s *logStream) next() (logLine, error) {
	var l logLine
	for {
		text, err := s.lines.ReadString('\n')
		if err != nil {
			return l, err
		}
		if name, ok := strings.CutPrefix(text, "event: "); ok {
			l.Event = strings.TrimSpace(name)
		}
		if data, ok := strings.CutPrefix(text, "data: "); ok {
			err := json.Unmarshal([]byte(data), &l)
			return l, err
		}
	}
}

// until reads to the event that is wanted.
func (s *logStream) until(what string, wanted func(logLine) bool) logLine {
	s.t.Helper()
	late := time.AfterFunc(30*time.Second, s.hangUp)
	defer late.Stop()
	for {
		l, err := s.next()
		if err != nil {
			s.t.Fatalf("no %s: %v", what, err)
		}
		if wanted(l) {
			return l
		}
	}
}

// logcats is how many processes of that name the guest has.
func (r *runner) logcats(id string) error {
	if out := strings.TrimSpace(r.exec(id, "ps -A | grep -c logcat || true")); out != "0" {
		return fmt.Errorf("%s logcats run", out)
	}
	return nil
}

// Ensure a line that an app logs is seen while one follows, by whom it says, and the stream tells why it ends.
func TestLogcatFollows(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	begun := time.Now().Add(-time.Minute)
	s := r.follow("dev1", "since=now&tag=Probe:I")
	quoted := "it's \"quoted\" $HOME <b>\nand a second line"
	r.exec("dev1", "log -p d -t Probe hidden; log -t Other hidden; log -p e -t Probe 'it'\\''s \"quoted\" $HOME <b>\nand a second line'")
	l := s.until("line", func(logLine) bool { return true })
	if l.Event != "log" || l.Tag != "Probe" || l.Level != "E" || l.Message != quoted || l.UID != 2000 || l.PID < 2 || l.Buffer != "main" || l.Time.Before(begun) {
		t.Errorf("%+v", l)
	}
	all := string(r.want(http.StatusOK, "GET", "/sandboxes/dev1/toolbox/android/logcat?follow=false&format=text&buffers=all", nil).body)
	for _, want := range []string{"D RILJ", "I am_proc_start: [0,910,10100,com.android.systemui", "ActivityManager", "--------- end: that is all there is"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	if got := string(r.want(http.StatusOK, "GET", "/sandboxes/dev1/android/logcat?follow=false&app=com.android.systemui", nil).body); !strings.Contains(got, "SystemUIService") || strings.Contains(got, "Probe") {
		t.Errorf("of an app: %s", got)
	}
	r.want(http.StatusNotFound, "GET", "/sandboxes/dev1/android/logcat?app=com.example.none", nil)

	quiet := r.follow("dev1", "since=now&tag=Nobody")
	quiet.hangUp()
	other := r.follow("dev1", "since=now")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	for _, s := range []*logStream{s, other} {
		end := s.until("end", func(l logLine) bool { return l.Event == "end" })
		if !strings.Contains(end.Reason, "the device left started") {
			t.Errorf("it ended with %q", end.Reason)
		}
		if _, err := s.next(); !errors.Is(err, io.EOF) {
			t.Errorf("more comes: %v", err)
		}
	}
	r.want(http.StatusConflict, "GET", "/sandboxes/dev1/android/logcat", nil)
}

// Ensure a client that stalls is told what it has missed, the guest is not left with a logcat, and the runner stops
// while somebody follows.
func TestLogcatOfAFlood(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	const rate, lines = 50_000, 150_000
	s := r.follow("dev1", "since=now&tag=Flood")
	r.exec("dev1", fmt.Sprintf("logflood %d %d", rate, lines)) // it takes three seconds, and nobody reads
	next, dropped := 0, 0
	for next < lines {
		l := s.until("lines", func(logLine) bool { return true })
		switch l.Event {
		case "dropped":
			dropped += l.Count
		case "log":
			n, err := strconv.Atoi(strings.Fields(l.Message)[1])
			if err != nil || n < next {
				t.Fatalf("%q follows line %d", l.Message, next-1)
			}
			next = n + 1
		default:
			t.Fatalf("%+v", l)
		}
	}
	if dropped == 0 || dropped > lines {
		t.Errorf("%d lines were dropped, says the runner", dropped)
	}
	s.hangUp()
	eventually(t, 10*time.Second, "no logcat is left in the guest", func() error { return r.logcats("dev1") })
	last := r.follow("dev1", "since=now")
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if end := last.until("end", func(l logLine) bool { return l.Event == "end" }); !strings.Contains(end.Reason, "the runner is stopping") {
		t.Errorf("it ended with %q", end.Reason)
	}
	<-r.gone
}

// Ensure a bug report is an archive that can be opened, streamed or fetched after its progress was told.
func TestBugreport(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	wantReport := func(archive []byte) {
		t.Helper()
		z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil || len(z.File) < 3 {
			t.Fatalf("%d bytes: %v", len(archive), err)
		}
	}
	wantReport(r.want(http.StatusOK, "GET", "/sandboxes/dev1/toolbox/android/bugreport", nil).body)
	told := string(r.want(http.StatusOK, "GET", "/sandboxes/dev1/android/bugreport?progress=true", nil).body)
	_, last, _ := strings.Cut(told, "event: result\ndata: ")
	var result struct{ Download string }
	if err := json.Unmarshal([]byte(last), &result); err != nil || strings.Count(told, "event: progress") < 3 {
		t.Fatalf("%v: %s", err, told)
	}
	wantReport(r.want(http.StatusOK, "GET", "/sandboxes/dev1/android/"+result.Download, nil).body)
	r.want(http.StatusNotFound, "GET", "/sandboxes/dev1/android/"+result.Download, nil)
	if left := r.exec("dev1", "ls /data/user_de/0/com.android.shell/files/bugreports"); left != "" {
		t.Errorf("left in the device: %s", left)
	}
}
