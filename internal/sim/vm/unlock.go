package vm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/secureenv"
)

// boundFile is where the guest's data have the identities of the host files that they need.
const boundFile = "/data/misc/vold_host_files"

// hostFilesProperty tells what of the host files that are no secrets does not fit; "ok" if all do.
const hostFilesProperty = "sim.host_files"

// readBound returns what the data are bound to; nil for new data.
func readBound(files *guestfs.FS) (secureenv.Identities, error) {
	f, err := files.OpenFile(boundFile, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the data are bound to: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("read what the data are bound to: %w", err)
	}
	return secureenv.Decode(text), nil
}

// unlock compares the host files with what the data are bound to, and binds new data to them.
func (g *guestSystem) unlock(bound secureenv.Identities, m *machine) error {
	have := secureenv.Look(m.instanceDir())
	g.android.SetProperty(hostFilesProperty, "ok")
	if bound == nil {
		return bind(g.files, have)
	}
	g.locked, g.missed = bound.Misfits(have)
	if m.guestKeymint() {
		g.locked = nil // the keys are in the guest's own data
	}
	if len(g.missed) > 0 {
		g.android.SetProperty(hostFilesProperty, strings.Join(g.missed, ","))
	}
	return nil
}

func bind(files *guestfs.FS, have secureenv.Identities) error {
	f, err := files.OpenFile(boundFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("bind the data to the host: %w", err)
	}
	_, err = f.Write(have.Encode())
	if err := errors.Join(err, f.Close(), files.Sync()); err != nil {
		return fmt.Errorf("bind the data to the host: %w", err)
	}
	return nil
}

// guestKeymint reports whether the keys of /data are in the guest.
func (m *machine) guestKeymint() bool {
	config, err := launcher.ReadConfig(filepath.Join(m.instanceDir(), "cuttlefish_config.json"))
	if hals := config.Instances[strconv.Itoa(m.number)].SecureHALs; err == nil && hals != "" {
		return strings.Contains(hals, "guest_keymint")
	}
	return m.root.Settings.Keymint == "guest"
}
