package logs_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/logs"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// some is a log with a bit of everything.
var some = []entry{
	{after: -60 * time.Second, pid: 10, uid: 10100, level: 'V', tag: "Old", message: "old"},
	{after: -2 * time.Second, pid: 10, uid: 10100, level: 'I', tag: "App", message: "hello {\"x\":1}"},
	{after: -1 * time.Second, pid: 20, uid: 1000, level: 'W', tag: "Sys:tem", message: "two\nlines\n", buffer: 3},
	{after: time.Second, pid: 30, uid: 10100, level: 'E', tag: "App", message: "failed \xff", buffer: 4},
}

// tell plays some entries and ends.
func tell(entries ...entry) func(string, *fakeProcess) {
	return func(_ string, p *fakeProcess) {
		data := all(entries...)
		for i, step := 0, 1; i < len(data); i, step = i+step, step+7 { // in pieces of every size
			step = min(step, len(data)-i)
			if !p.say(adb.Stdout, data[i:i+step]) {
				return
			}
		}
	}
}

// Ensure records become events and lines as they are documented.
func TestShapes(t *testing.T) {
	t.Parallel()
	c := start(t, &fakeGuest{play: tell(some...)}, nil, logs.Options{})
	got := c.Do("GET", base+"/logcat?follow=false&tag=Sys:tem&tag=App", "")
	want := `event: log
data: {"time":"2026-01-02T03:04:03Z","pid":10,"tid":11,"uid":10100,"level":"I","tag":"App","message":"hello {\"x\":1}","buffer":"main"}

event: log
data: {"time":"2026-01-02T03:04:04Z","pid":20,"tid":21,"uid":1000,"level":"W","tag":"Sys:tem","message":"two\nlines","buffer":"system"}

event: log
data: {"time":"2026-01-02T03:04:06Z","pid":30,"tid":31,"uid":10100,"level":"E","tag":"App","message":"failed ` + "\\ufffd" + `","buffer":"crash"}

event: end
data: {"reason":"that is all there is"}

`
	if got.Body != want || got.Header.Get("Content-Type") != "text/event-stream" || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v\n%s", got.Header, got.Body)
	}
	text := `2026-01-02 03:04:04.000    20    21 W Sys:tem : two
2026-01-02 03:04:04.000    20    21 W Sys:tem : lines
2026-01-02 03:04:06.000    30    31 E App     : failed ` + "\uFFFD" + `
--------- end: that is all there is
`
	for _, ask := range [][]string{{"&format=text"}, {"", "Accept: text/plain"}} {
		if got := c.Do("GET", base+"/logcat?follow=false&level=W"+ask[0], "", ask[1:]...); got.Body != text || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%v: %v\n%s", ask, got.Header, got.Body)
		}
	}
	if got := c.Do("HEAD", base+"/logcat", ""); got.Status != 200 {
		t.Errorf("HEAD: %d", got.Status)
	}
}

// Ensure each filter lets through what it says, and what logcat is called with.
func TestFilters(t *testing.T) {
	t.Parallel()
	commands := make(chan string, 1)
	g := &fakeGuest{
		answers: map[string]string{
			"'-U' 'com.example.own'":    "package:com.example.own.more uid:10200\npackage:com.example.own uid:10100,1010100\n",
			"'-U' 'com.example.shared'": "package:com.example.shared uid:1000\n",
			"'-U' 'com.example.old'":    "package:com.example.old\n",
			"'--uid' '10100'":           "package:com.example.own uid:10100\n",
			"ps":                        "  PID NAME\n   20 com.example.shared:service\n   10 com.example.old\n   30 com.example.older\n",
			"event-log-tags":            "30014 am_proc_start (User|1|5)\n",
		},
		play: func(command string, p *fakeProcess) { commands <- command; tell(some...)("", p) },
	}
	c := start(t, g, nil, logs.Options{})
	for _, q := range []struct{ query, command, want string }{
		{"", "'-b' 'main,system,crash' '-d'", "Old App Sys:tem App"},
		{"level=i", "", "App Sys:tem App"},
		{"level=error", "", "App"},
		{"tag=App", "", "App App"},
		{"tag=App:E&tag=Old", "", "Old App"},
		{"tag=Sys:tem&level=E", "", ""},
		{"pid=20", "", "Sys:tem"},
		{"regex=%5Etwo", "", "Sys:tem"},
		{"since=30s", "'-T' '1767323015.000'", "App Sys:tem App"},
		{"since=now", "'-T' '1767323045.000'", "App"},
		{"since=2026-01-02T03:04:04.5Z", "'-T' '1767323044.500'", "App"},
		{"since=2026-01-02T05:04:04%2B02:00", "'-T' '1767323044.000'", "Sys:tem App"},
		{"lines=2", "", "App Sys:tem App"}, // two of what was there, and what came later
		{"lines=1&level=W", "", "Sys:tem App"},
		{"app=com.example.own", "", "Old App App"},
		{"app=com.example.shared", "", "Sys:tem"},
		{"app=com.example.old", "", "Old App"},
		{"buffers=radio,crash", "'-b' 'crash,radio'", "Old App Sys:tem App"},
		{"buffers=all&buffers=main", "'-b' 'crash,events,kernel,main,radio,system'", "Old App Sys:tem App"},
	} {
		got := c.Do("GET", base+"/logcat?follow=false&"+q.query, "")
		command := <-commands
		if !strings.HasPrefix(command, "exec 'logcat' '-B' '-b' ") || !strings.Contains(command, q.command) {
			t.Errorf("%s: %s", q.query, command)
		}
		var tags []string
		for _, part := range strings.Split(got.Body, `"tag":"`)[1:] {
			tag, _, _ := strings.Cut(part, `"`)
			tags = append(tags, tag)
		}
		if strings.Join(tags, " ") != q.want || got.Status != 200 {
			t.Errorf("%s: %v, want %s: %d %s", q.query, tags, q.want, got.Status, got.Body)
		}
	}
}

// Ensure what is wrong is said before a stream begins.
func TestRefusals(t *testing.T) {
	t.Parallel()
	g := &fakeGuest{play: tell()}
	c := start(t, g, nil, logs.Options{})
	for query, want := range map[string]string{
		"buffers=main,nope":                  `buffers: "nope" is none of`,
		"buffers=security":                   `buffers: "security" is none of`,
		"level=X":                            `level: "X" is none of V, D, I, W, E, F`,
		"tag=":                               "tag: it is TAG or TAG:LEVEL",
		"app=com.example;reboot":             "is no package name",
		"pid=0":                              `pid: "0" is no process`,
		"regex=(":                            "regex: ",
		"regex=" + strings.Repeat("a", 1025): "regex: it has 1025 bytes",
		"since=yesterday":                    `since: "yesterday" is neither`,
		"since=-3s":                          "since: ",
		"since=2026-13-01T00:00:00Z":         "is no time such as",
		"lines=0":                            "lines: ",
		"lines=10001":                        "lines: ",
		"follow=maybe":                       "follow: ",
		"format=xml":                         `format: "xml" is neither json nor text`,
	} {
		if got := c.Do("GET", base+"/logcat?"+query, ""); got.Status != 400 || !strings.Contains(got.Field(t, "message"), want) {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	if got := c.Do("GET", base+"/logcat?app=com.example.none", ""); got.Status != 404 || !strings.Contains(got.Body, "com.example.none is not installed") {
		t.Errorf("no such app: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", "/sandboxes/stopped/android/logcat", ""); got.Status != 409 {
		t.Errorf("stopped: %d %s", got.Status, got.Body)
	}
	g.idle(t)
}

// Ensure events are read with their names, and what is no event does no harm.
func TestEvents(t *testing.T) {
	t.Parallel()
	event := func(number byte, value string) entry {
		return entry{pid: 1, buffer: 2, payload: []byte(string([]byte{number, 0, 0, 0}) + value)}
	}
	g := &fakeGuest{
		answers: map[string]string{"event-log-tags": "# comment\n7 am_proc_start (User|1|5)\n\nx y\n"},
		play: tell(event(7, "\x03\x03\x00\x01\x00\x00\x00\x02\x03\x00\x00\x00a,b\x01\xff\xff\xff\xff\xff\xff\xff\xff"),
			event(8, "\x04\x00\x00\x80\x3f"), event(9, "\x02\xff\xff\xff\xffcut"), event(10, strings.Repeat("\x03\x01", 50)), event(11, ""),
			entry{pid: 1, buffer: 2, payload: []byte{1}}, entry{pid: 2, header: 20, level: 'I', tag: "short", message: "header"},
			entry{pid: 3, header: 40, level: 'I', tag: "long", message: "header"}, entry{pid: 4, payload: []byte{}}, entry{pid: 5, payload: []byte{200}}),
	}
	c := start(t, g, nil, logs.Options{})
	got := c.Do("GET", base+"/logcat?buffers=events&follow=false&format=text", "").Body
	for _, want := range []string{"I am_proc_start: [1,a,b,-1]\n", "I 8       : 1\n", "I 9       : cut\n", "I 10      : [[[[[]]]]]\n", "I 11      : \n", "I short   : header\n", "I long    : header\n", "F         : \n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	g.play = func(_ string, p *fakeProcess) { p.say(adb.Stdout, []byte(strings.Repeat("garbage ", 20))) }
	if got := c.Do("GET", base+"/logcat?format=text", "").Body; !strings.Contains(got, "--------- end: logcat ended: ") || !strings.Contains(got, "is not what logcat -B writes") {
		t.Errorf("garbage: %s", got)
	}
}

// open begins a stream and returns its lines.
func open(t *testing.T, c *transporttest.Client, query string) (lines *bufio.Reader, hangUp func()) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Addr+base+"/logcat?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+transporttest.Token)
	transport := &http.Transport{}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	hangUp = func() { _ = resp.Body.Close(); transport.CloseIdleConnections() }
	t.Cleanup(hangUp)
	return bufio.NewReader(resp.Body), hangUp
}

// Ensure a stream that follows says why it ends, keeps alive while nothing happens, and leaves no logcat behind.
func TestEnds(t *testing.T) {
	t.Parallel()
	stay := func(_ string, p *fakeProcess) {
		p.say(adb.Stdout, all(some...))
		<-p.closed
	}
	for name, how := range map[string]struct {
		play func(string, *fakeProcess)
		do   func(left chan struct{}, c *transporttest.Client)
		want string

		stays bool // logcat goes on until it is ended
	}{
		"the device":  {stay, func(left chan struct{}, _ *transporttest.Client) { close(left) }, "sandbox dev-1: the device left started", true},
		"the runner":  {stay, func(_ chan struct{}, c *transporttest.Client) { c.BeginStop() }, "the runner is stopping", true},
		"logcat":      {func(_ string, p *fakeProcess) { p.say(adb.Stderr, []byte("logcat: Unexpected EOF!\n")); p.exit = 1 }, nil, "logcat ended: logcat: Unexpected EOF!", false},
		"silently":    {func(_ string, p *fakeProcess) { p.exit = 3 }, nil, "logcat ended: its exit code is 3", false},
		"connection":  {func(_ string, p *fakeProcess) { p.lost = fault.Unavailablef("the connection is lost") }, nil, "logcat ended: the connection is lost", false},
		"with device": {func(_ string, p *fakeProcess) { p.lost = fault.Unavailablef("the connection is lost") }, func(left chan struct{}, _ *transporttest.Client) { close(left) }, "the device left started", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{})
			g := &fakeGuest{play: how.play}
			c := start(t, g, left, logs.Options{Alive: 20 * time.Millisecond})
			lines, _ := open(t, c, "lines=1")
			if how.stays {
				for line := ""; line != ": \n"; {
					var err error
					if line, err = lines.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
			}
			if how.do != nil {
				how.do(left, c)
			}
			rest, err := io.ReadAll(lines)
			if err != nil || !strings.Contains(string(rest), "event: end\ndata: {\"reason\":\"") || !strings.Contains(string(rest), how.want) {
				t.Errorf("%v: %s", err, rest)
			}
			g.idle(t)
		})
	}
	g := &fakeGuest{play: stay}
	c := start(t, g, nil, logs.Options{Streams: 1})
	_, hangUp := open(t, c, "format=text")
	if got := c.Do("GET", base+"/logcat", ""); got.Status != 503 || got.Field(t, "code") != "RESOURCE_EXHAUSTED" {
		t.Errorf("one too many: %d %s", got.Status, got.Body)
	}
	hangUp() // and nothing is written any more
	g.idle(t)
}

// Ensure a client that stalls is told how many lines it has missed, and none of the rest is lost or out of order.
func TestDropped(t *testing.T) {
	t.Parallel()
	const many = 120_000
	sent := make(chan struct{})
	g := &fakeGuest{play: func(_ string, p *fakeProcess) {
		for i := 0; i < many; i += 100 {
			var batch []entry
			for n := i; n < i+100; n++ {
				batch = append(batch, entry{after: time.Second, pid: 1, level: 'I', tag: "Flood", message: fmt.Sprintf("%07d", n)})
			}
			if !p.say(adb.Stdout, all(batch...)) {
				return
			}
		}
		close(sent)
	}}
	c := start(t, g, nil, logs.Options{})
	lines, _ := open(t, c, "")
	select {
	case <-sent: // although nobody reads
	case <-time.After(time.Minute):
		t.Fatal("the device was kept waiting")
	}
	next, dropped, said := 0, 0, 0
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v before the end", err)
		}
		if strings.HasPrefix(line, "event: end") {
			break
		}
		var n int
		if _, err := fmt.Sscanf(line, `data: {"count":%d}`, &n); err == nil {
			next, dropped, said = next+n, dropped+n, said+1
		}
		if _, message, ok := strings.Cut(line, `"message":"`); ok {
			if _, err := fmt.Sscanf(message, "%d", &n); err != nil || n != next {
				t.Fatalf("%d follows %d", n, next-1)
			}
			next++
		}
	}
	if next != many || dropped == 0 || said > 3 {
		t.Errorf("%d of %d lines, %d dropped, said %d times", next, many, dropped, said)
	}
}
