package packages

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Options say what device the apps are for.
type Options struct {
	// Files is the guest's tree as root sees it.
	Files *vfs.View
	// SDK is the API level, such as 35.
	SDK int
	// ABI is the one machine that the device runs code of. Default x86_64.
	ABI string
	// System are the apps that come with the image.
	System []System
	// Now is the guest's clock. Default time.Now.
	Now func() time.Time
	// Changed is called after an app was installed, updated, removed, enabled or disabled, without a
	// lock. Nil is nobody.
	Changed func(name string)
}

// System is an app of the image.
type System struct {
	Name, Label string
	UID         int
	Activities  []apk.Activity
}

// Manager knows the installed apps. Its methods are safe for concurrent use.
type Manager struct {
	options Options
	files   *vfs.View
	now     func() time.Time

	changing sync.Mutex // held while apps change: taken before mu

	mu       sync.Mutex
	packages map[string]*Package
	kept     map[string]kept // of removed apps whose data stayed
	sessions map[int]*session
}

// kept is what is remembered of a removed app for the data it left.
type kept struct {
	UID    int    `json:"uid"`
	Signer string `json:"signer"`
}

// maxPackages bounds how many apps can be installed.
const maxPackages = 1000

// Open reads what is installed and clears away what a boot leaves unfinished.
func Open(o Options) (*Manager, error) {
	m := &Manager{}
	if err := m.Open(o); err != nil {
		return nil, err
	}
	return m, nil
}

// Open makes a zero Manager what the function Open returns. It is called once, before anything else.
func (m *Manager) Open(o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ABI == "" {
		o.ABI = "x86_64"
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	m.options, m.files, m.now = o, o.Files, o.Now
	m.packages, m.kept, m.sessions = map[string]*Package{}, map[string]kept{}, map[int]*session{}
	for _, s := range o.System {
		m.packages[s.Name] = m.systemPackage(s)
	}
	if err := m.load(); err != nil {
		return err
	}
	return m.sweep()
}

// systemTime is when the image was built.
var systemTime = time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *Manager) systemPackage(s System) *Package {
	a := &apk.APK{Package: s.Name, Label: s.Label, VersionCode: int64(m.options.SDK), VersionName: m.release(), MinSDK: m.options.SDK,
		TargetSDK: m.options.SDK, Activities: s.Activities, Signer: "platform"}
	return &Package{App: a, System: true, UID: s.UID, Path: "/system/app/" + s.Name, First: systemTime, Last: systemTime, Installed: true}
}

// release is the Android version of the device's API level.
func (m *Manager) release() string {
	if r := map[int]string{29: "10", 30: "11", 31: "12", 32: "12", 33: "13", 34: "14", 35: "15", 36: "16"}[m.options.SDK]; r != "" {
		return r
	}
	return "15"
}

// List is every app that has an entry, removed system apps among them, by name.
func (m *Manager) List() []*Package {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.packages), func(a, b *Package) int { return strings.Compare(a.Name(), b.Name()) })
}

// Get finds an app that is there for the user; nil means there is none.
func (m *Manager) Get(name string) *Package {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.packages[name]; p != nil && p.Installed {
		return p
	}
	return nil
}

// update puts a changed copy of an app in its place and keeps it. The caller holds changing.
func (m *Manager) update(p *Package, change func(*Package)) error {
	next := *p
	change(&next)
	m.mu.Lock()
	m.packages[p.Name()] = &next
	m.mu.Unlock()
	return m.save()
}

// Clear empties an app's data and takes its permissions back.
func (m *Manager) Clear(name string) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	p := m.Get(name)
	if p == nil {
		return failf("Failed", "")
	}
	if err := m.removeAll(p.Data()); err != nil {
		return err
	}
	if err := m.makeData(p); err != nil {
		return err
	}
	return m.update(p, func(p *Package) { p.Granted = nil })
}

// Grant gives an app a permission that it asks for. An error is a *Misuse, or the disk's.
func (m *Manager) Grant(name, permission string) error {
	return m.permit(name, permission, func(granted []string) []string {
		if slices.Contains(granted, permission) {
			return granted
		}
		granted = append(slices.Clone(granted), permission)
		slices.Sort(granted)
		return granted
	})
}

// Revoke takes it back.
func (m *Manager) Revoke(name, permission string) error {
	return m.permit(name, permission, func(granted []string) []string {
		return slices.DeleteFunc(slices.Clone(granted), func(g string) bool { return g == permission })
	})
}

func (m *Manager) permit(name, permission string, change func([]string) []string) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	p := m.Get(name)
	switch {
	case p == nil:
		return misuse("IllegalArgumentException", "Unknown package: %s", name)
	case !IsKnown(permission):
		return misuse("IllegalArgumentException", "Unknown permission: %s", permission)
	case !slices.Contains(p.App.Permissions, permission):
		return misuse("SecurityException", "Package %s has not requested permission %s", name, permission)
	case !IsRuntime(permission):
		return misuse("SecurityException", "Permission %s requested by %s is not a changeable permission type", permission, name)
	}
	return m.update(p, func(p *Package) { p.Granted = change(p.Granted) })
}

// SetEnabled changes whether an app may be used. An error is a *Misuse, or the disk's.
func (m *Manager) SetEnabled(name string, to Enabled) error {
	m.changing.Lock()
	p := m.Get(name)
	if p == nil {
		m.changing.Unlock()
		return misuse("IllegalArgumentException", "Unknown package: %s", name)
	}
	err := m.update(p, func(p *Package) { p.Enabled = to })
	m.changing.Unlock()
	m.options.Changed(name)
	return err
}

// Restore brings a removed system app back.
func (m *Manager) Restore(name string) bool {
	m.changing.Lock()
	m.mu.Lock()
	p := m.packages[name]
	m.mu.Unlock()
	ok := p != nil && m.update(p, func(p *Package) { p.Installed = true }) == nil
	m.changing.Unlock()
	if ok {
		m.options.Changed(name)
	}
	return ok
}

// Uninstall removes an app; keep leaves its data. forUser lets it remove one of the system, which
// hides it. An error is a *Failure.
func (m *Manager) Uninstall(name string, keep, forUser bool) error {
	m.changing.Lock()
	err := m.uninstall(name, keep, forUser)
	m.changing.Unlock()
	if err == nil {
		m.options.Changed(name)
	}
	return err
}

func (m *Manager) uninstall(name string, keep, forUser bool) error {
	p := m.Get(name)
	switch {
	case p == nil && forUser:
		return &Failure{Code: "not installed for 0"}
	case p == nil, p.System && !forUser:
		return &Failure{Code: codeDelete}
	case p.System:
		if err := m.update(p, func(p *Package) { p.Installed, p.Granted = false, nil }); err != nil {
			return failf(codeDelete, "%s", vfs.Reason(err))
		}
		return nil
	}
	m.mu.Lock()
	delete(m.packages, name)
	delete(m.kept, name)
	if keep {
		m.kept[name] = kept{p.UID, p.App.Signer}
	}
	m.mu.Unlock()
	err := m.save()
	if rerr := m.removeAll(codeDir(p.Path)); err == nil {
		err = rerr
	}
	if !keep && err == nil {
		err = m.removeAll(p.Data())
	}
	if err != nil {
		return failf(codeDelete, "%s", vfs.Reason(err))
	}
	return nil
}

// Names of packages as Android takes them.
var nameGrammar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)

// fileGrammar is what the names of splits and of staged files may be.
var fileGrammar = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}$`)

// removeAll removes a tree; what is not there is as good.
func (m *Manager) removeAll(path string) error {
	info, err := m.files.Lstat(path)
	if vfs.Errno(err) == vfs.Errno(fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode.IsDir() {
		entries, err := m.files.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := m.removeAll(path + "/" + e.Name); err != nil {
				return err
			}
		}
	}
	return m.files.Remove(path)
}

// makeData makes the directories of an app's data. Those that exist stay as they are.
func (m *Manager) makeData(p *Package) error {
	for _, dir := range []string{p.Data(), p.Data() + "/cache", p.Data() + "/code_cache", p.Data() + "/files"} {
		perm := fs.FileMode(0o700)
		if dir != p.Data() {
			perm = 0o771
		}
		if err := m.makeDir(dir, perm, p.UID); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) makeDir(dir string, perm fs.FileMode, uid int) error {
	err := m.files.Mkdir(dir, perm)
	if vfs.Errno(err) == vfs.Errno(fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = m.files.Chmod(dir, perm)
	}
	if err == nil {
		err = m.files.Chown(dir, uid, uid)
	}
	return err
}
