package apps_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport/android/apps"
	"github.com/daytonaio/runner-android/transport/android/apps/apktest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// half sends the head of a request and half of its body.
func half(t *testing.T, c *transporttest.Client, body []byte, headers ...string) net.Conn {
	t.Helper()
	conn := c.Dial()
	request := fmt.Sprintf("POST %s/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n\r\n",
		base, transporttest.Token, len(body), strings.Join(headers, "\r\n"))
	if _, err := conn.Write(append([]byte(request), body[:len(body)/2]...)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// idle reports whether no conversation is under way.
func (d *device) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open == 0
}

// Ensure nothing is installed and nothing stays anywhere when the client goes away half-way, however it sends.
func TestClientGone(t *testing.T) {
	t.Parallel()
	whole := app.Build(t)
	client, d := start(t, nil, apps.Options{})
	text, contentType := form(t, "file:file", string(whole))
	for _, c := range []struct {
		body    []byte
		headers []string
	}{
		{whole, []string{apkType}},
		{[]byte(text), []string{contentType}},
		{whole, []string{apkType, "Accept: text/event-stream"}},
		{[]byte(`{"apk":"` + strings.Repeat("A", 1<<20) + `"}`), []string{"Content-Type: application/json"}},
	} {
		conn := half(t, client, c.body, c.headers...)
		if c.headers[0] == apkType && len(c.headers) == 1 {
			await(t, "the device gets it", func() bool { return !d.idle() })
		}
		_ = conn.Close()
		await(t, "the device is let go", d.idle)
	}
	// The place is free again, and the device's turn too.
	if got := client.Do("POST", base+"/install", string(whole), apkType); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if len(d.took) != 1 {
		t.Errorf("taken: %d", len(d.took))
	}
	await(t, "no spool is open", func() bool { return openSpools(t, d.dir) == 0 })
}

// Ensure a client that leaves while it is told of the progress ends the installation, and its session is abandoned.
func TestListenerGone(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{})
	d.stall = make(chan struct{})
	split := apktest.APK{Package: "com.example.app", VersionCode: 3, Split: "x"}
	text, contentType := form(t, "file:file", string(app.Build(t)), "file:file", string(split.Build(t)))
	conn := half(t, client, []byte(text), contentType, "Accept: text/event-stream", "Connection: close")
	if _, err := conn.Write([]byte(text)[len(text)/2:]); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	if _, err := conn.Read(buf); err != nil {
		t.Fatal(err)
	}
	await(t, "the session is written", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.log) == 2 })
	close(d.left) // which is how a test need not wait for a keep-alive: the device leaves
	await(t, "the session is abandoned", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return slices.Equal(d.abandoned, []string{"1234"}) })
	close(d.stall)
	var all bytes.Buffer
	_, _ = all.ReadFrom(conn)
	if !strings.Contains(all.String(), "event: error") || !strings.Contains(all.String(), "left started") {
		t.Errorf("told %s", all.String())
	}
}

// Ensure a device that leaves while it gets an APK ends the request with that reason.
func TestDeviceLeaves(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{})
	d.stall = make(chan struct{})
	defer close(d.stall)
	answered := make(chan transporttest.Answer, 1)
	go func() {
		a, err := client.Try("POST", base+"/install", bytes.NewReader(app.Build(t)), apkType)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	await(t, "the device gets it", func() bool { return !d.idle() })
	close(d.left)
	if a := <-answered; a.Status != 409 || !strings.Contains(a.Body, "left started") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// Ensure a device that never answers is given up in time.
func TestDeviceStalls(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{Install: 300 * time.Millisecond})
	d.stall = make(chan struct{})
	defer close(d.stall)
	if a := client.Do("POST", base+"/install", string(app.Build(t)), apkType); a.Status != 504 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// Ensure installations on one device follow each other.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{})
	d.stall = make(chan struct{})
	statuses := make(chan int, 3)
	for range 3 {
		go func() {
			a, err := client.Try("POST", base+"/install", bytes.NewReader(app.Build(t)), apkType)
			if err != nil {
				t.Error(err)
			}
			statuses <- a.Status
		}()
	}
	await(t, "one is under way", func() bool { return !d.idle() })
	for range 50 { // the others have every chance to be wrong
		runtime.Gosched()
	}
	d.mu.Lock()
	if d.open != 1 {
		t.Errorf("%d at a time", d.open)
	}
	d.mu.Unlock()
	close(d.stall)
	for range 3 {
		if s := <-statuses; s != 200 {
			t.Errorf("status %d", s)
		}
	}
}

// Ensure an archive whose sizes lie, or that is damaged, installs nothing.
func TestDamagedArchive(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{})
	split := apktest.APK{Package: "com.example.app", VersionCode: 3, Split: "x"}
	data := apktest.Archive(t, "base.apk", string(app.Build(t)), "split_config.x86.apk", string(split.Build(t)))
	at := bytes.Index(data, []byte("classes.dex")) // within the base: its sum is wrong then
	data[at+200_000]++
	got := client.Do("POST", base+"/install", string(data), "")
	if got.Status != 400 || !strings.Contains(got.Body, "cannot be read") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if told := d.told(); told[len(told)-1] != "install-abandon 1234" {
		t.Errorf("told %q", told)
	}
}
