package tree

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// MaxText bounds the compact text, in bytes.
	MaxText = 16 << 10
	// maxLabel bounds a label in it, in characters.
	maxLabel = 100
)

// Text is the screen in few words, for a model: one line for each element that says or does something, numbered
// from 1, at most MaxText bytes. With all, one for every element that is seen.
//
//	[3] LinearLayout "Wi-Fi, AndroidWifi" clickable @296,224
//	[4] EditText "" #search clickable focused @360,120
//
// A thing to be touched that has no label of its own gets those of the texts in it, which then have no lines
// of their own. The last line says how many elements did not fit.
func (t *Tree) Text(all bool) string {
	w := writer{all: all, merged: map[*Node]bool{}}
	for n := range t.All() {
		w.node(n)
	}
	if w.cut > 0 {
		fmt.Fprintf(&w.out, "… and %d more, cut here: look for them with a selector\n", w.cut)
	}
	return w.out.String()
}

type writer struct {
	out    strings.Builder
	all    bool
	merged map[*Node]bool // labels that stand in the line of what they are in
	lines  int
	cut    int
}

func (w *writer) node(n *Node) {
	if n.visible.Empty() || w.merged[n] {
		return
	}
	label := n.Label()
	if !w.all {
		if !n.active() && label == "" {
			return
		}
		if label == "" && n.catches() {
			label = w.merge(n)
		}
	}
	w.lines++
	line := "[" + strconv.Itoa(w.lines) + "] " + n.line(label)
	if w.cut > 0 || w.out.Len()+len(line) > MaxText-100 {
		w.cut++
		return
	}
	w.out.WriteString(line)
}

// active reports whether one can do something with the element.
func (n *Node) active() bool {
	return n.catches() || n.Scrollable || n.Focused || strings.HasSuffix(n.Class, "EditText")
}

// merge is the labels of what is in n and does nothing itself.
func (w *writer) merge(n *Node) string {
	var labels []string
	length := 0
	for below := range n.All() {
		if below == n || below.active() || below.Label() == "" || below.visible.Empty() || length > maxLabel {
			continue
		}
		w.merged[below] = true
		labels = append(labels, below.Label())
		length += len(below.Label())
	}
	return strings.Join(labels, ", ")
}

func (n *Node) line(label string) string {
	words := []string{oneLine(n.Role(), 40)}
	if label != "" || strings.HasSuffix(n.Class, "EditText") {
		words = append(words, strconv.Quote(oneLine(label, maxLabel)))
	}
	if n.Text != "" && n.Description != "" && n.Description != n.Text {
		words = append(words, "("+oneLine(n.Description, maxLabel)+")")
	}
	if n.ResourceID != "" {
		words = append(words, "#"+oneLine(n.Name(), 60))
	}
	words = append(words, n.state()...)
	if n.Tap == nil {
		words = append(words, "covered")
	} else {
		words = append(words, "@"+strconv.Itoa(n.Tap.X)+","+strconv.Itoa(n.Tap.Y))
	}
	return strings.Join(words, " ") + "\n"
}

// state is what is not as usual.
func (n *Node) state() (words []string) {
	switch {
	case n.Checkable && n.Checked:
		words = append(words, "on")
	case n.Checkable:
		words = append(words, "off")
	}
	for _, s := range []struct {
		holds bool
		word  string
	}{
		{n.Clickable, "clickable"}, {n.LongClickable && !n.Clickable, "long-clickable"}, {n.Scrollable, "scrollable"}, {n.Focused, "focused"},
		{n.Selected, "selected"}, {n.Password, "password"}, {!n.Enabled, "disabled"},
	} {
		if s.holds {
			words = append(words, s.word)
		}
	}
	return words
}

// oneLine is text without line breaks and what cannot be seen, at most so many characters.
func oneLine(text string, most int) string {
	var out strings.Builder
	n := 0
	for _, r := range text {
		if n == most {
			out.WriteString("…")
			break
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		out.WriteRune(r)
		n++
	}
	return out.String()
}

// Short is text on one line, at most so many characters, for messages.
func Short(text string, most int) string { return oneLine(text, most) }
