package ui

import (
	"fmt"
	"image"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Store is what the phone keeps its state in.
type Store interface {
	Setting(space, key string) string
	PutSetting(space, key, value string)
	ReadFile(path string) ([]byte, error)
	WriteFile(path string, data []byte) error
	Now() time.Time
}

// The display as it is built in.
const (
	PhysicalWidth   = 720
	PhysicalHeight  = 1280
	PhysicalDensity = 320
)

// maxSide bounds an override of the display's size.
const maxSide = 4096

// Phone is the state of the screen and the apps. It is safe for concurrent use.
type Phone struct {
	store Store

	mu        sync.Mutex
	asleep    bool
	stack     []app // the app in front is the last one; empty is the launcher
	recents   bool
	clipboard string
	apps      []app
	ime       bool // the keyboard is shown
	shift     bool
	touch     touch
	installed
}

// app is one of the built-in apps. Its methods run under the phone's lock.
type app interface {
	name() string // as under its icon
	component() (pkg, activity string)
	build(p *Phone, l layout) *View
	// field is what typing goes to; nil if nothing has the focus.
	field() *field
}

// New makes a phone that is awake and shows its launcher.
func New(store Store) *Phone {
	p := &Phone{}
	p.Start(store)
	return p
}

// Start makes a zero Phone what New returns. It is called once, before anything else.
func (p *Phone) Start(store Store) {
	p.store = store
	p.apps = []app{&settingsApp{}, newNotes(store), &browserApp{}, &shopApp{}, &animationApp{}, newCrasher()}
}

// Awake tells whether the display is on.
func (p *Phone) Awake() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.asleep
}

// Size is the display's size as it is turned now.
func (p *Phone) Size() image.Point {
	w, h := p.BaseSize()
	if p.Rotation()%2 == 1 {
		w, h = h, w
	}
	return image.Pt(w, h)
}

// BaseSize is the size in the natural orientation, an override included.
func (p *Phone) BaseSize() (w, h int) {
	if w, h, ok := ParseSize(p.store.Setting("wm", "size")); ok {
		return w, h
	}
	return PhysicalWidth, PhysicalHeight
}

// ParseSize reads WxH, or WdpxHdp at the built-in density.
func ParseSize(text string) (w, h int, ok bool) {
	a, b, found := strings.Cut(text, "x")
	w, errW := pixels(a)
	h, errH := pixels(b)
	return w, h, found && errW == nil && errH == nil && w >= 50 && h >= 50 && w <= maxSide && h <= maxSide
}

func pixels(text string) (int, error) {
	number, dp := strings.CutSuffix(text, "dp")
	n, err := strconv.Atoi(number)
	if dp {
		n = n * PhysicalDensity / 160
	}
	return n, err
}

// Density is in dots per inch.
func (p *Phone) Density() int {
	if n, err := strconv.Atoi(p.store.Setting("wm", "density")); err == nil && n >= 72 && n <= 1000 {
		return n
	}
	return PhysicalDensity
}

// Rotation is in quarter turns. There is no sensor, so that without a locked rotation it is 0.
func (p *Phone) Rotation() int {
	if p.store.Setting("system", "accelerometer_rotation") == "1" {
		return 0
	}
	n, err := strconv.Atoi(p.store.Setting("system", "user_rotation"))
	if err != nil || n < 0 || n > 3 {
		return 0
	}
	return n
}

// front is the app in front, nil for the launcher.
func (p *Phone) front() app {
	if len(p.stack) == 0 {
		return nil
	}
	return p.stack[len(p.stack)-1]
}

// Window is a window as dumpsys names it.
type Window struct {
	Package, Activity string
	Bounds            image.Rectangle
}

// Component is PACKAGE/ACTIVITY.
func (w Window) Component() string { return w.Package + "/" + w.Activity }

// Focused is the window that gets keys.
func (p *Phone) Focused() Window {
	size := p.Size()
	p.mu.Lock()
	defer p.mu.Unlock()
	w := Window{Bounds: image.Rectangle{Max: size}}
	w.Package, w.Activity = launcherPackage, launcherActivity
	if a := p.front(); a != nil && !p.recents {
		w.Package, w.Activity = a.component()
	}
	return w
}

// Keyboard tells whether the on-screen keyboard is shown.
func (p *Phone) Keyboard() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ime
}

// Running lists the components of the open apps, the one in front first.
func (p *Phone) Running() []Window {
	size := p.Size()
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Window
	for i := len(p.stack) - 1; i >= 0; i-- {
		pkg, activity := p.stack[i].component()
		list = append(list, Window{pkg, activity, image.Rectangle{Max: size}})
	}
	return append(list, Window{launcherPackage, launcherActivity, image.Rectangle{Max: size}})
}

// Open brings an app to the front, by its package or PACKAGE/ACTIVITY.
func (p *Phone) Open(component string) error {
	pkg, _, _ := strings.Cut(component, "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	if pkg == launcherPackage {
		p.home()
		return nil
	}
	if a := p.find(pkg); a != nil {
		p.open(a)
		return nil
	}
	return fmt.Errorf("Activity class {%s} does not exist.", component) //nolint:staticcheck,revive // the device's words
}

// Stop ends an app, by its package.
func (p *Phone) Stop(pkg string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []app
	for _, a := range p.stack {
		if name, _ := a.component(); name != pkg {
			kept = append(kept, a)
		} else {
			p.ended(a)
		}
	}
	if a := p.find(pkg); a != nil {
		p.ended(a) // also one that the home key has put away
	}
	p.stack = kept
	for _, a := range p.apps {
		if s, ok := a.(stopper); ok && packageOf(a) == pkg {
			s.stopped()
		}
	}
	p.ime = false
}

func packageOf(a app) string {
	pkg, _ := a.component()
	return pkg
}

func (p *Phone) open(a app) {
	var kept []app
	for _, other := range p.stack {
		if other != a {
			kept = append(kept, other)
		}
	}
	kept = append(kept, a)
	p.stack = kept
	p.recents, p.ime = false, false
	p.opened(a)
}

func (p *Phone) home() {
	p.stack, p.recents, p.ime = nil, false, false
}

// Clipboard is what was copied last.
func (p *Phone) Clipboard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clipboard
}

// on tells whether a setting is switched on.
func (p *Phone) on(space, key string) bool {
	v := p.store.Setting(space, key)
	return v != "" && v != "0"
}
