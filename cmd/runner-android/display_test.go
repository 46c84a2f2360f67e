package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is one page of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// browse starts a browser; the test is skipped where none is installed.
func browse(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("skipped: needs chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.WindowSize(800, 1000)))
	t.Cleanup(cancel)
	return &browser{t, ctx}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// ask evaluates a script that gives text.
func (b *browser) ask(script string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script))
	if err != nil {
		return err.Error() // of a page that is being loaded
	}
	return fmt.Sprint(value)
}

// await waits until a script gives the wanted text.
func (b *browser) await(what, script, want string) {
	b.t.Helper()
	eventually(b.t, 40*time.Second, what, func() error {
		if got := b.ask(script); got != want {
			return fmt.Errorf("it is %q, not %q", got, want)
		}
		return nil
	})
}

// keep keeps a picture of the page for people to look at, where TEST_ARTEFACTS says.
func (b *browser) keep(name string) {
	b.t.Helper()
	dir := os.Getenv("TEST_ARTEFACTS")
	if dir == "" {
		dir = b.t.TempDir()
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%s is in %s", name, dir)
}

// The scripts that ask the page.
const (
	// wayIn is the way by which the picture comes, as the page says.
	wayIn = `document.getElementById('daytona-badge')?.hidden === false ? document.getElementById('daytona-badge').textContent : ''`
	// framesRun tells whether the video has frames.
	framesRun = `(document.getElementById('device-video')?.getVideoPlaybackQuality().totalVideoFrames > 0)`
	// imprint tells pictures apart: a sum over the pixels of what is shown.
	imprint = `(() => {
		const shown = document.getElementById('daytona-screen') ?? document.getElementById('device-video');
		const canvas = document.createElement('canvas');
		canvas.width = 36; canvas.height = 64;
		const paint = canvas.getContext('2d');
		paint.drawImage(shown, 0, 0, 36, 64);
		return String(paint.getImageData(0, 0, 36, 64).data.reduce((sum, v, i) => (sum * 31 + (v >> 4) * (i % 251)) % 1000003, 7));
	})()`
)

// tap clicks at a point of the device's screen, which has 720 by 1280 pixels.
func (b *browser) tap(x, y int) {
	b.t.Helper()
	var box [4]float64
	if err := json.Unmarshal([]byte(b.ask(`(() => {
		const e = document.getElementById('daytona-screen') ?? document.getElementById('device-video'), r = e.getBoundingClientRect();
		const scale = Math.min(r.width / 720, r.height / 1280);
		return JSON.stringify([r.x + (r.width - 720 * scale) / 2, r.y + (r.height - 1280 * scale) / 2, scale, 0]);
	})()`)), &box); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.MouseClickXY(box[0]+float64(x)*box[2], box[1]+float64(y)*box[2]))
}

// displayURL is the address that a user of Daytona opens, with a signed token in its host.
func (h *simHost) displayURL(id string) string {
	h.t.Helper()
	req, err := http.NewRequest(http.MethodGet, h.get("DAYTONA_API_URL")+"/sandbox/"+id+"/ports/6080/signed-preview-url?expiresInSeconds=600", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer demo-key")
	resp, err := client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var signed struct{ URL string }
	if err := json.NewDecoder(resp.Body).Decode(&signed); err != nil || signed.URL == "" {
		h.t.Fatalf("%d %v", resp.StatusCode, err)
	}
	return signed.URL + "/"
}

// misbehaveOperator makes the simulated operator do something (docs/simulator.md).
func (h *simHost) misbehaveOperator(fault string) {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{"fault": fault})
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := client.Post(h.operatorURL()+"/sim/faults", "application/json", bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		h.t.Fatalf("%s: %s", fault, resp.Status)
	}
}

// Ensure a browser that opens a device's port 6080 sees its screen and uses it: video that changes after a tap, text
// that arrives in the guest; and that it comes back after a restart of the operator.
func TestDisplayInABrowser(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	b.do(chromedp.Navigate(h.displayURL("dev1")))
	b.await("the way of the picture", wayIn, "WebRTC")
	b.await("frames", framesRun, "true")
	b.keep("display-webrtc")
	home := b.ask(imprint)
	r.exec("dev1", "am start -n com.example.notes/.MainActivity")
	eventually(t, 20*time.Second, "the picture changes", func() error {
		if b.ask(imprint) == home {
			return fmt.Errorf("it is as before")
		}
		return nil
	})
	b.tap(360, 400)
	typeInto(t, b, r, "hello")
	h.misbehaveOperator("restart:1s")
	b.await("the way of the picture after a restart of the operator", wayIn, "WebRTC")
	typeInto(t, b, r, "hello again")
	b.keep("display-after-restart")
}

// typeInto types on the browser's keyboard until the note in the guest is what was typed.
func typeInto(t *testing.T, b *browser, r *runner, text string) {
	t.Helper()
	have, before := strings.TrimSpace(note(r)), b.ask(imprint)
	b.do(chromedp.KeyEvent(strings.TrimPrefix(text, have)))
	eventually(t, 20*time.Second, "the guest has the text", func() error {
		if got := note(r); got != text {
			return fmt.Errorf("the note is %q, not %q", got, text)
		}
		return nil
	})
	eventually(t, 20*time.Second, "the text is seen", func() error {
		if b.ask(imprint) == before {
			return fmt.Errorf("the picture is as before")
		}
		return nil
	})
}

// note is what is written in the guest's app Notes, as its screen says.
func note(r *runner) string {
	var screen struct {
		Root *struct {
			Children []json.RawMessage `json:"children"`
		} `json:"root"`
	}
	body := r.want(http.StatusOK, "GET", "/sandboxes/dev1/android/ui", nil).body
	if err := json.Unmarshal(body, &screen); err != nil || screen.Root == nil {
		return ""
	}
	type element struct {
		ResourceID string    `json:"resourceId"`
		Text       string    `json:"text"`
		Children   []element `json:"children"`
	}
	var find func(element) string
	find = func(e element) string {
		if e.ResourceID == "com.example.notes:id/note" && e.Text != "Write something" {
			return e.Text
		}
		for _, child := range e.Children {
			if text := find(child); text != "" {
				return text
			}
		}
		return ""
	}
	for _, child := range screen.Root.Children {
		var e element
		if json.Unmarshal(child, &e) != nil {
			continue
		}
		if text := find(e); text != "" {
			return text
		}
	}
	return ""
}

// Ensure a browser that no packet of the device reaches sees and uses the screen all the same.
func TestDisplayWithoutMedia(t *testing.T) {
	t.Parallel()
	b := browse(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	h.inject("webrtc_no_ice", "", 0)
	b.do(chromedp.Navigate(h.displayURL("dev1")))
	b.awaitWithoutMedia()
	home := b.ask(imprint)
	r.exec("dev1", "am start -n com.example.notes/.MainActivity")
	eventually(t, 20*time.Second, "the picture changes", func() error {
		if b.ask(imprint) == home {
			return fmt.Errorf("it is as before")
		}
		return nil
	})
	b.tap(360, 400)
	typeInto(t, b, r, "hello")
	b.keep("display-without-media")
}
