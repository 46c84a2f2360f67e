package assemble

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// Run prepares the disks. It must not run twice at the same time for one instance.
func Run(c Config) (Result, error) {
	var res Result
	paths, err := c.components()
	if err != nil {
		return res, err
	}
	if c.Snapshot != "" {
		return c.restore(paths)
	}
	keep := false
	if !c.NoResume {
		reason, err := c.rebuildNeeded(paths)
		if err != nil {
			return res, err
		}
		if reason == "" && c.ForceWipe {
			reason = "a fault was asked for"
		}
		if keep = reason == ""; !keep {
			c.logf("Requested resuming a previous session, but the base images have changed under the overlay. "+
				"Wiping the overlay files. (%s)", reason)
			res.Wiped = true
		}
	}
	before, statErr := os.Stat(c.overlay())
	if err := c.clean(keep); err != nil {
		return res, err
	}
	if err := c.createImages(); err != nil {
		return res, err
	}
	size, err := c.buildComposite(paths)
	if err != nil {
		return res, err
	}
	if err := c.buildOverlay(size); err != nil {
		return res, err
	}
	if err := c.buildPersistent(); err != nil {
		return res, err
	}
	after, err := os.Stat(c.overlay())
	if err != nil {
		return res, fmt.Errorf("look at the overlay: %w", err)
	}
	// Writing the overlay anew keeps its inode, so ask the rule instead.
	res.OverlayKept = statErr == nil && keep && after.ModTime().Equal(before.ModTime()) && os.SameFile(before, after)
	c.logf("Disks of instance %d are ready (overlay kept: %t)", c.Instance, res.OverlayKept)
	return res, nil
}

// blank is a file that is made when it is missing.
type blank struct {
	path string
	size int64
}

const mib = 1 << 20

// createImages makes what is missing, and the blank userdata of AlwaysCreate at every start.
func (c Config) createImages() error {
	blanks := []blank{
		{c.metadata(), 64 * mib},
		{c.misc(), mib},
		{c.in("sdcard.img"), int64(c.SDCardMB) * mib},
		{c.in("pflash.img"), 4 * mib},
		{c.in("uboot_env.img"), 73728},
		{c.in("persistent_vbmeta.img"), 65536},
		{c.in("access-kregistry"), 2 * mib},
		{c.in("pstore"), 2 * mib},
		{c.in("internal", "hwcomposer-pmem"), 2 * mib},
		{c.in("internal", "factory_reset_protected.img"), mib},
		{c.in("internal", "bootconfig"), 4096},
		{c.in("os_composite_gpt_header.img"), gptHeaderSize},
		{c.in("os_composite_gpt_footer.img"), gptFooterSize},
	}
	if c.userdata() == c.in("userdata.img") {
		blanks = append(blanks, blank{c.userdata(), int64(c.BlankMB) * mib})
	}
	for _, b := range blanks {
		if err := c.createBlank(b); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) createBlank(b blank) error {
	if _, err := os.Stat(b.path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o775); err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	if err := errors.Join(f.Truncate(b.size), f.Close()); err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	return c.stamp(b.path)
}

// buildComposite writes the composite when a rebuild is needed by now, and returns its length. Since
// 1.32 a composite that would not change is left alone, with its old time.
func (c Config) buildComposite(paths []string) (int64, error) {
	spec, err := layOut(paths)
	if err != nil {
		return 0, err
	}
	reason, err := c.rebuildNeeded(paths)
	if err != nil || reason == "" {
		return spec.Length, err
	}
	if err := os.WriteFile(c.in("os_composite_disk_config.txt"), []byte(diskConfig(paths)), 0o644); err != nil {
		return 0, fmt.Errorf("write the disk configuration: %w", err)
	}
	content := spec.Marshal()
	old, err := os.ReadFile(c.composite())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the composite: %w", err)
	}
	if c.Version.AtLeast(1, 32) && bytes.Equal(old, content) {
		return spec.Length, nil
	}
	c.logf("Building the OS composite disk: %s", reason)
	if err := os.WriteFile(c.composite(), content, 0o644); err != nil {
		return 0, fmt.Errorf("write the composite: %w", err)
	}
	return spec.Length, c.stamp(c.composite())
}

// buildOverlay makes the overlay when there is none or when it is older than the composite.
func (c Config) buildOverlay(size int64) error {
	if old, err := c.overlayTooOld(); err != nil || !old {
		return err
	}
	c.logf("Creating the overlay")
	style := qcow2.Old
	if c.CompositeBacking {
		style = qcow2.New
	}
	image, err := qcow2.Create(c.overlay(), qcow2.Options{Size: size, Backing: c.composite(), Style: style})
	if err != nil {
		return err
	}
	if err := image.Close(); err != nil {
		return fmt.Errorf("create overlay: %w", err)
	}
	return c.stamp(c.overlay())
}

// overlayTooOld reports whether there is no overlay, or one that is older than the composite.
func (c Config) overlayTooOld() (bool, error) {
	composite, err := os.Stat(c.composite())
	if err != nil {
		return false, fmt.Errorf("look at the composite: %w", err)
	}
	overlay, err := os.Stat(c.overlay())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look at the overlay: %w", err)
	}
	return overlay.ModTime().Before(composite.ModTime()), nil
}

// buildPersistent writes the second, writable disk: boot arguments and what outlives a factory reset.
func (c Config) buildPersistent() error {
	paths := []string{
		c.in("uboot_env.img"), c.in("persistent_vbmeta.img"), c.in("internal", "factory_reset_protected.img"),
		c.in("internal", "bootconfig"),
	}
	spec, err := layOut(paths)
	if err != nil {
		return err
	}
	for i := range spec.Components {
		spec.Components[i].Writable = true
	}
	if err := os.WriteFile(c.in("persistent_composite_disk_config.txt"), []byte(diskConfig(paths)), 0o644); err != nil {
		return fmt.Errorf("write the disk configuration: %w", err)
	}
	if err := os.WriteFile(c.in("persistent_composite.img"), spec.Marshal(), 0o644); err != nil {
		return fmt.Errorf("write the persistent composite: %w", err)
	}
	return nil
}
