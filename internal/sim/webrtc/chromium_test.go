package webrtc_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/operator"
)

// chromium is a headless browser for the test; it is skipped where none is installed.
func chromium(t *testing.T) context.Context {
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.WindowSize(800, 1000)))
	t.Cleanup(cancel)
	return ctx
}

// evaluate runs a script in the page.
func evaluate[T any](t *testing.T, ctx context.Context, script string) T { //nolint:revive // the test comes first
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// perform does something with the page.
func perform(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) { //nolint:revive // as above
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// Ensure the page that the operator serves connects in a real browser, shows the screen, and passes on touch,
// keys and buttons, over either kind of signaling.
func TestThePageInABrowser(t *testing.T) {
	for name, options := range map[string]operator.Options{"WebSocket": {}, "polling": {LegacyPollingOnly: true}} {
		t.Run(name, func(t *testing.T) {
			ctx := chromium(t)
			r := newRig(t, options)
			r.panel.Tell(display.Event{Name: display.BootCompleted})
			page := r.url() + "/devices/" + deviceID + "/files/client.html"
			const frames = `document.getElementById('device-video').getVideoPlaybackQuality().totalVideoFrames`
			perform(t, ctx, chromedp.Navigate(page), chromedp.WaitVisible(chromedp.CSS(`#status-message.connected`)),
				chromedp.WaitReady(chromedp.CSS(`body[data-input=open]`)))
			await(t, "frame", func() bool { return evaluate[int](t, ctx, frames) > 0 })
			tap := func(text string) {
				t.Helper()
				box := evaluate[[]float64](t, ctx, `(() => {
					const b = document.getElementById('device-video').getBoundingClientRect();
					return [b.x, b.y, b.width, b.height];
				})()`)
				at := r.button(text)
				perform(t, ctx, chromedp.MouseClickXY(box[0]+float64(at.X)*box[2]/720, box[1]+float64(at.Y)*box[3]/1280))
			}
			// brightness at a point of the video, which is another one when Notes is in front.
			const sum = `(() => {
				const video = document.getElementById('device-video'), canvas = document.createElement('canvas');
				canvas.width = canvas.height = 64;
				const paint = canvas.getContext('2d');
				paint.drawImage(video, 0, 0, 64, 64);
				return paint.getImageData(0, 0, 64, 64).data.reduce((a, b) => a + b, 0);
			})()`
			before := evaluate[float64](t, ctx, sum)
			tap("Notes")
			await(t, "app in front", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "note") })
			await(t, "other picture", func() bool {
				return evaluate[float64](t, ctx, sum) != before
			})
			save(t, ctx, name)
			perform(t, ctx, chromedp.KeyEvent("hi"))
			await(t, "keys", func() bool { return len(r.device.Inputs()) >= 6 })
			perform(t, ctx, chromedp.Click(chromedp.CSS(`button[data-command="home"]`)))
			await(t, "launcher", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "launcher") })
		})
	}
}

// save keeps a screenshot where SCREENS names a directory.
func save(t *testing.T, ctx context.Context, name string) { //nolint:revive // the test comes first
	t.Helper()
	dir := os.Getenv("SCREENS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page-"+name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
