// Package ui is the routes for what is on the screen: its elements as JSON or in few words, and acts on elements
// that are named by what they are instead of by where they are.
//
// Words: a look is one dump of the screen by uiautomator, with what is in front; a sight is what a look saw; an
// element has settled when two looks one after the other, with no act between them, saw it in the same place. A
// request's act happens once, in the same turn as the look that found its element: see package turn, which the
// toolbox's acts share.
//
//	android.Mount(srv, ui.New(kit, ui.Options{Turns: turns}).Routes())
//
// Acts wait: for the element, until it is enabled and not covered, and until it has settled, at most the request's
// timeoutMs. Between looks there is a pause of 50 ms and nothing else: a look takes as long as the device's
// uiautomator does, which itself waits until nothing has changed for a second, and refuses a screen that never
// rests. The file that it writes has a name of its own and is removed by the shell that had it written, whatever
// happens to the request.
//
// Subpackages know the format of dumps (tree) and how elements are chosen (selector); they run nothing.
package ui
