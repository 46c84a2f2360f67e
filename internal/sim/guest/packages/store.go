package packages

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// stateFile is what no APK says; appDir is where the APKs are.
const (
	stateFile = "/data/system/packages.json"
	appDir    = "/data/app"
	maxState  = 16 << 20
)

// record is an app in the state file.
type record struct {
	Name      string    `json:"name"`
	Path      string    `json:"path"`
	Splits    []string  `json:"splits,omitempty"`
	UID       int       `json:"uid"`
	Installer string    `json:"installer,omitempty"`
	First     time.Time `json:"firstInstallTime"`
	Last      time.Time `json:"lastUpdateTime"`
	Granted   []string  `json:"granted,omitempty"`
	Enabled   Enabled   `json:"enabled,omitempty"`
	Removed   bool      `json:"removed,omitempty"`
}

// state is the state file.
type state struct {
	Packages []record        `json:"packages"`
	Kept     map[string]kept `json:"kept,omitempty"`
}

// save writes the state file. What was written before is there until it is whole.
func (m *Manager) save() error {
	var s state
	for _, p := range m.List() {
		if p.System && p.Installed && p.Enabled == EnabledDefault && len(p.Granted) == 0 {
			continue
		}
		s.Packages = append(s.Packages, record{p.Name(), p.Path, p.Splits, p.UID, p.Installer, p.First, p.Last, p.Granted, p.Enabled, !p.Installed})
	}
	m.mu.Lock()
	s.Kept = m.kept
	data, err := json.Marshal(s)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	f, err := m.files.Open(stateFile+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = m.files.Rename(stateFile+".new", stateFile)
	}
	return err
}

// load reads the state file, and the apps that it names. One whose APK is gone or torn is dropped, as
// is a whole file that cannot be understood: a device boots all the same.
func (m *Manager) load() error {
	f, err := m.files.Open(stateFile, os.O_RDONLY, 0)
	if vfs.Errno(err) == vfs.Errno(fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("packages of the guest: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return fmt.Errorf("packages of the guest: %w", err)
	}
	var s state
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	for _, r := range s.Packages {
		m.restore(r)
	}
	for name, k := range s.Kept {
		m.kept[name] = k
	}
	return nil
}

func (m *Manager) restore(r record) {
	if p := m.packages[r.Name]; p != nil { // one of the system
		p.Granted, p.Enabled, p.Installed = r.Granted, r.Enabled&3, !r.Removed
		return
	}
	p := &Package{UID: r.UID, Path: r.Path, Splits: r.Splits, Installer: r.Installer, First: r.First, Last: r.Last,
		Granted: r.Granted, Enabled: r.Enabled & 3, Installed: true}
	var err error
	if p.App, err = m.parse(p.Base()); err == nil && p.App.Package == r.Name && len(m.packages) < maxPackages {
		m.packages[r.Name] = p
	}
}

// sweep removes what no app owns: staged files, and code whose install or removal was cut short.
func (m *Manager) sweep() error {
	entries, err := m.files.ReadDir(appDir)
	if err != nil {
		return fmt.Errorf("packages of the guest: %w", err)
	}
	var used []string
	for _, p := range m.List() {
		used = append(used, codeDir(p.Path))
	}
	for _, e := range entries {
		if dir := appDir + "/" + e.Name; (strings.HasPrefix(e.Name, "vmdl") || strings.HasPrefix(e.Name, "~~")) && !slices.Contains(used, dir) {
			if err := m.removeAll(dir); err != nil {
				return fmt.Errorf("packages of the guest: %w", err)
			}
		}
	}
	return nil
}

// codeDir is the directory right in /data/app that an app's path is in.
func codeDir(dir string) string {
	if strings.HasPrefix(dir, appDir+"/~~") {
		return path.Dir(dir)
	}
	return dir
}

// parse reads an APK of the guest.
func (m *Manager) parse(file string) (*apk.APK, error) {
	f, err := m.files.Open(file, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at, ok := f.(vfs.Positioned)
	info, err := f.Stat()
	if err != nil || !ok {
		return nil, apk.ErrNotAPK
	}
	return apk.Read(at, info.Size)
}
