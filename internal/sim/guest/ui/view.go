package ui

import (
	"image"
	"image/color"
	"iter"
)

// View is one element of the screen. A tree that was handed out is not changed any more.
type View struct {
	Class       string // android.widget.Button
	Package     string
	ID          string // com.android.settings:id/title, or ""
	Text        string
	Description string          // content-desc
	Bounds      image.Rectangle // in pixels of the display as it is turned
	Clip        image.Rectangle // what of it may be seen

	Clickable, LongClickable   bool
	Focusable, Focused         bool
	Checkable, Checked         bool
	Scrollable, Selected       bool
	Password, Disabled, Hidden bool // Hidden: painted, but no part of the accessibility tree
	Look                       Look
	Children                   []*View

	tap  func()
	long func()
	drag func(dx, dy int) // a finger moved so far
}

// Look is how a view is painted; the zero value paints nothing but its children.
type Look struct {
	Fill    color.RGBA // background; transparent means none
	Round   int        // radius of the background's corners
	Ink     color.RGBA // of the text
	Size    int        // of the text, in pixels
	Center  bool       // the text stands in the middle
	Wrap    bool       // the text goes on in further lines
	Caret   int        // position of the caret in the text, in runes, plus 1; 0 is none
	Marked  bool       // the whole text is selected
	Padding int
	Switch  bool // a switch that shows Checked
}

// All yields the view and everything below it, parents first.
func (v *View) All() iter.Seq[*View] {
	return func(yield func(*View) bool) { v.walk(yield) }
}

func (v *View) walk(yield func(*View) bool) bool {
	if !yield(v) {
		return false
	}
	for _, child := range v.Children {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}

// Find is the first view that is wanted, nil if there is none.
func (v *View) Find(wanted func(*View) bool) *View {
	for found := range v.All() {
		if wanted(found) {
			return found
		}
	}
	return nil
}

// at is the topmost view at a point that reacts as wanted.
func (v *View) at(p image.Point, wanted func(*View) bool) *View {
	for i := len(v.Children) - 1; i >= 0; i-- {
		if hit := v.Children[i].at(p, wanted); hit != nil {
			return hit
		}
	}
	if p.In(v.Bounds) && p.In(v.Clip) && wanted(v) {
		return v
	}
	return nil
}

// clip bounds a tree by what its parents show.
func (v *View) clip(to image.Rectangle) {
	v.Clip = v.Bounds.Intersect(to)
	for _, child := range v.Children {
		child.clip(v.Clip)
	}
}
