package ui_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Ensure an act waits until its element is there, enabled, uncovered and at rest, is done once, and says so.
func TestTap(t *testing.T) {
	t.Parallel()
	const here = "[0,0][100,40]"
	ok := element("Button", "OK", here, `clickable="true"`)
	for _, tt := range []struct {
		name, body string
		screens    []string
		status     int
		want, acts string
	}{
		{"at once", `{"selector":{"text":"OK"}}`, []string{ok}, 200, `{"did":"tap","at":{"x":50,"y":20},"element":{"id":"0.0",`, "tap 50 20"},
		{"when it comes", `{"selector":{"text":"OK"}}`, []string{"", "", ok}, 200, `"matched":1,"settled":true,"waitedMs":`, "tap 50 20"},
		{"when it rests", `{"selector":{"text":"OK"}}`, []string{element("Button", "OK", "[0,80][100,120]", ""), element("Button", "OK", "[0,40][100,80]", ""), ok}, 200, `"did":"tap"`, "tap 50 20"},
		{"when it is enabled", `{"selector":{"text":"OK"}}`, []string{element("Button", "OK", here, `enabled="false"`), ok}, 200, `"did":"tap"`, "tap 50 20"},
		{"when nothing is in front", `{"selector":{"text":"OK"}}`, []string{ok + element("View", "", "[0,0][720,1280]", `clickable="true"`), ok}, 200, `"did":"tap"`, "tap 50 20"},
		{"a disabled one, if asked", `{"selector":{"text":"OK","enabled":false}}`, []string{element("Button", "OK", here, `enabled="false"`)}, 200, `"did":"tap"`, "tap 50 20"},
		{"long", `{"selector":{"text":"OK"},"long":true}`, []string{ok}, 200, `{"did":"longTap"`, "swipe 50 20 50 20 600"},
		{"double", `{"selector":{"text":"OK"},"double":true}`, []string{ok}, 200, `{"did":"doubleTap"`, "tap 50 20; tap 50 20"},
		{"the first of two", `{"selector":{"text":"OK"}}`, []string{ok + element("Button", "OK", "[0,40][100,80]", "")}, 200, `"matched":2`, "tap 50 20"},
		{"the second of two", `{"selector":{"text":"OK","index":1}}`, []string{ok + element("Button", "OK", "[0,40][100,80]", "")}, 200, `"matched":2`, "tap 50 60"},
		{"a point", `{"x":3,"y":4}`, []string{""}, 200, `{"did":"tap","at":{"x":3,"y":4},"matched":0,"settled":false,`, "tap 3 4"},
		{"what is not there", `{"selector":{"text":"O.K."},"timeoutMs":2500}`, []string{ok + element("TextView", "other", "[0,90][9,99]", "")}, 404,
			`not found: {\"text\":\"O.K.\"} is not on the screen, after 2.5s of waiting; in front is com.x, which shows \"OK\", \"other\"`, ""},
		{"what stays disabled", `{"selector":{"text":"OK"},"timeoutMs":2500}`, []string{element("Button", "OK", here, `enabled="false"`)}, 408, "it is disabled", ""},
		{"what stays covered", `{"selector":{"text":"OK"},"timeoutMs":2500}`, []string{ok + element("View", "", "[0,0][720,1280]", `clickable="true"`)}, 408, "something is in front of it", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, tt.screens...)
			got := p.serve(nil).Do("POST", base+"/tap", tt.body)
			if got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if acts := p.acts(); acts != tt.acts {
				t.Errorf("did %q, want %q", acts, tt.acts)
			}
		})
	}
}

// Ensure the look before may be another request's, but not one from before an act.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	p := newPhone(t, element("Button", "OK", "[0,0][100,40]", `clickable="true"`))
	c := p.serve(nil)
	before := 0
	looks := func() int {
		now, err := strconv.Atoi(strings.TrimSpace(p.read("looks")))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { before = now }()
		return now - before
	}
	for _, tt := range []struct {
		path string
		want int
	}{{"/wait", 2}, {"/wait", 1}, {"/tap", 1}, {"/tap", 2}, {"/find", 2}} {
		if got := c.Do("POST", base+tt.path, `{"selector":{"text":"OK"}}`); got.Status != 200 {
			t.Errorf("%s: %d %s", tt.path, got.Status, got.Body)
		}
		if got := looks(); got != tt.want {
			t.Errorf("%s looked %d times, want %d", tt.path, got, tt.want)
		}
	}
}

// Ensure text goes where it should: the element gets the focus first, and is emptied if asked.
func TestType(t *testing.T) {
	t.Parallel()
	field := func(text, more string) string {
		return element("EditText", text, "[0,0][100,40]", `resource-id="com.x:id/name" clickable="true" `+more)
	}
	const focus = `focused="true"`
	for _, tt := range []struct {
		name, body string
		screens    []string
		status     int
		want, acts string
	}{
		{"into a field", `{"selector":{"resourceId":"name"},"text":"a b"}`, []string{field("", ""), field("", ""), field("", focus)}, 200, `{"did":"type","at":{"x":50,"y":20},"element":{"id":"0.0"`, "tap 50 20; text a%sb"},
		{"into one whose text was looked for", `{"selector":{"text":"Name"},"text":"x"}`, []string{field("Name", ""), field("Name", ""), field("", focus)}, 200, `"matched":1`, "tap 50 20; text x"},
		{"into one that has the focus", `{"selector":{"resourceId":"name"},"text":"x","submit":true}`, []string{field("", focus)}, 200, `"did":"type"`, "text x; keyevent 66"},
		{"into whatever has it", `{"text":"x"}`, []string{"", field("", focus)}, 200, `"matched":1`, "text x"},
		{"in place of what is there", `{"selector":{"resourceId":"name"},"text":"x","clear":true}`, []string{field("old", focus)}, 200, `"did":"type"`, "keycombination 113 29; keyevent 67; text x"},
		{"nothing, in place of nothing", `{"selector":{"resourceId":"name"},"text":"","clear":true}`, []string{field("", focus)}, 200, `"did":"type"`, ""},
		{"into what gets no focus", `{"selector":{"resourceId":"name"},"text":"x","timeoutMs":2000}`, []string{field("", "")}, 408, "a tap gave it no focus", "tap 50 20"},
		{"into nothing", `{"text":"x","timeoutMs":2500}`, []string{field("", "")}, 404, "an element that has the focus is not on the screen", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, tt.screens...)
			got := p.serve(nil).Do("POST", base+"/type", tt.body)
			if got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if acts := p.acts(); acts != tt.acts {
				t.Errorf("did %q, want %q", acts, tt.acts)
			}
		})
	}
	old := newPhone(t, field("old", focus))
	old.Program("input", `[[ $1 != keycombination ]] || { echo "Error: Unknown command: keycombination" >&2; exit 1; }`)
	got := old.serve(nil).Do("POST", base+"/type", `{"selector":{"resourceId":"name"},"text":"x","clear":true}`)
	if acts := old.acts(); got.Status != 200 || acts != "keycombination 113 29; keyevent 67 67 67 112 112 112; text x" {
		t.Errorf("Android 10: %d %s: %q", got.Status, got.Body, acts)
	}
	refusing := newPhone(t, field("", focus))
	refusing.Program("input", "echo 'Exception occurred while executing'; exit 255")
	if got := refusing.serve(nil).Do("POST", base+"/type", `{"text":"x"}`); got.Status != 422 || strings.Contains(got.Body, "text x") {
		t.Errorf("a device that refuses: %d %s", got.Status, got.Body)
	}
}

// Ensure states are waited for, and it is said which was not reached.
func TestWait(t *testing.T) {
	t.Parallel()
	box := func(more string) string { return element("CheckBox", "box", "[0,0][10,10]", more) }
	for _, tt := range []struct {
		name, body string
		screens    []string
		status     int
		want       string
	}{
		{"visible", `{"selector":{"text":"box"}}`, []string{"", box("")}, 200, `{"did":"wait","element":{"id":"0.0"`},
		{"gone", `{"selector":{"text":"box"},"state":"gone"}`, []string{box(""), ""}, 200, `{"did":"wait","matched":0,"settled":true`},
		{"gone for a moment", `{"selector":{"text":"box"},"state":"gone","timeoutMs":2500}`, []string{"", box("")}, 408, "it has not gone"},
		{"enabled", `{"selector":{"text":"box"},"state":"enabled"}`, []string{box(`enabled="false"`), box("")}, 200, `"enabled":true`},
		{"checked", `{"selector":{"text":"box"},"state":"checked"}`, []string{box(""), box(`checked="true"`)}, 200, `"checked":true`},
		{"never checked", `{"selector":{"text":"box"},"state":"checked","timeoutMs":2500}`, []string{box("")}, 408, "it is not checked"},
		{"never there", `{"selector":{"text":"box"},"timeoutMs":2500}`, []string{""}, 404, "in front is com.x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, tt.screens...)
			if got := p.serve(nil).Do("POST", base+"/wait", tt.body); got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if acts := p.acts(); acts != "" {
				t.Errorf("did %q", acts)
			}
		})
	}
}

// Ensure a list is scrolled until what is looked for is there, or its end.
func TestScroll(t *testing.T) {
	t.Parallel()
	list := func(row string) string {
		return `<node class="a.List" package="com.x" scrollable="true" bounds="[0,100][720,1100]">` + element("TextView", row, "[0,200][720,300]", "") + `</node>`
	}
	const swipe = "swipe 360 820 360 380 600"
	for _, tt := range []struct {
		name, body string
		screens    []string
		status     int
		want, acts string
	}{
		{"until it is there", `{"until":{"text":"c"}}`, []string{list("a"), list("a"), list("b"), list("c")}, 200, `"text":"c"`, swipe + "; " + swipe},
		{"once", `{}`, []string{list("a"), list("a"), list("b")}, 200, `"scrolls":1,"end":false`, swipe},
		{"not when it is there", `{"until":{"text":"a"}}`, []string{list("a")}, 200, `"scrolls":0,"end":false`, ""},
		{"to the end", `{"max":9}`, []string{list("a"), list("a"), list("b")}, 200, `"scrolls":1,"end":true`, swipe + "; " + swipe},
		{"in vain", `{"until":{"text":"z"}}`, []string{list("a"), list("a"), list("b")}, 404, "did not come up in 1 scrolls down; the end was reached", swipe + "; " + swipe},
		{"not far enough", `{"until":{"text":"z"},"max":1}`, []string{list("a"), list("a"), list("b")}, 404, "there may be more", swipe},
		{"up, in what is named", `{"selector":{"class":"List"},"direction":"Up"}`, []string{list("a"), list("a"), list("b")}, 200, `{"did":"scroll"`, "swipe 360 380 360 820 600"},
		{"left", `{"direction":"left"}`, []string{list("a"), list("a"), list("b")}, 200, `{"did":"scroll"`, "swipe 202 600 518 600 600"},
		{"right", `{"direction":"right"}`, []string{list("a"), list("a"), list("b")}, 200, `{"did":"scroll"`, "swipe 518 600 202 600 600"},
		{"nothing that scrolls", `{"timeoutMs":2500}`, []string{""}, 404, "something that scrolls is not on the screen", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, tt.screens...)
			if got := p.serve(nil).Do("POST", base+"/scroll", tt.body); got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if acts := p.acts(); acts != tt.acts {
				t.Errorf("did %q, want %q", acts, tt.acts)
			}
		})
	}
}

// Ensure find tells all that matches.
func TestFind(t *testing.T) {
	t.Parallel()
	p := newPhone(t, strings.Repeat(element("TextView", "row", "[0,0][10,10]", ""), 150))
	got := p.serve(nil).Do("POST", base+"/find", `{"selector":{"text":"row"}}`)
	if got.Status != 200 || got.Field(t, "matched") != "150" || strings.Count(got.Body, `"id"`) != 100 || got.Field(t, "activity") != "com.x.Main" {
		t.Errorf("got %d %.300s", got.Status, got.Body)
	}
}

// Ensure waiting ends when the device leaves started.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	p := newPhone(t, "")
	c := p.serve(left)
	time.AfterFunc(300*time.Millisecond, func() { close(left) })
	if got := c.Do("POST", base+"/tap", `{"selector":{"text":"OK"}}`); got.Status != 409 || !strings.Contains(got.Body, "left started") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure nobody looks or acts out of turn.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	p := newPhone(t, element("Button", "OK", "[0,0][100,40]", ""))
	p.Program("uiautomator", "mkdir '"+p.Dir()+"/busy' || exit 9\n"+
		"sleep 0.05; cat '"+p.Dir()+"/screen' >\"$2\"; rmdir '"+p.Dir()+"/busy'; echo \"UI hierchary dumped to: $2\"")
	c := p.serve(nil)
	var all sync.WaitGroup
	for _, act := range []string{`{"selector":{"text":"OK"}}`, `{"selector":{"text":"OK"},"long":true}`, `{"x":1,"y":1}`} {
		all.Go(func() {
			if got, err := c.Try("POST", base+"/tap", strings.NewReader(act)); err != nil || got.Status != 200 {
				t.Errorf("%s: %d %s %v", act, got.Status, got.Body, err)
			}
		})
	}
	all.Wait()
	acts := strings.Split(p.acts(), "; ")
	slices.Sort(acts)
	if got := strings.Join(acts, "; "); got != "swipe 50 20 50 20 600; tap 1 1; tap 50 20" {
		t.Errorf("did %s", got)
	}
}
