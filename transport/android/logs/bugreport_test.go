package logs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/logs"
)

const (
	zipped   = "PK\x03\x04 and so on"
	inDevice = "/data/user_de/0/com.android.shell/files/bugreports/b.zip"
)

// newer streams its report; older makes a file.
func newer(play func(string, *fakeProcess)) *fakeGuest {
	return &fakeGuest{answers: map[string]string{"bugreportz -v": "1.2\n"}, play: play}
}

func older(said ...string) *fakeGuest {
	return &fakeGuest{
		answers: map[string]string{"bugreportz -v": "1.1\n", "'stat'": "14\n"},
		files:   map[string]string{inDevice: zipped},
		play: func(_ string, p *fakeProcess) {
			for _, line := range said {
				p.say(adb.Stdout, []byte(line+"\n"))
			}
		},
	}
}

var finished = []string{"BEGIN:" + inDevice, "PROGRESS:10/100", "PROGRESS:100/100", "OK:" + inDevice}

// Ensure a report is an archive with a name, however the release makes it, and nothing of it stays in the device.
func TestBugreport(t *testing.T) {
	t.Parallel()
	stream := newer(func(command string, p *fakeProcess) {
		if command != "exec bugreportz -s" {
			t.Errorf("it runs %q", command)
		}
		p.say(adb.Stdout, []byte(zipped[:2]))
		p.say(adb.Stderr, []byte("a warning"))
		p.say(adb.Stdout, []byte(zipped[2:]))
	})
	file := older(finished...)
	for name, g := range map[string]*fakeGuest{"stream": stream, "file": file} {
		c := start(t, g, nil, logs.Options{})
		got := c.Do("GET", base+"/bugreport", "")
		if got.Status != 200 || got.Body != zipped || got.Header.Get("Content-Type") != "application/zip" ||
			!strings.HasPrefix(got.Header.Get("Content-Disposition"), `attachment; filename="bugreport-dev-1-20`) {
			t.Errorf("%s: %d %v %q", name, got.Status, got.Header, got.Body)
		}
		if got := c.Do("HEAD", base+"/bugreport", ""); got.Status != 200 {
			t.Errorf("%s: HEAD %d", name, got.Status)
		}
	}
	eventually(t, func() error {
		if !file.ran("'rm' '-f' '--' '" + inDevice + "'") {
			return fault.Internalf("the file is still there")
		}
		return nil
	})
}

// Ensure progress is told, and the report can be fetched once.
func TestBugreportWithProgress(t *testing.T) {
	t.Parallel()
	g := older(finished...)
	c := start(t, g, nil, logs.Options{})
	got := c.Do("GET", base+"/bugreport?progress=true", "").Body
	head, last, _ := strings.Cut(got, "event: result\ndata: ")
	if head != "event: begin\ndata: {\"sandbox\":\"dev-1\"}\n\nevent: progress\ndata: {\"done\":10,\"total\":100}\n\nevent: progress\ndata: {\"done\":100,\"total\":100}\n\n" {
		t.Errorf("got %s", got)
	}
	var result struct {
		Download, Name string
		Size           int
		Until          time.Time
	}
	if err := json.Unmarshal([]byte(last), &result); err != nil || result.Size != 14 || time.Until(result.Until) < 9*time.Minute {
		t.Fatalf("%v: %s", err, last)
	}
	if got := c.Do("GET", base+"/bugreport/another", ""); got.Status != 404 {
		t.Errorf("another's: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", base+"/"+result.Download, ""); got.Status != 200 || got.Body != zipped || got.Header.Get("Content-Length") != "14" ||
		!strings.Contains(got.Header.Get("Content-Disposition"), result.Name) {
		t.Errorf("%d %v %q", got.Status, got.Header, got.Body)
	}
	if got := c.Do("GET", base+"/"+result.Download, ""); got.Status != 404 || !strings.Contains(got.Body, "it can be fetched once") {
		t.Errorf("again: %d %s", got.Status, got.Body)
	}
}

// Ensure a report that nobody fetches is removed, and one that another replaces too.
func TestBugreportsDoNotStay(t *testing.T) {
	t.Parallel()
	g := older(finished...)
	c := start(t, g, nil, logs.Options{Kept: 50 * time.Millisecond})
	c.Do("GET", base+"/bugreport?progress=true", "")
	eventually(t, func() error {
		if !g.ran("'rm'") {
			return fault.Internalf("it is still there")
		}
		return nil
	})
}

// Ensure what goes wrong is said, before the answer where that is possible.
func TestBugreportFails(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		g      *fakeGuest
		status int
		want   string
	}{
		"no bugreportz":       {&fakeGuest{answers: map[string]string{"bugreportz -v": "sh: bugreportz: inaccessible or not found\n"}}, 501, "this image has no bugreportz"},
		"no archive":          {newer(func(_ string, p *fakeProcess) { p.say(adb.Stdout, []byte("FAIL:no dumpstate")) }), 422, "FAIL:no dumpstate"},
		"nothing":             {newer(func(_ string, p *fakeProcess) { p.say(adb.Stderr, []byte("Failed to connect")); p.exit = 1 }), 422, "Failed to connect"},
		"a failure":           {older("BEGIN:"+inDevice, "FAIL:disk full"), 422, "disk full"},
		"an end":              {older("BEGIN:" + inDevice), 422, "made no bug report"},
		"a path that is none": {older("OK:/data/../etc/passwd.zip"), 503, "no place for one"},
		"a path with a space": {older("OK:/data/a b;reboot.zip"), 503, "no place for one"},
		"a file that is gone": {older("OK:/data/gone.zip"), 404, "no /data/gone.zip"},
	} {
		c := start(t, row.g, nil, logs.Options{})
		if got := c.Do("GET", base+"/bugreport", ""); got.Status != row.status || !strings.Contains(got.Body, row.want) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if strings.HasPrefix(name, "no ") || name == "nothing" {
			continue
		}
		if got := c.Do("GET", base+"/bugreport?progress=1", ""); !strings.Contains(got.Body, "event: error\ndata: ") && !strings.Contains(got.Body, "event: result") {
			t.Errorf("%s, with progress: %s", name, got.Body)
		}
	}
	broken := start(t, newer(func(_ string, p *fakeProcess) { p.say(adb.Stdout, []byte(zipped)); p.exit = 9 }), nil, logs.Options{})
	if got, err := broken.Try("GET", base+"/bugreport", nil); err == nil {
		t.Errorf("one that breaks off is taken for complete: %q", got.Body)
	}
	if got := broken.Do("GET", base+"/bugreport?progress=perhaps", ""); got.Status != 400 {
		t.Errorf("progress: %d %s", got.Status, got.Body)
	}
}

// Ensure one report is made at a time, and one whose client has left is given up.
func TestOneBugreportAtATime(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	g := older()
	g.play = func(_ string, p *fakeProcess) {
		p.say(adb.Stdout, []byte("BEGIN:"+inDevice+"\nPROGRESS:1/2\n"))
		close(began)
		<-p.closed
	}
	left := make(chan struct{})
	c := start(t, g, left, logs.Options{})
	ended := make(chan string, 1)
	go func() {
		got, err := c.Try("GET", base+"/bugreport?progress=true", nil)
		if err != nil {
			got.Body = err.Error()
		}
		ended <- got.Body
	}()
	<-began
	if got := c.Do("GET", base+"/bugreport", ""); got.Status != 409 || !strings.Contains(got.Body, "one at a time") {
		t.Errorf("a second: %d %s", got.Status, got.Body)
	}
	close(left)
	if got := <-ended; !strings.Contains(got, `event: error`) || !strings.Contains(got, "the device left started") {
		t.Errorf("the first: %s", got)
	}
	g.idle(t)
	if !g.ran("'rm' '-f' '--' '" + inDevice + "'") {
		t.Error("it left a file")
	}
}
