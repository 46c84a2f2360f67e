package packages

import (
	"slices"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
)

// Enabled is whether an app may be used, with Android's numbers.
type Enabled int

// The states of an app.
const (
	EnabledDefault Enabled = 0
	EnabledYes     Enabled = 1
	Disabled       Enabled = 2
	DisabledByUser Enabled = 3
)

// String is the state as pm says it.
func (e Enabled) String() string {
	return [...]string{"default", "enabled", "disabled", "disabled-user"}[e&3]
}

// Package is an app as it was when it was asked for. Nobody changes it.
type Package struct {
	App       *apk.APK // of the base
	System    bool
	UID       int
	Path      string   // directory of its APKs
	Splits    []string // names of the splits, sorted
	Installer string   // package that installed it, "" if nobody said
	First     time.Time
	Last      time.Time // of its newest version
	Granted   []string  // runtime permissions
	Enabled   Enabled
	Installed bool // false for a system app that the user has removed
}

// Name is the package's name.
func (p *Package) Name() string { return p.App.Package }

// Base is the path of its first APK.
func (p *Package) Base() string { return p.Path + "/base.apk" }

// Files are the paths of all its APKs.
func (p *Package) Files() []string {
	files := []string{p.Base()}
	for _, split := range p.Splits {
		files = append(files, p.Path+"/split_"+split+".apk")
	}
	return files
}

// Data is the directory of its data.
func (p *Package) Data() string { return "/data/data/" + p.Name() }

// Label is its name for people.
func (p *Package) Label() string {
	if p.App.Label == "" {
		return p.Name()
	}
	return p.App.Label
}

// Usable tells whether it is there for the user and not disabled.
func (p *Package) Usable() bool { return p.Installed && p.Enabled <= EnabledYes }

// HasGrant tells whether a permission it asks for is granted.
func (p *Package) HasGrant(permission string) bool {
	if !slices.Contains(p.App.Permissions, permission) {
		return false
	}
	return IsInstall(permission) || slices.Contains(p.Granted, permission)
}

// Launcher is the activity behind its icon.
func (p *Package) Launcher() (intent.Component, bool) {
	class := p.App.Launcher()
	return intent.Component{Package: p.Name(), Class: class}, class != ""
}

// Resolved is an activity that an intent finds.
type Resolved struct {
	Package  *Package
	Activity *apk.Activity
	Default  bool
}

// Component is its name.
func (r Resolved) Component() intent.Component {
	return intent.Component{Package: r.Package.Name(), Class: r.Activity.Name}
}

// Resolve finds the activities for an intent, of all usable apps in the order of their names.
func (m *Manager) Resolve(in intent.Intent) []Resolved {
	var found []Resolved
	for _, p := range m.List() {
		pkg := in.Package
		if pkg == "" {
			pkg = in.Component.Package
		}
		if !p.Usable() || pkg != "" && pkg != p.Name() {
			continue
		}
		for i := range p.App.Activities {
			if a := &p.App.Activities[i]; in.Component.Class != "" {
				if a.Name == in.Component.Class {
					found = append(found, Resolved{p, a, true})
				}
			} else if at := slices.IndexFunc(a.Filters, func(f apk.Filter) bool { return intent.Match(in, f) }); at >= 0 {
				found = append(found, Resolved{p, a, intent.IsDefault(a.Filters[at])})
			}
		}
	}
	return found
}
