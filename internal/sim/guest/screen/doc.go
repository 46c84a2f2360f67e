// Package screen paints the view tree of package ui, and writes the formats of screencap.
//
// [Paint] is drawn on demand: the same tree gives the same pixels, and nothing animates. Text is Go
// Regular, hinted for no display in particular.
//
//	img := screen.Paint(phone.Tree(), phone.Size())
//	err := screen.WriteRaw(w, img)
package screen
