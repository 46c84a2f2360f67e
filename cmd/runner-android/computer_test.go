package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/png"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// screenshot is the device's screen.
func (r *runner) screenshot(id string) image.Image {
	r.t.Helper()
	var answer struct {
		Screenshot []byte `json:"screenshot"`
	}
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes/"+id+"/toolbox/computeruse/screenshot?wake=true", nil).body, &answer); err != nil {
		r.t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(answer.Screenshot))
	if err != nil {
		r.t.Fatalf("%v: %.60s", err, base64.StdEncoding.EncodeToString(answer.Screenshot))
	}
	return img
}

// differs counts the pixels in which two screens differ; all, when their sizes do.
func differs(a, b image.Image) (n int) {
	if a.Bounds() != b.Bounds() {
		return a.Bounds().Dx() * a.Bounds().Dy()
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			if br, bg, bb, _ := b.At(x, y).RGBA(); ar != br || ag != bg || ab != bb {
				n++
			}
		}
	}
	return n
}

// Ensure one can see the device's screen, touch it, and type, with what an SDK would send.
func TestComputerUse(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	const base = "/sandboxes/dev1/toolbox/computeruse"
	if got := string(r.want(http.StatusOK, "GET", base+"/process-status", nil).body); got != `{"status":"partial"}` && got != `{"status":"active"}` {
		t.Errorf("status %s", got)
	}
	home := r.screenshot("dev1")
	var display struct {
		Displays []struct{ Width, Height int } `json:"displays"`
	}
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", base+"/display/info", nil).body, &display); err != nil || len(display.Displays) != 1 {
		t.Fatalf("%+v %v", display, err)
	}
	if size := home.Bounds().Max; display.Displays[0].Width != size.X || display.Displays[0].Height != size.Y {
		t.Errorf("the display is %+v, the picture %v", display, size)
	}
	r.exec("dev1", "am start -n com.example.notes/.MainActivity")
	var notes image.Image
	eventually(t, 10*time.Second, "another app is seen", func() error {
		if notes = r.screenshot("dev1"); differs(home, notes) == 0 {
			return errors.New("the screen is as before")
		}
		return nil
	})
	at := notes.Bounds().Max.Div(2)
	r.want(http.StatusOK, "POST", base+"/mouse/click", map[string]any{"x": at.X, "y": at.Y, "button": "left", "double": false})
	if got := string(r.want(http.StatusOK, "GET", base+"/mouse/position", nil).body); got != fmt.Sprintf(`{"x":%d,"y":%d}`, at.X, at.Y) {
		t.Errorf("the pointer is at %s", got)
	}
	tapped := r.screenshot("dev1")
	if differs(notes, tapped) == 0 {
		t.Error("a tap shows nothing")
	}
	const text = "it's 50%sale, 100% $HOME\nand `more`"
	r.want(http.StatusOK, "POST", base+"/keyboard/type", map[string]any{"text": text})
	var typed image.Image
	eventually(t, 10*time.Second, "what was typed shows", func() error {
		if typed = r.screenshot("dev1"); differs(tapped, typed) < 100 {
			return errors.New("the screen is as before")
		}
		return nil
	})
	if _, got := r.execCode("dev1", "su 0 cat /data/data/com.example.notes/files/note.txt"); got != text {
		t.Errorf("the note says %q", got)
	}
	r.want(http.StatusBadRequest, "POST", base+"/keyboard/type", map[string]any{"text": "naïve"})
	if n := differs(typed, r.screenshot("dev1")); n > 2000 { // a clock, a caret
		t.Errorf("refused text changed %d pixels", n)
	}
	r.want(http.StatusOK, "POST", base+"/keyboard/hotkey", map[string]any{"keys": "ctrl+a"})
	r.want(http.StatusOK, "POST", base+"/keyboard/key", map[string]any{"key": "BackSpace"})
	eventually(t, 10*time.Second, "all of it was selected and deleted", func() error {
		if n := differs(tapped, r.screenshot("dev1")); n > 2000 {
			return fmt.Errorf("%d pixels differ", n)
		}
		return nil
	})
	r.want(http.StatusOK, "POST", base+"/mouse/scroll", map[string]any{"x": at.X, "y": at.Y, "direction": "down", "amount": 3})
	r.want(http.StatusOK, "POST", base+"/mouse/drag", map[string]any{"startX": at.X, "startY": at.Y + 100, "endX": at.X, "endY": at.Y - 100, "button": "left"})
	if got := string(r.want(http.StatusOK, "GET", base+"/display/windows", nil).body); !strings.Contains(got, "com.example.notes") {
		t.Errorf("windows: %s", got)
	}
	r.want(http.StatusOK, "POST", base+"/keyboard/key", map[string]any{"key": "HOME"})
	eventually(t, 10*time.Second, "the first screen is back", func() error {
		if n := differs(home, r.screenshot("dev1")); n > 2000 { // a clock may have moved
			return fmt.Errorf("%d pixels differ", n)
		}
		return nil
	})
}

// Ensure a server in the guest is reached, with paths as they are, and is gone with the device.
func TestProxyToTheGuest(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	const base = "/sandboxes/dev1/toolbox"
	var listening struct {
		Ports []int `json:"ports"`
	}
	if got := r.want(http.StatusOK, "GET", base+"/port", nil); json.Unmarshal(got.body, &listening) != nil || !slices.Contains(listening.Ports, 8080) {
		t.Errorf("ports: %s", got.body)
	}
	if got := string(r.want(http.StatusOK, "GET", base+"/port/8080/in-use", nil).body); got != `{"isInUse":true}` {
		t.Errorf("8080: %s", got)
	}
	if got := string(r.want(http.StatusOK, "GET", base+"/port/8099/in-use", nil).body); got != `{"isInUse":false}` {
		t.Errorf("8099: %s", got)
	}
	if got := r.want(http.StatusOK, "GET", base+"/proxy/8080/", nil); len(got.body) == 0 || strings.Contains(string(got.body), token) {
		t.Errorf("got %.200s", got.body)
	}
	if got := r.want(http.StatusBadGateway, "GET", base+"/proxy/8099/", nil); len(got.body) > 0 {
		t.Errorf("got %s", got.body)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{"force":true}`)
	r.want(http.StatusConflict, "GET", base+"/proxy/8080/", nil)
}
