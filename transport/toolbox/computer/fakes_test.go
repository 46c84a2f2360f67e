package computer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

const base = "/sandboxes/dev-1/toolbox/computeruse"

// Help texts, abridged: of Android 14 and of Android 10.
const (
	newHelp = `Usage: input [<source>] [-d DISPLAY_ID] <command> [<arg>...]
The commands and default sources are:
      text <string> (Default: keyboard)
      keycombination [-t duration(ms)] <key code 1> <key code 2> ... (Default: keyboard, the key order is important here.)
      scroll (Default: rotaryencoder). Has the following syntax:`
	oldHelp = `Usage: input [<source>] <command> [<arg>...]
The commands and default sources are:
      text <string> (Default: touchscreen)
      roll <dx> <dy> (Default: trackball)`
)

// device is a guest with Android's programs. Its shell is mksh.
type fakeDevice struct {
	*guestshelltest.Guest
	t *testing.T
}

var _ Guest = (*fakeDevice)(nil)

func newDevice(t *testing.T, help string) *fakeDevice {
	t.Helper()
	d := &fakeDevice{t: t}
	d.Guest = guestshelltest.New(t, map[string]string{
		"wm":      "echo 'Physical size: 720x1280'",
		"dumpsys": "true",
	})
	d.Program("input", "if (( $# == 0 )); then cat <<'E'\n"+help+"\nE\nexit 255; fi; cat >/dev/null") // it reads what it can
	d.Program("screencap", "cat '"+d.Dir()+"/frame'")
	d.show(gradient(720, 1280))
	return d
}

// show is what the screen shows from now on.
func (d *fakeDevice) show(img *image.RGBA) {
	d.t.Helper()
	out := binary.LittleEndian.AppendUint32(nil, uint32(img.Rect.Dx()))
	out = binary.LittleEndian.AppendUint32(out, uint32(img.Rect.Dy()))
	out = append(out, 1, 0, 0, 0, 1, 0, 0, 0)
	if err := os.WriteFile(d.Dir()+"/frame", append(out, img.Pix...), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *fakeDevice) Run(ctx context.Context, on string, s guestshell.Script) (guestshell.Result, error) {
	if on != transporttest.Serial {
		d.t.Errorf("run on %q", on)
	}
	return d.Guest.Run(ctx, on, s)
}

func (d *fakeDevice) Output(ctx context.Context, _, command string) (io.ReadCloser, error) {
	var out bytes.Buffer
	cmd := d.Command(ctx, "-c", command)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return io.NopCloser(&out), ctx.Err()
}

// acts are the calls of input since the last time, without those that asked for help.
func (d *fakeDevice) acts() []string {
	d.t.Helper()
	return slices.DeleteFunc(d.Lines(), func(l string) bool { return l == "input" })
}

func gradient(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{byte(x), byte(y), byte(x >> 3), 255})
		}
	}
	return img
}

func start(t *testing.T, guest Guest, left <-chan struct{}, o Options) *transporttest.Client {
	t.Helper()
	door := New(lease.New(transporttest.Lessor(left), nil), guest, o)
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, door.Routes()) })
}

// picture is the one in an answer, and the other fields.
func picture(t *testing.T, a transporttest.Answer) (img image.Image, format string, rest map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &rest); err != nil || a.Status != 200 {
		t.Fatalf("got %d %.300s", a.Status, a.Body)
	}
	data, err := base64.StdEncoding.DecodeString(rest["screenshot"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := rest["sizeBytes"]; ok && n != float64(len(data)) {
		t.Errorf("sizeBytes is %v of %d", n, len(data))
	}
	img, format, err = image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	delete(rest, "screenshot")
	return img, format, rest
}
