package ui

import "image/color"

// maxText bounds what a field holds.
const maxText = 64 << 10

// field is the text of an EditText.
type field struct {
	text    []rune
	caret   int
	all     bool // everything is selected
	multi   bool // Enter starts a line
	scroll  int
	changed func()
	enter   func()
}

// show puts the field's state into its view.
func (f *field) show(v *View, hint string, focused bool, look Look, faint color.RGBA) {
	v.Text, v.Look = string(f.text), look
	v.Look.Marked = f.all && focused
	if focused {
		v.Look.Caret = f.caret + 1
	}
	if len(f.text) == 0 {
		v.Text, v.Look.Ink = hint, faint
		if focused {
			v.Look.Caret = 1
		}
	}
}

func (f *field) set(text string) {
	f.text = []rune(text)
	f.caret, f.all, f.scroll = len(f.text), false, 0
	f.tell()
}

func (f *field) tell() {
	if f.changed != nil {
		f.changed()
	}
}

// insert types text at the caret, in place of what is selected.
func (f *field) insert(text string) {
	if f.all {
		f.text, f.caret, f.all = nil, 0, false
	}
	added := []rune(text)
	if len(f.text)+len(added) > maxText {
		return
	}
	f.text = append(f.text[:f.caret:f.caret], append(added, f.text[f.caret:]...)...)
	f.caret += len(added)
	f.tell()
}

// remove takes n characters away before the caret, or behind it if n is negative.
func (f *field) remove(n int) {
	if f.all {
		f.set("")
		return
	}
	from, to := f.caret-n, f.caret
	if n < 0 {
		from, to = f.caret, f.caret-n
	}
	from, to = max(from, 0), min(to, len(f.text))
	f.text = append(f.text[:from:from], f.text[to:]...)
	f.caret = from
	f.tell()
}

func (f *field) move(to int) {
	f.all = false
	f.caret = min(max(to, 0), len(f.text))
}

// lineStart and lineEnd are the ends of the line the caret is in.
func (f *field) lineStart(at int) int {
	for at > 0 && f.text[at-1] != '\n' {
		at--
	}
	return at
}

func (f *field) lineEnd(at int) int {
	for at < len(f.text) && f.text[at] != '\n' {
		at++
	}
	return at
}

// vertical moves the caret by a line up (-1) or down (1).
func (f *field) vertical(by int) {
	start := f.lineStart(f.caret)
	column := f.caret - start
	if by < 0 {
		if start == 0 {
			f.move(0)
			return
		}
		above := f.lineStart(start - 1)
		f.move(min(above+column, start-1))
		return
	}
	end := f.lineEnd(f.caret)
	if end == len(f.text) {
		f.move(end)
		return
	}
	f.move(min(end+1+column, f.lineEnd(end+1)))
}
