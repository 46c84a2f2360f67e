package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// agent is a user of Daytona who drives a device through its proxy, where the toolbox is all there is.
type agent struct {
	t    *testing.T
	base string
}

// agent makes a sandbox and somebody who drives it.
func (h *simHost) agent(id string) agent {
	h.t.Helper()
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": id})
	a := agent{h.t, strings.TrimSuffix(h.get("DAYTONA_API_URL"), "/") + "/sandbox/" + id}
	var sandbox struct{ ToolboxProxyURL string }
	if status, body := a.ask("GET", "", nil); status != 200 || json.Unmarshal(body, &sandbox) != nil || sandbox.ToolboxProxyURL == "" {
		h.t.Fatalf("the sandbox: %d %s", status, body)
	}
	a.base = sandbox.ToolboxProxyURL + "/" + id
	return a
}

func (a agent) ask(method, path string, body any) (status int, answer []byte) {
	a.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, in)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer demo-key")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// element is what the tests look at of an element.
type element struct {
	Text, Description, ResourceID string
	Checked, Enabled, Password    bool
	Tap                           *struct{ X, Y int }
	Children                      []element
}

// did is the answer to an act.
type did struct {
	Did     string
	At      *struct{ X, Y int }
	Element element
	Matches []element
	Matched int
	Scrolls int
	End     bool
	Settled bool
	Message string
}

// step is one step of a script: an act that must be done.
func (a agent) step(path string, body map[string]any) (got did) {
	a.t.Helper()
	status, answer := a.ask("POST", "/android/ui/"+path, body)
	if err := json.Unmarshal(answer, &got); err != nil || status != 200 || !got.Settled {
		a.t.Fatalf("%s %v: %d %s", path, body, status, answer)
	}
	return got
}

// refused is a step that must fail.
func (a agent) refused(status int, path string, body map[string]any) string {
	a.t.Helper()
	got, answer := a.ask("POST", "/android/ui/"+path, body)
	var refusal did
	if err := json.Unmarshal(answer, &refusal); err != nil || got != status {
		a.t.Errorf("%s %v: %d %s, want %d", path, body, got, answer, status)
	}
	return refusal.Message
}

type m = map[string]any

// Ensure an agent can drive an app by what is on its screen: it finds, taps, types, waits, scrolls and reads
// through Daytona's proxy, and never sleeps.
func TestAgentDrivesAnApp(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	startRunner(h, quick...)
	a := h.agent("agent-1")

	a.step("tap", m{"selector": m{"text": "Shop", "clickable": true}})                                                        // 1: from the launcher
	a.step("type", m{"selector": m{"resourceId": "search"}, "text": "globe", "submit": true})                                 // 2: search
	if got := a.step("find", m{"selector": m{"resourceId": "name"}}); got.Matched != 6 || got.Matches[5].Text != "Globe 57" { // 3: read what it leaves
		t.Errorf("found %+v", got)
	}
	a.step("type", m{"selector": m{"resourceId": "com.example.shop:id/search"}, "text": "", "clear": true}) // 4: all of it again
	scrolled := a.step("scroll", m{"direction": "down", "until": m{"text": "Hammer 38"}})                   // 5: a row that is not there yet
	if scrolled.Element.Text != "Hammer 38" || scrolled.Scrolls == 0 {
		t.Errorf("scrolled to %+v", scrolled)
	}
	a.step("tap", m{"selector": m{"textMatches": `^Hammer 3\d$`}}) // 6: its page
	a.step("tap", m{"selector": m{"class": "CheckBox", "textContains": "Gift"}})
	if got := a.step("wait", m{"selector": m{"resourceId": "gift"}, "state": "checked"}); !got.Element.Checked { // 7
		t.Errorf("the box is %+v", got)
	}
	a.step("tap", m{"selector": m{"text": "ADD TO CART"}, "double": true}) // 8: two of it
	a.step("tap", m{"selector": m{"textMatches": `CART \(2\)`}})
	a.step("type", m{"selector": m{"resourceId": "code"}, "text": "s3cret 50%sale"}) // 9: the form
	a.step("type", m{"selector": m{"resourceId": "person"}, "text": "Ada Lovelace"})
	if got := a.step("find", m{"selector": m{"resourceId": "code"}}); !got.Matches[0].Password || strings.Trim(got.Matches[0].Text, "•") != "" {
		t.Errorf("the password is %+v", got.Matches)
	}
	a.step("tap", m{"selector": m{"resourceId": "order"}}) // 10: what comes later is waited for
	a.step("wait", m{"selector": m{"resourceId": "progress"}, "state": "gone"})
	if got := a.step("wait", m{"selector": m{"resourceId": "result"}}); got.Element.Text != "Order placed for Ada Lovelace: 2 of Hammer 38" {
		t.Errorf("the result is %+v", got.Element)
	}

	_, text := a.ask("GET", "/android/ui?format=text", nil)
	for _, want := range []string{"com.example.shop/com.example.shop.MainActivity 720x1280 settled\n", `EditText "Ada Lovelace" #person`, `TextView "Order placed`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text has no %q:\n%s", want, text)
		}
	}
	if got := a.refused(404, "tap", m{"selector": m{"text": "Place odrer"}, "timeoutMs": 1500}); !strings.Contains(got, `in front is com.example.shop, which shows "PLACE ORDER"`) {
		t.Errorf("said %s", got)
	}
	if got := a.refused(400, "type", m{"selector": m{"resourceId": "person"}, "text": "naïve"}); !strings.Contains(got, "'ï' (U+00EF)") {
		t.Errorf("said %s", got)
	}
	if got := a.refused(400, "tap", m{"selector": m{"txt": "x"}}); !strings.Contains(got, "txt") {
		t.Errorf("said %s", got)
	}
	if got := a.refused(404, "scroll", m{"direction": "down", "timeoutMs": 1500}); !strings.Contains(got, "something that scrolls") {
		t.Errorf("said %s", got)
	}
	if _, left := a.ask("POST", "/process/execute", m{"command": "ls -a /data/local/tmp"}); strings.Contains(string(left), ".ui-") {
		t.Errorf("dumps are left behind: %s", left)
	}
}

// Ensure a screen that never rests is told as such in time, with the last that is known of it, and can still be
// touched.
func TestScreenThatNeverRests(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	const base = "/sandboxes/dev1/android/ui"
	look := func() (settled bool, pkg string, root *element) {
		t.Helper()
		begun := time.Now()
		var got struct {
			Settled       bool
			Package, Note string
			Root          *element
		}
		body := r.want(http.StatusOK, "GET", base+"?timeoutMs=1500", nil).body
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		if got.Settled == (got.Note != "") {
			t.Errorf("settled %t, noted %q", got.Settled, got.Note)
		}
		return got.Settled, got.Package, got.Root
	}
	if settled, pkg, root := look(); !settled || pkg != "com.android.launcher3" || root == nil {
		t.Errorf("the launcher: %t %s %+v", settled, pkg, root)
	}
	r.exec("dev1", "am start -n com.example.animation/.MainActivity")
	if settled, pkg, root := look(); settled || pkg != "com.example.animation" || root != nil {
		t.Errorf("the animation: %t %s %+v", settled, pkg, root)
	}
	refused := r.want(http.StatusRequestTimeout, "POST", base+"/tap", m{"selector": m{"resourceId": "tap"}, "timeoutMs": 1500}).body
	if !strings.Contains(string(refused), "does not come to rest") {
		t.Errorf("said %s", refused)
	}
	r.want(http.StatusOK, "POST", base+"/tap", m{"x": 360, "y": 500})
	r.exec("dev1", "input keyevent HOME")
	if settled, pkg, _ := look(); !settled || pkg != "com.android.launcher3" {
		t.Errorf("at home: %t %s", settled, pkg)
	}
	r.exec("dev1", "input keyevent SLEEP")
	if settled, _, _ := look(); settled {
		t.Error("a screen that is off has settled")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{"force":true}`)
	r.want(http.StatusConflict, "GET", base, nil)
}
