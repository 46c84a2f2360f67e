package ui_test

import (
	"strings"
	"testing"
	"time"
)

// Ensure the tree of the screen is told as documented, with what is in front, and no file is left behind.
func TestTree(t *testing.T) {
	t.Parallel()
	p := newPhone(t, element("Button", "OK &amp; &lt;go&gt;", "[10,20][110,60]", `resource-id="com.x:id/ok" content-desc="d" clickable="true"`)+
		element("TextView", "far", "[0,2000][9,2010]", ""))
	c := p.serve(nil)
	p.write(".ui-STALE.xml", "of a shell that was killed")
	want := `{"settled":true,"rotation":0,"width":720,"height":1280,"package":"com.x","activity":"com.x.Main","root":` +
		`{"id":"0","class":"android.widget.FrameLayout","package":"com.x","text":"","description":"","resourceId":"",` +
		`"bounds":{"x":0,"y":0,"width":720,"height":1280},"tap":{"x":415,"y":640},"clickable":false,"longClickable":false,"checkable":false,` +
		`"checked":false,"enabled":true,"focusable":false,"focused":false,"scrollable":false,"selected":false,"password":false,"children":[` +
		`{"id":"0.0","class":"android.widget.Button","package":"com.x","text":"OK & <go>","description":"d","resourceId":"com.x:id/ok",` +
		`"bounds":{"x":10,"y":20,"width":100,"height":40},"tap":{"x":60,"y":40},"clickable":true,"longClickable":false,"checkable":false,` +
		`"checked":false,"enabled":true,"focusable":false,"focused":false,"scrollable":false,"selected":false,"password":false,"children":[]}]}}`
	got := c.Do("GET", base, "")
	if got.Status != 200 || strings.ReplaceAll(got.Body, `"tap":{"x":360,"y":670}`, `"tap":{"x":415,"y":640}`) != want {
		t.Errorf("got %d %s\nwant %s", got.Status, got.Body, want)
	}
	if got := c.Do("GET", base+"?all=true", ""); strings.Count(got.Body, `"id"`) != 3 {
		t.Errorf("all of it: %s", got.Body)
	}
	if got := c.Do("GET", strings.Replace(base, "android", "toolbox/android", 1)+"?format=text", ""); got.Body != "com.x/com.x.Main 720x1280 settled\n"+
		`[1] Button "OK & <go>" (d) #ok clickable @60,40`+"\n" || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("text: %s", got.Body)
	}
	if left := p.left(); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// Ensure every way in which a device fails to tell its screen is told in time, and leaves nothing.
func TestDeviceThatDoesNotTell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, program string
		status        int
		want          string
	}{
		{"it never rests", "sleep 0.1; echo 'ERROR: could not get idle state.' >&2", 200, `"settled":false,"rotation":0,"width":720,"height":1280,"package":"com.x","activity":"com.x.Main","note":"the screen does not come to rest;`},
		{"it never rests, and then hangs", `once=${2%/*}/once; if [ -e "$once" ]; then exec sleep 60; fi; : >"$once"; echo 'ERROR: could not get idle state.' >&2`, 200,
			`"note":"the screen does not come to rest;`},
		{"it never ends", "sleep 60", 200, `"note":"the device did not describe its screen in time;`},
		{"its output never ends", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", 503, "does not describe its screen: xxx"},
		{"its dump never ends", `{ echo '<hierarchy rotation="0">'; head -c 9000000 /dev/zero; } >"$2"; echo "UI hierchary dumped to: $2"`, 503, "larger than 8388608 bytes"},
		{"it is off", "echo 'ERROR: null root node returned by UiTestAutomationBridge.' >&2", 200, `"note":"the screen shows no window (is it off?);`},
		{"another has it", "echo 'java.lang.IllegalStateException: UiAutomationService android.accessibilityservice.IAccessibilityServiceClient$Stub$Proxy@1already registered!' >&2; exit 1", 200, "another program has"},
		{"it has none", "exit 127", 501, "no uiautomator"},
		{"it says something else", "echo Aborted; exit 134", 503, "does not describe its screen"},
		{"it lies", `echo "UI hierchary dumped to: $2"`, 503, "wrote no description"},
		{"half of it", `echo '<hierarchy rotation="0"><node bounds="[0,0][1,1]"' >"$2"; echo "UI hierchary dumped to: $2"`, 503, "unexpected EOF"},
		{"another document", `echo '<!DOCTYPE x><html/>' >"$2"; echo "UI hierchary dumped to: $2"`, 503, "document type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, "")
			p.Program("uiautomator", tt.program)
			begun := time.Now()
			limit := "10000" // a busy machine takes its time for each program
			if strings.HasPrefix(tt.name, "it never ends") {
				limit = "2500"
			}
			got := p.serve(nil).Do("GET", base+"?timeoutMs="+limit, "")
			if got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			if left := p.left(); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Ensure a screen that began to move is told as it was, while the same is in front, and its age.
func TestLastTree(t *testing.T) {
	t.Parallel()
	p := newPhone(t, element("Button", "OK", "[0,0][10,10]", ""))
	c := p.serve(nil)
	c.Do("GET", base, "")
	p.Program("uiautomator", "echo 'ERROR: could not get idle state.' >&2")
	if got := c.Do("GET", base+"?timeoutMs=1500", ""); !strings.Contains(got.Body, `"settled":false`) || !strings.Contains(got.Body, `"ageMs":`) || !strings.Contains(got.Body, `"text":"OK"`) {
		t.Errorf("got %s", got.Body)
	}
	if got := c.Do("GET", base+"?timeoutMs=1500&format=text", ""); !strings.Contains(got.Body, "720x1280 not settled: the screen does not come to rest") || !strings.Contains(got.Body, `[1] Button`) &&
		!strings.Contains(got.Body, `TextView`) {
		t.Errorf("got %s", got.Body)
	}
	p.Program("dumpsys", "echo '  mCurrentFocus=Window{1a u0 com.y/com.y.Main}'")
	if got := c.Do("GET", base+"?timeoutMs=1500", ""); !strings.Contains(got.Body, `"package":"com.y"`) || !strings.HasSuffix(got.Body, `"root":null}`) {
		t.Errorf("got %s", got.Body)
	}
}

// Ensure requests that cannot be understood are refused before the device is asked.
func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	p := newPhone(t, "")
	c := p.serve(nil)
	const ok = `"selector":{"text":"OK"}`
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "?format=xml", "", `format is json or text, not \"xml\"`},
		{"GET", "?timeoutMs=soon", "", "timeoutMs is a number"},
		{"GET", "?timeoutMs=60001", "", "timeoutMs is from 1 to 60000"},
		{"POST", "/tap", `{}`, "selector is missing"},
		{"POST", "/tap", `{"selector":{}}`, "selector is empty"},
		{"POST", "/tap", `{"selector":{"txt":"OK"}}`, `unknown field \"txt\"`},
		{"POST", "/tap", `{` + ok + `,"x":1,"y":2}`, "at a selector, or at x and y"},
		{"POST", "/tap", `{"x":1}`, "at a selector, or at x and y"},
		{"POST", "/tap", `{"x":-1,"y":2}`, "x and y are from 0"},
		{"POST", "/tap", `{` + ok + `,"long":true,"double":true}`, "long or double, not both"},
		{"POST", "/tap", `{` + ok + `,"timeoutMs":0}`, "timeoutMs is from 1 to 60000"},
		{"POST", "/type", `{` + ok + `,"text":"na\u00efve"}`, "'ï' (U+00EF)"},
		{"POST", "/type", `{"selector":{},"text":"x"}`, "selector is empty"},
		{"POST", "/wait", `{` + ok + `,"state":"happy"}`, "state is visible, gone, enabled or checked"},
		{"POST", "/wait", `{"state":"gone"}`, "selector is missing"},
		{"POST", "/scroll", `{"direction":"in"}`, "direction is up, down, left or right"},
		{"POST", "/scroll", `{"max":0}`, "max is from 1 to 100"},
		{"POST", "/scroll", `{"until":{}}`, "until is empty"},
		{"POST", "/find", `{"selector":{"textMatches":"("}}`, "selector.textMatches: error parsing regexp"},
		{"POST", "/find", `[]`, "cannot unmarshal array"},
	} {
		if got := c.Do(tt.method, base+tt.path, tt.body); got.Status != 400 || !strings.Contains(got.Body, tt.want) {
			t.Errorf("%s %s: got %d %s, want %s", tt.path, tt.body, got.Status, got.Body, tt.want)
		}
	}
	if got := c.Do("POST", base+"/type", `{"text":"`+strings.Repeat("x", 64<<10+1)+`"}`); got.Status != 413 {
		t.Errorf("a long text: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", strings.Replace(base, "dev-1", "stopped", 1)+"/tap", `{`+ok+`}`); got.Status != 409 {
		t.Errorf("a stopped one: %d %s", got.Status, got.Body)
	}
	if got := p.Scripts(); got != nil {
		t.Errorf("the device was asked %q", got)
	}
}
