package ui

import (
	"strings"
	"testing"
)

// touchID taps the first view with this id and, if there is one, text.
func touchID(t *testing.T, p *Phone, id, text string) {
	t.Helper()
	v := p.Tree().Find(func(v *View) bool { return strings.HasSuffix(v.ID, ":id/"+id) && (text == "" || v.Text == text) })
	if v == nil {
		t.Fatalf("no %s %q on the screen", id, text)
	}
	at := v.Clip.Min.Add(v.Clip.Max).Div(2)
	p.Tap(at.X, at.Y)
}

func textsOf(p *Phone, id string) (texts []string) {
	for v := range p.Tree().All() {
		if strings.HasSuffix(v.ID, ":id/"+id) {
			texts = append(texts, v.Text)
		}
	}
	return texts
}

// Ensure the shop can be searched, scrolled and ordered from, and its answer comes later.
func TestShop(t *testing.T) {
	t.Parallel()
	s := newStore()
	p := New(s)
	if err := p.Open("com.example.shop/.MainActivity"); err != nil {
		t.Fatal(err)
	}
	if rows := textsOf(p, "name"); len(rows) < 5 || len(rows) > 10 || rows[0] != "Anvil 01" {
		t.Errorf("the rows are %q", rows)
	}
	p.Touch(Down, 360, 1000)
	p.Touch(Move, 360, 400)
	p.Touch(Up, 360, 400)
	if rows := textsOf(p, "name"); rows[0] == "Anvil 01" {
		t.Errorf("after a swipe the rows are %q", rows)
	}
	touchID(t, p, "search", "")
	p.Type("jar 1")
	if rows := textsOf(p, "name"); len(rows) != 1 || rows[0] != "Jar 10" {
		t.Errorf("found %q", rows)
	}
	p.Key(keyEnter, 0)
	touchID(t, p, "name", "Jar 10") // the row takes it
	touchID(t, p, "gift", "")
	touchID(t, p, "add", "")
	if v := p.Tree().Find(func(v *View) bool { return strings.HasSuffix(v.ID, ":id/gift") }); v == nil || !v.Checked {
		t.Errorf("the box is %+v", v)
	}
	touchID(t, p, "cart", "CART (1)")
	touchID(t, p, "order", "") // is disabled: nobody has said who
	if got := textsOf(p, "progress"); got != nil {
		t.Errorf("it orders for nobody: %q", got)
	}
	touchID(t, p, "code", "")
	p.Type("secret")
	if got := textsOf(p, "code"); got[0] != "••••••" {
		t.Errorf("the password shows as %q", got)
	}
	touchID(t, p, "person", "")
	p.Type("Ada")
	touchID(t, p, "order", "")
	if textsOf(p, "progress") == nil || textsOf(p, "result") != nil {
		t.Error("the result is there at once")
	}
	s.now = s.now.Add(orderTime)
	if got := textsOf(p, "result"); len(got) != 1 || got[0] != "Order placed for Ada: 1 of Jar 10" {
		t.Errorf("the result is %q", got)
	}
	for _, want := range []string{shopPackage, shopPackage, launcherPackage} { // the item, the list, and out
		p.Key(keyBack, 0)
		if got := p.Focused().Package; got != want {
			t.Errorf("back leads to %s, not %s", got, want)
		}
	}
	p.Stop(shopPackage)
	p.Open(shopPackage)
	if got := textsOf(p, "cart"); got[0] != "CART (0)" {
		t.Errorf("a shop that was stopped has %q", got)
	}
}

// Ensure only the animation never rests, and only while it is seen.
func TestRestless(t *testing.T) {
	t.Parallel()
	s := newStore()
	p := New(s)
	if p.Restless() {
		t.Error("the launcher moves")
	}
	p.Open("com.example.animation")
	before := p.Tree().Find(func(v *View) bool { return strings.HasSuffix(v.ID, ":id/ball") }).Bounds
	s.now = s.now.Add(animationFrame)
	if after := p.Tree().Find(func(v *View) bool { return strings.HasSuffix(v.ID, ":id/ball") }).Bounds; !p.Restless() || after == before {
		t.Error("the animation rests")
	}
	touchID(t, p, "tap", "")
	if got := textsOf(p, "tap"); got[0] != "TAPPED 1 TIMES" {
		t.Errorf("tapped %q", got)
	}
	p.Key(keySleep, 0)
	if p.Restless() {
		t.Error("it moves in its sleep")
	}
}
