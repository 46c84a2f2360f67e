// Package ui is the person's side of the simulated phone: what is on its screen and what touches
// and keys do there.
//
// Words: a [View] is an element with bounds, text and the properties that accessibility services
// report; the tree of views is the only description of the screen, for the painter (package
// screen) as for uiautomator. A [Phone] is the state behind it: which app is in front, what is
// focused, how far lists are scrolled. An *app* builds its views from that state at each look.
//
//	p := ui.New(store)
//	p.Tap(360, 640)
//	root := p.Tree()
//	for v := range root.All() { fmt.Println(v.ID, v.Text, v.Bounds) }
//
// Apps are drawn by this package itself: Launcher, Settings, Notes, Browser (which loads nothing), Shop (to be
// driven by scripts), Animation (which never comes to rest), Crasher and the list of recent apps. An app that was
// installed has one screen, which shows what it is and how it was opened; what processes there are behind apps is
// the business of a [Host]. Settings live in the settings store, the note in a file; everything else is lost at a
// reboot. Animations between screens and gestures with several fingers do not exist.
package ui
