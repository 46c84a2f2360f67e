package ui

import (
	"slices"
	"time"
	"unicode/utf8"
)

// Host runs what is behind the apps. Its methods are called under the phone's lock: they do not wait
// for the phone nor call it.
type Host interface {
	// Opened tells that an app came to the front.
	Opened(pkg string)
	// Crash asks that an app dies after a while.
	Crash(pkg string, after time.Duration)
}

// Installed is an app that does not come with the phone.
type Installed struct {
	Package, Activity, Label, Version string
	Crashes                           bool // it has buttons that crash it
}

// Launch is how an activity is started.
type Launch struct {
	Package, Activity string // its class as a Window has it
	Action, Data      string
	Extras            []Extra
}

// Extra is a value that came with a start.
type Extra struct{ Name, Value string }

// Was is what a start found.
type Was int

// What a start found: nothing of the activity, the activity behind others, or in front.
const (
	WasGone Was = iota
	WasBehind
	WasInFront
)

// installed is the part of a Phone that has to do with apps that come and go.
type installed struct {
	host   Host
	added  []app
	hidden []string     // packages of built-in apps that are not there for the user
	alive  map[app]bool // its activity exists, in the stack or put away by the home key
}

// SetHost says who runs the apps' processes. It is called before the phone is used.
func (p *Phone) SetHost(h Host) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host = h
}

// Builtins are the apps that come with the phone.
func (p *Phone) Builtins() []Installed {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Installed
	for _, a := range p.apps {
		pkg, activity := a.component()
		list = append(list, Installed{Package: pkg, Activity: activity, Label: a.name()})
	}
	return list
}

// SetInstalled says which apps there are beside the built-in ones, and which of those are hidden. An
// app that was there already keeps its screen.
func (p *Phone) SetInstalled(apps []Installed, hidden []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var added []app
	for _, i := range apps {
		a, _ := p.find(i.Package).(*installedApp)
		if a == nil {
			a = &installedApp{}
		}
		a.Installed = i
		added = append(added, a)
	}
	p.added, p.hidden = added, slices.Clone(hidden)
}

// icons are the apps that the launcher shows.
func (p *Phone) icons() []app {
	var list []app
	for _, a := range slices.Concat(p.apps, p.added) {
		pkg, _ := a.component()
		if i, ok := a.(*installedApp); !slices.Contains(p.hidden, pkg) && (!ok || i.Activity != "") {
			list = append(list, a)
		}
	}
	return list
}

// find is the app of a package, nil if there is none.
func (p *Phone) find(pkg string) app {
	for _, a := range slices.Concat(p.apps, p.added) {
		if name, _ := a.component(); name == pkg {
			return a
		}
	}
	return nil
}

// starter is an app that cares how it is started.
type starter interface{ started(Launch) }

// fresher is an app that reads its files when its activity begins.
type fresher interface{ fresh(Store) }

// Launch starts an activity. It reports what was there before, and false if there is no such app.
func (p *Phone) Launch(l Launch) (Was, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.launch(l)
}

func (p *Phone) launch(l Launch) (Was, bool) {
	if l.Package == launcherPackage {
		p.home()
		return WasInFront, true
	}
	a := p.find(l.Package)
	if a == nil {
		return WasGone, false
	}
	was := WasGone
	_, activity := a.component()
	switch {
	case activity != l.Activity:
	case p.front() == a && !p.recents:
		was = WasInFront
	case p.alive[a]:
		was = WasBehind
	}
	if s, ok := a.(starter); ok {
		s.started(l)
	}
	p.open(a)
	return was, true
}

// Choose shows a list of activities of which one shall be started.
func (p *Phone) Choose(from []Choice) Window {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &resolverApp{from}
	p.open(a)
	pkg, activity := a.component()
	return Window{Package: pkg, Activity: activity}
}

// opened notes that an app is in front now.
func (p *Phone) opened(a app) {
	if _, chooser := a.(*resolverApp); chooser {
		return
	}
	if p.alive == nil {
		p.alive = map[app]bool{}
	}
	if f, ok := a.(fresher); ok && !p.alive[a] {
		f.fresh(p.store)
	}
	p.alive[a] = true
	if p.host != nil {
		pkg, _ := a.component()
		p.host.Opened(pkg)
	}
}

// ended notes that an app's activity is gone.
func (p *Phone) ended(a app) {
	delete(p.alive, a)
	if i, ok := a.(*installedApp); ok {
		i.launch = Launch{}
	}
}

// initial is what an icon without a picture shows.
func initial(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	if size == 0 {
		return "?"
	}
	return string(r)
}

// OpenURL shows a URL in the browser.
func (p *Phone) OpenURL(url string) {
	p.Launch(Launch{Package: "org.chromium.webview_shell", Activity: ".WebViewBrowserActivity", Data: url})
}
