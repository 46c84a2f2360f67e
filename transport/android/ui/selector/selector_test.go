package selector_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/ui/selector"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

const screen = `<hierarchy rotation="0"><node class="a.Frame" package="com.x" bounds="[0,0][100,100]">
<node class="a.List" resource-id="com.x:id/first" bounds="[0,0][100,50]">
<node class="android.widget.Button" text="OK" resource-id="com.x:id/ok" clickable="true" bounds="[0,0][50,50]"/>
<node class="android.widget.Button" text="ok" content-desc="A description" clickable="true" enabled="false" bounds="[50,0][100,50]"/>
</node>
<node class="a.List" resource-id="com.x:id/second" bounds="[0,50][100,100]">
<node class="android.widget.Button" text="OK" clickable="true" checkable="true" checked="true" bounds="[0,50][50,100]"/>
<node class="android.widget.TextView" text="" bounds="[50,50][100,100]"/>
</node>
<node class="android.widget.Button" text="OK" bounds="[0,200][50,250]"/>
</node></hierarchy>`

func compile(t *testing.T, text string) (*selector.Matcher, error) {
	t.Helper()
	var s selector.Selector
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, err
	}
	return s.Compile("selector")
}

// Ensure all that a selector names must hold, and matches come in order.
func TestFind(t *testing.T) {
	t.Parallel()
	shown, err := tree.Parse([]byte(screen))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		selector, want string
		matched        int
	}{
		{`{"text":"OK"}`, "0.0.0 0.1.0", 2},
		{`{"text":"OK","index":1}`, "0.1.0", 2},
		{`{"text":"OK","index":2}`, "", 2},
		{`{"text":""}`, "0 0.0 0.1 0.1.1", 4},
		{`{"text":"","class":"TextView"}`, "0.1.1", 1},
		{`{"textContains":"k"}`, "0.0.1", 1},
		{`{"textMatches":"(?i)^ok$"}`, "0.0.0 0.0.1 0.1.0", 3},
		{`{"description":"A description"}`, "0.0.1", 1},
		{`{"descriptionContains":"desc"}`, "0.0.1", 1},
		{`{"descriptionMatches":"^A .*n$"}`, "0.0.1", 1},
		{`{"resourceId":"ok"}`, "0.0.0", 1},
		{`{"resourceId":"com.x:id/ok"}`, "0.0.0", 1},
		{`{"resourceId":"com.y:id/ok"}`, "", 0},
		{`{"class":"android.widget.Button"}`, "0.0.0 0.0.1 0.1.0", 3},
		{`{"class":"widget.Button"}`, "", 0},
		{`{"package":"com.x"}`, "0", 1},
		{`{"clickable":true,"enabled":true}`, "0.0.0 0.1.0", 2},
		{`{"checked":true}`, "0.1.0", 1},
		{`{"clickable":false,"class":"Button"}`, "", 0},
		{`{"text":"OK","within":{"resourceId":"second"}}`, "0.1.0", 1},
		{`{"text":"OK","within":{"class":"List","index":0}}`, "0.0.0", 1},
		{`{"within":{"class":"List"}}`, "0.0.0 0.0.1 0.1.0 0.1.1", 4},
		{`{"text":"OK","within":{"text":"nope"}}`, "", 0},
		{`{"within":{"class":"TextView"}}`, "", 0},
		{`{"text":null,"class":"TextView"}`, "0.1.1", 1},
	} {
		m, err := compile(t, tt.selector)
		if err != nil {
			t.Errorf("%s: %v", tt.selector, err)
			continue
		}
		nodes, matched := m.Find(shown)
		var ids []string
		for _, n := range nodes {
			ids = append(ids, n.ID)
		}
		if got := strings.Join(ids, " "); got != tt.want || matched != tt.matched {
			t.Errorf("%s: %q of %d, want %q of %d", tt.selector, got, matched, tt.want, tt.matched)
		}
	}
}

// Ensure a selector that says nothing, or something that is not understood, is refused by name.
func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                        "selector is empty",
		`{"index":0}`:               "selector is empty",
		`{"within":{}}`:             "selector.within is empty",
		`{"txt":"OK"}`:              `unknown field "txt"`,
		`{"within":{"txt":"OK"}}`:   `unknown field "txt"`,
		`{"text":1}`:                "selector: ",
		`"OK"`:                      "selector: ",
		`{"textMatches":"("}`:       "selector.textMatches: error parsing regexp",
		`{"textMatches":"(?<=a)b"}`: "selector.textMatches: error parsing regexp",
		`{"textContains":""}`:       "selector.textContains is empty",
		`{"resourceId":""}`:         "selector.resourceId is empty",
		`{"text":"OK","index":-1}`:  "selector.index",
		`{"text":"` + strings.Repeat("x", 5000) + `"}`:                            "selector.text is too long",
		`{"textMatches":"` + strings.Repeat("x", 1001) + `"}`:                     "selector.textMatches is too long",
		strings.Repeat(`{"within":`, 9) + `{"text":"x"}` + strings.Repeat(`}`, 9): "at most 8 selectors",
	} {
		_, err := compile(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) && !strings.HasPrefix(err.Error(), "selector: ") {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

// Ensure a selector is said as it was sent.
func TestString(t *testing.T) {
	t.Parallel()
	const text = `{"text":"OK","enabled":false,"within":{"class":"List","index":2}}`
	m, err := compile(t, text)
	if err != nil || m.String() != text || !m.Disabled() || len(m.Words()) != 1 {
		t.Errorf("%v %v", m, err)
	}
}
