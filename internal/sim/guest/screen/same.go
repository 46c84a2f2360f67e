package screen

import "github.com/daytonaio/runner-android/internal/sim/guest/ui"

// Same reports whether two trees are painted alike, which is much cheaper to find out than painting them.
func Same(a, b *ui.View) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Bounds != b.Bounds || a.Clip != b.Clip || a.Look != b.Look || a.Text != b.Text || a.Checked != b.Checked || len(a.Children) != len(b.Children) {
		return false
	}
	for i := range a.Children {
		if !Same(a.Children[i], b.Children[i]) {
			return false
		}
	}
	return true
}
