package packages

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// staged is an APK of a session.
type staged struct {
	file string // its path
	apk  *apk.APK
}

// offer is what a session wants to install.
type offer struct {
	base   staged // with -p and no base of its own, that of the installed app
	splits []staged
	old    *Package // nil if it is new
}

// all are the APKs that were staged.
func (o *offer) all(s *session) []staged {
	if s.install.Inherit != "" && o.old != nil && o.base.file == o.old.Base() {
		return o.splits
	}
	return append([]staged{o.base}, o.splits...)
}

// Commit installs what a session has staged, and ends the session in any case. An error is a *Failure
// or *Misuse.
func (m *Manager) Commit(id int) (*Package, error) {
	s, err := m.session(id)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	open := s.busy > 0
	s.sealed = !open
	m.mu.Unlock()
	if open {
		return nil, misuse("SecurityException", "Files still open")
	}
	defer m.end(s)
	m.changing.Lock()
	p, err := m.commit(s)
	m.changing.Unlock()
	if err != nil {
		return nil, err
	}
	m.options.Changed(p.Name())
	return p, nil
}

func (m *Manager) commit(s *session) (*Package, error) {
	o, err := m.offer(s)
	if err != nil {
		return nil, err
	}
	if err := m.consistent(s, o); err != nil {
		return nil, err
	}
	if err := m.fits(s, o); err != nil {
		return nil, err
	}
	if err := m.follows(s, o); err != nil {
		return nil, err
	}
	p, err := m.place(s, o)
	if err != nil {
		if IsFull(err) {
			return nil, failf(codeStorage, "Failed to move %s: %s", s.dir(), vfs.Reason(err))
		}
		return nil, failf(codeInternal, "Failed to move %s: %s", s.dir(), vfs.Reason(err))
	}
	return p, nil
}

// offer parses what is staged.
func (m *Manager) offer(s *session) (*offer, error) {
	m.mu.Lock()
	names := slices.Clone(s.files)
	m.mu.Unlock()
	if len(names) == 0 {
		return nil, failf(codeInvalid, "No packages staged in %s", s.dir())
	}
	o := &offer{}
	for _, name := range names {
		one := staged{file: s.dir() + "/" + name}
		var err error
		if one.apk, err = m.parse(one.file); err != nil {
			return nil, parseFailure(one.file, err)
		}
		switch {
		case one.apk.Split != "":
			o.splits = append(o.splits, one)
		case o.base.apk != nil:
			return nil, failf(codeInvalid, "Split null was defined multiple times")
		default:
			o.base = one
		}
	}
	return o, m.inherit(s, o)
}

// inherit completes an offer that adds to an installed app.
func (m *Manager) inherit(s *session, o *offer) error {
	name := s.install.Inherit
	switch {
	case name == "" && o.base.apk == nil:
		return failf(codeInvalid, "Full install must include a base package")
	case name == "":
		name = o.base.apk.Package
	}
	o.old = m.Get(name)
	if s.install.Inherit == "" || o.base.apk != nil {
		return nil
	}
	if o.old == nil || o.old.System {
		return failf(codeInvalid, "Missing existing base package for %s", name)
	}
	o.base = staged{o.old.Base(), o.old.App}
	return nil
}

func parseFailure(file string, err error) error {
	var manifest *apk.ManifestError
	if errors.As(err, &manifest) {
		return failf(codeUnexpected, "Failed to parse %s: %v", file, manifest)
	}
	return failf(codeNotAPK, "Failed to parse %s", file)
}

// consistent checks that the APKs belong together.
func (m *Manager) consistent(s *session, o *offer) error {
	base := o.base.apk
	if !nameGrammar.MatchString(base.Package) || len(base.Package) > 223 {
		return failf(codeBadName, "Failed parse during installPackageLI: %s (at Binary XML file line #2): Invalid manifest package: must have at least one '.' separator", o.base.file)
	}
	if name := s.install.Inherit; name != "" && name != base.Package {
		return failf(codeInvalid, "Package %s inconsistent with %s", base.Package, name)
	}
	var seen []string
	for _, one := range o.all(s) {
		a := one.apk
		switch {
		case a.Signer == apk.Unsigned:
			return failf(codeNoCertificate, "Failed to collect certificates from %s: Attempt to get length of null array", one.file)
		case a.Split != "" && !fileGrammar.MatchString(a.Split):
			return failf(codeInvalid, "Invalid split name: %s", a.Split)
		case slices.Contains(seen, a.Split):
			return failf(codeInvalid, "Split %s was defined multiple times", a.Split)
		case a.Package != base.Package:
			return failf(codeInvalid, "%s package %s inconsistent with %s", one.file, a.Package, base.Package)
		case a.VersionCode != base.VersionCode:
			return failf(codeInvalid, "%s version code %d inconsistent with %d", one.file, a.VersionCode, base.VersionCode)
		case a.Signer != base.Signer:
			return failf(codeInvalid, "%s signatures are inconsistent", one.file)
		}
		seen = append(seen, a.Split)
	}
	if base.SplitRequired && len(o.splits) == 0 && (s.install.Inherit == "" || o.old == nil || len(o.old.Splits) == 0) {
		return failf(codeMissingSplit, "Missing split for %s", base.Package)
	}
	return nil
}

// fits checks that the app is for this device.
func (m *Manager) fits(s *session, o *offer) error {
	base, sdk := o.base.apk, m.options.SDK
	oldest := map[int]int{34: 23, 35: 24, 36: 24}[sdk]
	var abis []string
	for _, one := range o.all(s) {
		abis = append(abis, one.apk.ABIs...)
	}
	switch {
	case base.MinSDK == math.MaxInt32:
		return failf(codeOlderSDK, "Failed parse during installPackageLI: %s (at Binary XML file line #7): Requires development platform (current platform is any of [])", o.base.file)
	case base.MinSDK > sdk:
		return failf(codeOlderSDK, "Failed parse during installPackageLI: %s (at Binary XML file line #7): Requires newer sdk version #%d (current version is #%d)", o.base.file, base.MinSDK, sdk)
	case base.TargetSDK < oldest && !s.install.LowTarget:
		return failf(codeOldTarget, "App package must target at least SDK version %d, but found %d", oldest, base.TargetSDK)
	case base.TestOnly && !s.install.TestOnly:
		return failf(codeTestOnly, "Failed to install test-only apk. Did you forget to add -t?")
	case len(abis) > 0 && !slices.Contains(abis, m.options.ABI):
		return failf(codeNoABI, "Failed to extract native libraries, res=-113")
	}
	return nil
}

// follows checks that the app may take the place of the one that is installed.
func (m *Manager) follows(s *session, o *offer) error {
	name, signer := o.base.apk.Package, ""
	m.mu.Lock()
	if k, ok := m.kept[name]; ok {
		signer = k.Signer
	}
	full := len(m.packages) >= maxPackages && m.packages[name] == nil
	if p := m.packages[name]; p != nil {
		signer = p.App.Signer
	}
	m.mu.Unlock()
	switch {
	case full:
		return failf(codeStorage, "there are %d packages", maxPackages)
	case o.old != nil && s.install.NoReplace:
		return failf(codeAlready, "Attempt to re-install %s without first uninstalling.", name)
	case signer != "" && signer != o.base.apk.Signer:
		return failf(codeIncompatible, "Existing package %s signatures do not match newer version; ignoring!", name)
	case o.old != nil && o.base.apk.VersionCode < o.old.App.VersionCode && !s.install.Downgrade:
		return failf(codeDowngrade, "Downgrade detected: Update version code %d is older than current %d", o.base.apk.VersionCode, o.old.App.VersionCode)
	}
	return nil
}

// place moves the staged files to where apps are, and makes them the app.
func (m *Manager) place(s *session, o *offer) (*Package, error) {
	now := m.now()
	name := o.base.apk.Package
	p := &Package{App: o.base.apk, First: now, Last: now, Installer: s.install.Installer, Installed: true, UID: m.uid(name, o.old)}
	if o.old != nil {
		p.First, p.Granted, p.Enabled = o.old.First, o.old.Granted, o.old.Enabled
		if p.Installer == "" {
			p.Installer = o.old.Installer
		}
	}
	p.Granted = grants(p, s.install.Grant)
	if err := m.arrange(s, o, p); err != nil {
		return nil, err
	}
	outer := appDir + "/~~" + random()
	p.Path = outer + "/" + name + "-" + random()
	err := m.makeDir(outer, 0o771, 1000)
	if err == nil {
		err = m.files.Rename(s.dir(), p.Path)
	}
	if err == nil {
		err = m.files.Chmod(p.Path, 0o755)
	}
	if err == nil {
		err = m.makeData(p)
	}
	if err == nil {
		err = m.adopt(p)
	}
	if err == nil { // an app that was installed is there after a power cut
		err = m.files.Sync()
	}
	if err != nil {
		_ = m.removeAll(outer) // the next boot sweeps it
		return nil, err
	}
	if o.old != nil && !o.old.System {
		_ = m.removeAll(codeDir(o.old.Path)) // likewise
	}
	return p, nil
}

// adopt makes p what is installed under its name; if that cannot be kept, nothing has changed.
func (m *Manager) adopt(p *Package) error {
	m.mu.Lock()
	old, before := m.packages[p.Name()], m.kept
	m.kept = make(map[string]kept, len(before))
	for name, k := range before {
		if name != p.Name() {
			m.kept[name] = k
		}
	}
	m.packages[p.Name()] = p
	m.mu.Unlock()
	err := m.save()
	if err == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = before
	if delete(m.packages, p.Name()); old != nil {
		m.packages[p.Name()] = old
	}
	return err
}

// arrange gives the staged files the names that an app's have, and adds what is inherited.
func (m *Manager) arrange(s *session, o *offer, p *Package) error {
	all := o.all(s)
	aside := func(i int) string { return s.dir() + "/~" + strconv.Itoa(i) }
	for i, one := range all { // out of each other's way: a split may have been staged as base.apk
		if err := m.files.Rename(one.file, aside(i)); err != nil {
			return err
		}
	}
	for i, one := range all {
		to := s.dir() + "/base.apk"
		if split := one.apk.Split; split != "" {
			to = s.dir() + "/split_" + split + ".apk"
			p.Splits = append(p.Splits, split)
		}
		if err := m.files.Rename(aside(i), to); err != nil {
			return err
		}
	}
	if s.install.Inherit != "" && o.old != nil {
		for i, file := range o.old.Files() {
			name := file[strings.LastIndexByte(file, '/'):]
			if _, err := m.files.Lstat(s.dir() + name); err == nil {
				continue // there is a new one
			}
			if err := m.copyFile(file, s.dir()+name); err != nil {
				return err
			}
			if i > 0 {
				p.Splits = append(p.Splits, o.old.Splits[i-1])
			}
		}
	}
	slices.Sort(p.Splits)
	return nil
}

func (m *Manager) copyFile(from, to string) error {
	f, err := m.files.Open(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = m.stage(context.Background(), to, -1, f)
	return err
}

// grants are the runtime permissions of an app that is being installed: those it had and still asks for.
func grants(p *Package, all bool) []string {
	var granted []string
	for _, permission := range p.App.Permissions {
		if IsRuntime(permission) && (slices.Contains(p.Granted, permission) || all && IsDangerous(permission)) {
			granted = append(granted, permission)
		}
	}
	slices.Sort(granted)
	return granted
}

// firstUID is the first that an installed app gets; the apps of the image have lower ones.
const firstUID = 10150

// uid is the user an app runs as: the one it had, or a free one.
func (m *Manager) uid(name string, old *Package) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old != nil {
		return old.UID
	}
	if k, ok := m.kept[name]; ok {
		return k.UID
	}
	used := map[int]bool{}
	for _, p := range m.packages {
		used[p.UID] = true
	}
	for _, k := range m.kept {
		used[k.UID] = true
	}
	uid := firstUID
	for used[uid] {
		uid++
	}
	return uid
}

// random is a part of a path that nobody can guess, as Android makes them.
func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.URLEncoding.EncodeToString(b)
}
