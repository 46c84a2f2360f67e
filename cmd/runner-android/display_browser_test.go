package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What the page says when the screen was lost.
const curtain = `document.getElementById('daytona-curtain')?.textContent ?? ''`

// watch opens a page and waits until it shows video.
func (b *browser) watch(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.awaitVideo("the page")
}

// awaitVideo waits until the page shows video by WebRTC, and nothing in front of it.
func (b *browser) awaitVideo(when string) {
	b.t.Helper()
	b.await("video, "+when, `[`+wayIn+`, `+framesRun+`, `+curtain+`].join()`, "WebRTC,true,")
}

// awaitWord waits until a script's text has a part.
func (b *browser) awaitWord(limit time.Duration, what, script string, part string) {
	b.t.Helper()
	eventually(b.t, limit, what, func() error {
		if got := b.ask(script); !strings.Contains(got, part) {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// Ensure a page of an operator without WebSockets shows video, and comes back after a restart of that operator.
func TestDisplayByPolling(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t, "--operator-version", "1.49.0")
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1"))
	opened := func() (n int) {
		for _, asked := range h.askedOfOperator() {
			if asked.Method == http.MethodPost && asked.URI == "/polled_connections" {
				n++
			}
		}
		return n
	}
	if n := opened(); n != 1 {
		t.Errorf("%d polled connections were opened", n)
	}
	r.exec("dev1", "am start -n com.example.notes/.MainActivity")
	b.tap(360, 400)
	typeInto(t, b, r, "hello")
	h.misbehaveOperator("restart:0.5")
	b.awaitWord(10*time.Second, "the page says that the signalling is lost", wayIn, "Signalling lost")
	b.awaitVideo("after a restart of the operator")
	if n := opened(); n < 2 {
		t.Errorf("%d polled connections were opened", n)
	}
	typeInto(t, b, r, "hello again")
}

// Ensure a page connects by Daytona's dashboard's address, and with the operator's own connector, which has the way
// without WebRTC too.
func TestDisplayAddresses(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1") + "vnc.html?autoconnect=true&resize=scale")
	r.kill()
	r = startRunner(h, append([]string{"WEBRTC_CONNECTOR=operator"}, quick...)...)
	r.wantState("dev1", "started")
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1"))
	if got := b.ask(`fetch('/js/server_connector.js').then(r => r.text())`); strings.Contains(got, "class Connector") {
		t.Errorf("the connector is our own: %s", got)
	}
	h.inject("webrtc_no_ice", "", 0)
	b.do(chromedp.Reload())
	b.awaitWithoutMedia()
}

// awaitWithoutMedia waits until the screen comes over a WebSocket. A page that was faster than the fault that keeps
// WebRTC from it is loaded anew.
func (b *browser) awaitWithoutMedia() {
	b.t.Helper()
	eventually(b.t, 40*time.Second, "the screen comes over a WebSocket", func() error {
		way := b.ask(wayIn)
		if way == "WebRTC" {
			b.do(chromedp.Reload())
		}
		if !strings.HasPrefix(way, "WebSocket, ") {
			return fmt.Errorf("the page says %q", way)
		}
		return nil
	})
}

// Ensure the page of a link shows video, by its path and by its host, and says so when it is revoked, also where the
// screen comes over a WebSocket.
func TestDisplayLinksInABrowser(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, append([]string{"RUNNER_DOMAIN=runner.localhost"}, quick...)...)
	r.create("dev1")
	r.straight("dev1").wantDisplay("ready")
	link := r.share("dev1", nil)
	revoke := func() {
		t.Helper()
		r.want(http.StatusNoContent, "DELETE", "/sandboxes/dev1/display/links/"+link.ID, nil)
		b.awaitWord(20*time.Second, "the page of a link that was revoked says so", curtain, "revoked")
	}
	b.watch(link.URL)
	b.watch(link.HostURL)
	revoke()
	b.await("an end of the connection to the device", `String(document.getElementById('device-video').srcObject.getTracks().every(t => t.muted || t.readyState === 'ended'))`, "true")
	link = r.share("dev1", nil)
	h.inject("webrtc_no_ice", "", 0)
	b.do(chromedp.Navigate(link.URL))
	b.awaitWithoutMedia()
	revoke()
}

// Ensure the page that is shown while there is no screen says how things go on, and becomes the screen.
func TestDisplayWaits(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	h.desk().mustDo(order{"type": "STOP_SANDBOX", "sandboxId": "dev1"})
	b.do(chromedp.Navigate(h.displayURL("dev1")))
	const message = `document.getElementById('message')?.textContent ?? ''`
	b.awaitWord(10*time.Second, "the page says that the device is stopped", message, "The device is stopped")
	h.inject("webrtc_vanish", "", 0)
	h.desk().mustDo(order{"type": "START_SANDBOX", "sandboxId": "dev1"})
	b.awaitWord(10*time.Second, "the page says that the screen is not there yet", message, "has not registered")
	b.keep("display-waiting")
	h.heal()
	h.inject("webrtc_stale", "", 0)
	b.awaitWord(10*time.Second, "the page says that its process is gone", message, "is gone")
	h.heal()
	b.awaitVideo("once it is there")
	r.exec("dev1", "true")
}

// Ensure the page of a hostile device is shown.
func TestDisplayOfAHostileDeviceInABrowser(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.inject("webrtc_hostile", "", 0)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1"))
}

// Ensure a page says that its device is stopped, and comes back when it is started; and so when the process that
// shows the screen dies.
func TestDisplayComesBack(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1"))
	h.desk().mustDo(order{"type": "STOP_SANDBOX", "sandboxId": "dev1"})
	b.awaitWord(20*time.Second, "the page says that the device is stopped", curtain, "The device is stopped")
	b.keep("display-stopped")
	h.desk().mustDo(order{"type": "START_SANDBOX", "sandboxId": "dev1"})
	b.awaitVideo("after a stop and a start")

	b.ask(`window.beforeDeath = true`)
	pid, _ := h.streamer(r.info("dev1").InstanceNum)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.awaitWord(10*time.Second, "the page says that the signalling is lost", wayIn, "Signalling lost")
	b.awaitWord(20*time.Second, "a new page", `String(window.beforeDeath)`, "undefined")
	b.awaitVideo("after the death of webRTC")
}

// Ensure a page says within ten seconds or so that no picture comes any more, although all sockets are open, and
// comes back when they come again.
func TestDisplayMediaDies(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	r.straight("dev1").wantDisplay("ready")
	b.watch(h.displayURL("dev1"))
	pid, _ := h.streamer(r.info("dev1").InstanceNum)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.awaitWord(12*time.Second, "the page says that the connection was lost", curtain, "Connection lost")
	b.awaitWord(12*time.Second, "the page says why", curtain, "does not answer")
	b.keep("display-frozen")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.awaitVideo("once the device goes on")
}
