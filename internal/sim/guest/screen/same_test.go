package screen

import (
	"bytes"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Ensure trees are the same exactly when their pictures are.
func TestSame(t *testing.T) {
	t.Parallel()
	p := ui.New(&memory{})
	last, picture := p.Tree(), pixels(p)
	for _, do := range []func(){
		func() {}, func() { p.Open("com.android.settings") }, func() { p.Tap(360, 400) }, func() {}, func() { p.Key(3, 0) },
		func() { p.Open("com.example.notes") }, func() { p.Tap(360, 400) }, func() { p.Type("a") }, func() { p.Key(21, 0) }, func() { p.Key(26, 0) },
	} {
		do()
		tree, now := p.Tree(), pixels(p)
		if alike := bytes.Equal(now.Pix, picture.Pix); Same(last, tree) != alike {
			t.Errorf("the trees are the same: %t; the pictures: %t", !alike, alike)
		}
		last, picture = tree, now
	}
	if Same(nil, last) || Same(last, nil) || !Same(nil, nil) {
		t.Error("nothing is the same as something")
	}
}

func BenchmarkSame(b *testing.B) {
	p := ui.New(&memory{})
	if err := p.Open("com.android.settings"); err != nil {
		b.Fatal(err)
	}
	tree := p.Tree()
	for b.Loop() {
		Same(tree, p.Tree())
	}
}
