package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Ensure what is set through the toolbox is what the device is in.
func TestDeviceState(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	const base = "/sandboxes/dev1/toolbox/android/"
	var device struct {
		Model, Timezone string
		BootCompleted   bool
		Screen          struct{ Width, Height, Rotation int }
	}
	look := func() {
		t.Helper()
		if err := json.Unmarshal(r.want(http.StatusOK, "GET", base+"device", nil).body, &device); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if !device.BootCompleted || device.Model == "" || device.Screen.Width >= device.Screen.Height {
		t.Errorf("%+v", device)
	}
	for _, c := range []struct{ path, body, want string }{
		{"rotate", `{"rotation":90}`, `"current":90`},
		{"location", `{"latitude":52.52,"longitude":13.405,"accuracy":5}`, `"latitude":52.52,"longitude":13.405,"accuracy":5,"mock":true`},
		{"timezone", `{"timezone":"Asia/Kolkata"}`, `"timezone":"Asia/Kolkata","utcOffset":"+0530","automatic":false`},
		{"battery", `{"level":7,"status":"discharging","plugged":"none"}`, `"level":7,"status":"discharging","plugged":"none"`},
		{"airplane", `{"enabled":true}`, `"enabled":true`},
		{"animations", `{"enabled":false}`, `"enabled":false`},
	} {
		for _, got := range []reply{r.want(http.StatusOK, "POST", base+c.path, c.body), r.want(http.StatusOK, "GET", base+c.path, nil)} {
			if !strings.Contains(string(got.body), c.want) {
				t.Errorf("%s %s: got %s", c.path, c.body, got.body)
			}
		}
	}
	if got := r.want(http.StatusOK, "POST", base+"locale", `{"locale":"de-DE","package":"com.example.notes"}`); string(got.body) != `{"package":"com.example.notes","locale":"de-DE"}` {
		t.Errorf("locale: %s", got.body)
	}
	r.want(http.StatusNotFound, "POST", base+"locale", `{"locale":"de-DE","package":"com.no.pe"}`)
	look()
	if device.Timezone != "Asia/Kolkata" || device.Screen.Rotation != 90 || device.Screen.Width <= device.Screen.Height {
		t.Errorf("%+v", device)
	}
	r.want(http.StatusNoContent, "DELETE", base+"location", nil)
	if got := string(r.want(http.StatusOK, "GET", base+"location", nil).body); got != `{"enabled":true,"mock":false}` {
		t.Errorf("location: %s", got)
	}
	for _, method := range []string{"GET", "POST"} {
		if got := string(r.want(http.StatusNotImplemented, method, base+"clipboard", `{"text":"a"}`).body); !strings.Contains(got, "No shell command implementation.") {
			t.Errorf("clipboard: %s", got)
		}
	}
	if got := string(r.want(http.StatusOK, "GET", base+"props?name=persist.sys.timezone", nil).body); got != `{"props":{"persist.sys.timezone":"Asia/Kolkata"}}` {
		t.Errorf("props: %s", got)
	}
	if got := string(r.want(http.StatusOK, "POST", base+"url", `{"url":"https://example.com/?a=1&b='2'"}`).body); !strings.Contains(got, `"status":"ok"`) {
		t.Errorf("url: %s", got)
	}
	r.want(http.StatusUnprocessableEntity, "POST", base+"url", `{"url":"myapp://x","allowSchemes":["myapp"]}`)
}
