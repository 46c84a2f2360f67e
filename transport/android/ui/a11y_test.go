package ui_test

import (
	"strings"
	"testing"
)

const a11y = "/sandboxes/dev-1/toolbox/computeruse/a11y"

// Ensure Daytona's accessibility routes tell the same screen in Daytona's words.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	p := newPhone(t, element("Button", "Save", "[0,0][100,40]", `resource-id="com.x:id/save" clickable="true" long-clickable="true"`)+
		element("EditText", "old", "[0,40][100,80]", `clickable="true"`)+element("TextView", "save me", "[0,80][100,120]", `enabled="false"`))
	p.Program("pidof", "[[ $1 = com.x ]] && echo 77 78")
	c := p.serve(nil)
	node := func(query string) string {
		t.Helper()
		got := c.Do("POST", a11y+"/find", query)
		_, id, _ := strings.Cut(got.Body, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		if got.Status != 200 || id == "" {
			t.Fatalf("%s: %d %s", query, got.Status, got.Body)
		}
		return id
	}
	save, field, label := node(`{"role":"button"}`), node(`{"name":"old","nameMatch":"exact"}`), node(`{"name":"^save me$","nameMatch":"regex"}`)
	if !strings.HasPrefix(save, "0.0-") {
		t.Errorf("the id is %s", save)
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want, acts               string
	}{
		{"the tree", "GET", "/tree", "", 200, `{"id":"` + save + `","role":"Button","name":"Save","description":"com.x:id/save","bounds":{"x":0,"y":0,"width":100,"height":40},` +
			`"states":["clickable","enabled","long-clickable"],"actions":["click","longClick"]}`, ""},
		{"its root", "GET", "/tree?maxDepth=0", "", 200, `"truncated":true`, ""},
		{"all windows", "GET", "/tree?scope=all", "", 200, `"truncated":false`, ""},
		{"of a process", "GET", "/tree?scope=pid&pid=78", "", 200, `"name":"Save"`, ""},
		{"of another", "GET", "/tree?scope=pid&pid=7", "", 404, `"code":"A11Y_NO_ACCESSIBLE_ROOT"`, ""},
		{"of none", "GET", "/tree?scope=pid", "", 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"a scope", "GET", "/tree?scope=x", "", 400, `"code":"A11Y_INVALID_SCOPE"`, ""},
		{"a depth", "GET", "/tree?maxDepth=x", "", 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"any case", "POST", "/find", `{"name":"SAVE","limit":1}`, 200, `"truncated":true`, ""},
		{"states", "POST", "/find", `{"states":["enabled","clickable"],"role":"EditText"}`, 200, `"matches":[{"id":"` + field, ""},
		{"nothing", "POST", "/find", `{"name":"nope"}`, 200, `{"matches":[],"truncated":false}`, ""},
		{"a pattern", "POST", "/find", `{"name":"(","nameMatch":"regex"}`, 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"a limit", "POST", "/find", `{"limit":5001}`, 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"no body", "POST", "/find", ``, 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"a click", "POST", "/node/invoke", `{"id":"` + save + `"}`, 200, `{}`, "tap 50 20"},
		{"a long one", "POST", "/node/invoke", `{"id":"` + save + `","action":"longClick"}`, 200, `{}`, "swipe 50 20 50 20 600"},
		{"a scroll", "POST", "/node/invoke", `{"id":"` + save + `","action":"scroll"}`, 400, `"code":"A11Y_ACTION_NOT_SUPPORTED"`, ""},
		{"what does nothing", "POST", "/node/invoke", `{"id":"` + label + `"}`, 400, `"code":"A11Y_ACTION_NOT_SUPPORTED"`, ""},
		{"what has gone", "POST", "/node/invoke", `{"id":"0.0-00000000"}`, 404, `"code":"A11Y_NODE_NOT_FOUND"`, ""},
		{"nothing named", "POST", "/node/invoke", `{}`, 400, `"code":"A11Y_INVALID_REQUEST"`, ""},
		{"the focus", "POST", "/node/focus", `{"id":"` + field + `"}`, 200, `{}`, "tap 50 60"},
		{"the focus of a button", "POST", "/node/focus", `{"id":"` + save + `"}`, 400, `"code":"A11Y_ACTION_NOT_SUPPORTED"`, ""},
		{"a value", "POST", "/node/value", `{"id":"` + field + `","value":"new"}`, 200, `{}`, "tap 50 60; keycombination 113 29; keyevent 67; text new"},
		{"a value of a button", "POST", "/node/value", `{"id":"` + save + `","value":"new"}`, 400, `"code":"A11Y_ACTION_NOT_SUPPORTED"`, ""},
		{"a value that cannot be typed", "POST", "/node/value", `{"id":"` + field + `","value":"é"}`, 400, `(U+00E9)`, ""},
	} {
		p.acts()
		if got := c.Do(tt.method, a11y+tt.path, tt.body); got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, got.Status, got.Body, tt.status, tt.want)
		}
		if acts := p.acts(); acts != tt.acts {
			t.Errorf("%s: did %q, want %q", tt.name, acts, tt.acts)
		}
	}
	if got := c.Do("GET", strings.Replace(a11y, "dev-1", "stopped", 1)+"/tree", ""); got.Status != 409 {
		t.Errorf("a stopped one: %d %s", got.Status, got.Body)
	}
}
