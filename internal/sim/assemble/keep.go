package assemble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// preserved are the names of the files that survive a start, wherever below A and I they are. In
// upstream's list metadata.img and misc.img kept their suffix when the files lost theirs.
func preserved() map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(`
		overlay.img ap_overlay.img os_composite_disk_config.txt os_composite_gpt_header.img
		os_composite_gpt_footer.img os_composite.img sdcard.img sdcard_overlay.img boot_repacked.img
		vendor_boot_repacked.img access-kregistry hwcomposer-pmem NVChip gatekeeper_secure gatekeeper_insecure
		keymint_secure_deletion_data weaver_storage.json oemlock_secure oemlock_insecure modem_nvram.json
		recording persistent_composite_disk_config.txt persistent_composite_gpt_header.img
		persistent_composite_gpt_footer.img persistent_composite.img uboot_env.img factory_reset_protected.img
		misc.img metadata.img vmmtruststore.img persistent_vbmeta.img os_vbmeta.img pflash.img
		ap_composite.img ap_composite_disk_config.txt ap_composite_gpt_header.img ap_composite_gpt_footer.img`) {
		set[name] = true
	}
	return set
}

func keeps(set map[string]bool, name string) bool {
	return set[name] || strings.HasPrefix(name, "iccprofile_for_sim") && strings.HasSuffix(name, ".xml")
}

// rebuildNeeded is AC's ShouldCreateCompositeDisk together with the checks around it: another list of
// components, no composite, a component that is newer than it, or a generated image that is missing.
func (c Config) rebuildNeeded(paths []string) (string, error) {
	old, err := os.ReadFile(c.in("os_composite_disk_config.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the disk configuration: %w", err)
	}
	if string(old) != diskConfig(paths) {
		return "the list of components differs", nil
	}
	composite, err := os.Stat(c.composite())
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no composite", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the composite: %w", err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path + " is missing", nil
		case err != nil:
			return "", fmt.Errorf("look at a component: %w", err)
		case info.ModTime().After(composite.ModTime()):
			return path + " is newer than the composite", nil
		}
	}
	return "", nil
}

// clean empties A, I and the socket directories, but for the preserve set when keep says so.
func (c Config) clean(keep bool) error {
	dirs := append([]string{c.AssemblyDir(), c.InstanceDir()}, c.Dirs...)
	if pids := c.Holders(dirs...); len(pids) > 0 {
		words := make([]string, len(pids))
		for i, pid := range pids {
			words[i] = fmt.Sprint(pid)
		}
		return simroot.Saidf("Instance directory files in use. Try `cvd reset`? Observed PIDs: %s",
			strings.Join(words, ", "))
	}
	set := map[string]bool{}
	if keep {
		set = preserved()
	}
	for _, dir := range dirs {
		if foreign(dir) {
			continue
		}
		if err := cleanDir(dir, set); err != nil {
			return fmt.Errorf("clean up after the last run: %w", err)
		}
	}
	return nil
}

// ForeignMark makes clean leave a directory alone, as if it belonged to another user.
const ForeignMark = ".foreign"

func foreign(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ForeignMark))
	return err == nil
}

// cleanDir deletes all below dir whose name is not in the set, and directories that end up empty.
func cleanDir(dir string, set map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if keeps(set, e.Name()) {
			continue
		}
		if e.IsDir() {
			if err := cleanDir(path, set); err != nil {
				return err
			}
			_ = os.Remove(path) // stays when something in it was kept
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// stamp gives a file the clock's time.
func (c Config) stamp(path string) error {
	if c.Clock == nil {
		return nil
	}
	now := c.Clock()
	if err := os.Chtimes(path, time.Time{}, now); err != nil {
		return fmt.Errorf("stamp %s: %w", path, err)
	}
	return nil
}
