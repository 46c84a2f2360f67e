package tree

import "image"

const (
	// maxScan and maxCovers bound what is looked at to find one tap point: a screen of a hostile app may have
	// twenty thousand elements on top of each other.
	maxScan, maxCovers = 2000, 200
	// maxPieces bounds into how many rectangles the uncovered part is cut.
	maxPieces = 32
)

// place finds out what is seen of each node and where to touch it.
func (t *Tree) place() {
	var catching []*Node // in the order of the dump, which is also that of drawing
	for n := range t.All() {
		n.visible = n.Bounds
		if n.Parent != nil {
			n.visible = n.Bounds.Intersect(n.Parent.visible)
		}
		if n.visible.Empty() {
			n.visible = image.Rectangle{}
		} else if n.catches() {
			catching = append(catching, n)
		}
	}
	next := 0
	for n := range t.All() {
		for next < len(catching) && catching[next].order <= n.order {
			next++
		}
		n.Tap = n.tapPoint(catching[next:])
	}
}

// catches reports whether touches end at the element. What only shows something lets them through.
func (n *Node) catches() bool {
	return n.Clickable || n.LongClickable || n.Checkable
}

// tapPoint is in the middle of the largest part that none of the later ones takes. What is below the element
// itself only counts while it leaves something: a button that is filled by its own clickable icon is tapped
// there.
func (n *Node) tapPoint(later []*Node) *image.Point {
	if n.visible.Empty() {
		return nil
	}
	free := []image.Rectangle{n.visible}
	own := make([]image.Rectangle, 0, 8)
	covers := 0
	for i, other := range later {
		if i == maxScan || covers == maxCovers {
			break
		}
		if !other.visible.Overlaps(n.visible) {
			continue
		}
		covers++
		if other.order <= n.last {
			own = append(own, other.visible)
			continue
		}
		if free = subtract(free, other.visible); len(free) == 0 {
			return nil
		}
	}
	for _, r := range own {
		left := subtract(free, r)
		if len(left) == 0 {
			break
		}
		free = left
	}
	best := free[0]
	for _, r := range free[1:] {
		if r.Dx()*r.Dy() > best.Dx()*best.Dy() {
			best = r
		}
	}
	at := best.Min.Add(best.Max).Div(2)
	return &at
}

// subtract cuts hole out of rectangles.
func subtract(from []image.Rectangle, hole image.Rectangle) []image.Rectangle {
	left := make([]image.Rectangle, 0, len(from)+3)
	for _, r := range from {
		in := r.Intersect(hole)
		if in.Empty() {
			left = append(left, r)
			continue
		}
		for _, part := range []image.Rectangle{
			image.Rect(r.Min.X, r.Min.Y, r.Max.X, in.Min.Y), image.Rect(r.Min.X, in.Max.Y, r.Max.X, r.Max.Y),
			image.Rect(r.Min.X, in.Min.Y, in.Min.X, in.Max.Y), image.Rect(in.Max.X, in.Min.Y, r.Max.X, in.Max.Y),
		} {
			if !part.Empty() && len(left) < maxPieces {
				left = append(left, part)
			}
		}
	}
	return left
}
