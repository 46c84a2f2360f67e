package tree

import (
	"image"
	"iter"
	"strings"
)

// Tree is one dump.
type Tree struct {
	Rotation int // quarter turns
	Root     *Node
	Size     int // how many nodes there are
}

// Node is one element of the screen.
type Node struct {
	ID          string
	Class       string // android.widget.Button
	Package     string
	Text        string // that of a password field is masked by Android
	Description string
	ResourceID  string // com.example:id/name
	Bounds      image.Rectangle
	Tap         *image.Point // nil: nothing of it can be touched

	Clickable, LongClickable, Checkable, Checked, Enabled, Focusable, Focused, Scrollable, Selected, Password bool

	Parent   *Node
	Children []*Node

	order, last int             // place in the order of the dump, and that of the last node below
	visible     image.Rectangle // what of the bounds lies within those of all above
}

// All yields the nodes in the order of the dump: parents first. A tree without root has none.
func (t *Tree) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if t.Root != nil {
			t.Root.walk(yield)
		}
	}
}

// All yields the node and all below it, parents first.
func (n *Node) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { n.walk(yield) }
}

func (n *Node) walk(yield func(*Node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, child := range n.Children {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}

// Visible is what of the element is within the screen and everything around it; empty when nothing is.
func (n *Node) Visible() image.Rectangle { return n.visible }

// Inside tells of nodes that it is given in the order of the dump whether they are below one of outer, which are
// in that order too.
func Inside(outer []*Node) func(*Node) bool {
	next, last := 0, -1
	return func(n *Node) bool {
		for ; next < len(outer) && outer[next].order < n.order; next++ {
			last = max(last, outer[next].last)
		}
		return n.order <= last
	}
}

// Role is the last part of the class: Button.
func (n *Node) Role() string { return n.Class[strings.LastIndexAny(n.Class, ".$")+1:] }

// Label is what a person reads there: the text, or else the description.
func (n *Node) Label() string {
	if n.Text != "" {
		return n.Text
	}
	return n.Description
}

// Name is the part of the resource id behind ":id/", or all of it.
func (n *Node) Name() string {
	if _, name, found := strings.Cut(n.ResourceID, ":id/"); found {
		return name
	}
	return n.ResourceID
}

// Same reports whether two trees show the same: every element with the same properties in the same place.
func Same(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if !alike(a, b) || len(a.Children) != len(b.Children) {
		return false
	}
	for i := range a.Children {
		if !Same(a.Children[i], b.Children[i]) {
			return false
		}
	}
	return true
}

// alike compares two elements without what is below them.
func alike(a, b *Node) bool {
	return a.Class == b.Class && a.Package == b.Package && a.Text == b.Text && a.Description == b.Description &&
		a.ResourceID == b.ResourceID && a.Bounds == b.Bounds && a.flags() == b.flags()
}

func (n *Node) flags() [10]bool {
	return [10]bool{
		n.Clickable, n.LongClickable, n.Checkable, n.Checked, n.Enabled, n.Focusable, n.Focused, n.Scrollable, n.Selected, n.Password,
	}
}
