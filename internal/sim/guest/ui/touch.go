package ui

import (
	"image"
	"time"
)

// Action is what a finger does.
type Action int

// The actions of a finger.
const (
	Down Action = iota
	Move
	Up
	Cancel
)

// touch is a finger on the screen.
type touch struct {
	down    bool
	start   image.Point
	last    image.Point
	since   time.Time
	moved   bool
	dragged *View
}

const (
	// slop is how far a finger may move, in dp, for a tap.
	slop = 8
	// longPress is how long a finger must rest, as ViewConfiguration has it (400 ms since Android 12).
	longPress = 400 * time.Millisecond
)

// Touch is a finger at (x, y), in pixels of the display as it is turned.
func (p *Phone) Touch(a Action, x, y int) {
	size, density := p.Size(), p.Density()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asleep {
		p.touch = touch{}
		return
	}
	at := image.Pt(x, y)
	switch a {
	case Down:
		p.touch = touch{down: true, start: at, last: at, since: p.store.Now()}
		p.touch.dragged = p.tree(size, density).at(at, func(v *View) bool { return v.drag != nil })
	case Move:
		p.finger(at, density)
	case Up:
		if !p.touch.down {
			return
		}
		p.finger(at, density)
		t := p.touch
		p.touch = touch{}
		if t.moved {
			return
		}
		p.tapped(p.tree(size, density), t.start, p.store.Now().Sub(t.since) >= longPress)
	case Cancel:
		p.touch = touch{}
	}
}

// finger follows the finger: what is below it scrolls along.
func (p *Phone) finger(to image.Point, density int) {
	if !p.touch.down {
		return
	}
	far := to.Sub(p.touch.start)
	limit := slop * density / 160
	if far.X*far.X+far.Y*far.Y > limit*limit {
		p.touch.moved = true
	}
	if by := to.Sub(p.touch.last); p.touch.moved && p.touch.dragged != nil {
		p.touch.dragged.drag(by.X, by.Y)
	}
	if p.touch.moved {
		p.touch.last = to
	}
}

func (p *Phone) tapped(root *View, at image.Point, long bool) {
	if long {
		if v := root.at(at, func(v *View) bool { return v.long != nil }); v != nil {
			v.long()
			return
		}
	}
	if v := root.at(at, func(v *View) bool { return v.tap != nil }); v != nil {
		v.tap()
	}
}

// Tap is a finger down and up at once.
func (p *Phone) Tap(x, y int) {
	p.Touch(Down, x, y)
	p.Touch(Up, x, y)
}

// Scroll is a mouse wheel at (x, y): v steps up (or down, if negative).
func (p *Phone) Scroll(x, y int, v float64) {
	size, density := p.Size(), p.Density()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asleep {
		return
	}
	if list := p.tree(size, density).at(image.Pt(x, y), func(v *View) bool { return v.drag != nil }); list != nil {
		list.drag(0, int(v*64*float64(density)/160))
	}
}
