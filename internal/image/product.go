package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	baseRecord = ".base.json" // in a product directory: the Base that it was made from
	buildMark  = ".new-"      // .products/.new-<name>: a product directory in the making
	gib        = 1 << 30
)

// Product returns the product directory for base and a disk of diskGiB, and makes it when it
// is missing: built aside, then renamed, so that it is complete wherever it is seen. Once it is
// there it is never touched. Conflict when it was made from files that are no longer base's.
func (c *Catalog) Product(ctx context.Context, base Base, diskGiB int) (string, error) {
	if diskGiB <= 0 {
		return "", fault.Invalidf("disk of %d GiB: want at least 1", diskGiB)
	}
	name := fmt.Sprintf("%s-%d", c.label(base), diskGiB)
	path := filepath.Join(c.artifacts, productsDir, name)
	c.building.Lock()
	defer c.building.Unlock()
	err := c.checkProduct(ctx, path, base, diskGiB)
	if fault.Is(err, fault.NotFound) {
		err = c.buildProduct(ctx, path, base, diskGiB)
	}
	if err != nil {
		return "", fault.Op(fmt.Sprintf("product directory of image %s with %d GiB", base.Name, diskGiB), err)
	}
	return path, nil
}

// label names the image in the product's name. It is that of the resolved directory: when the
// link android-LATEST moves on to a new image, that one gets a product directory of its own,
// and the devices of the former image keep theirs. Directories elsewhere than directly in
// artifacts may share a base name, and another snapshot may come to be where one was removed, so the label tells
// them apart by their path and by what is in them.
func (c *Catalog) label(base Base) string {
	name := filepath.Base(base.Dir)
	if filepath.Dir(base.Dir) == c.artifacts {
		return name
	}
	h := sha256.New()
	fmt.Fprintln(h, base.Dir)
	for _, f := range base.Files {
		fmt.Fprintln(h, f.Name, f.Size, f.Inode, f.ModTime.UnixNano())
	}
	sum := h.Sum(nil)
	return name[:min(len(name), 64)] + "-" + hex.EncodeToString(sum[:4])
}

// checkProduct is NotFound when there is no such directory.
func (c *Catalog) checkProduct(ctx context.Context, path string, base Base, diskGiB int) error {
	entries, err := c.host.ReadDir(ctx, path)
	if err != nil {
		return err
	}
	made, err := c.readRecord(ctx, path)
	if err != nil {
		return fault.Conflictf("%s was not made by this runner or is damaged (%v): %s", path, err, removeHint)
	}
	if changes := compare(made.Files, base.Files); made.Dir != base.Dir || len(changes) > 0 {
		return fault.Conflictf("%s was made from %s, which has changed since (%s): put a new image under a new name; %s",
			path, made.Dir, strings.Join(changes, "; "), removeHint)
	}
	there := map[string]int64{}
	for _, e := range entries {
		there[e.Name] = e.Size
	}
	for _, f := range base.Files {
		if _, ok := there[f.Name]; !ok {
			return fault.Conflictf("%s has lost %s: %s", path, f.Name, removeHint)
		}
	}
	if size := there[userdataName]; size != int64(diskGiB)*gib {
		return fault.Conflictf("%s: %s has %d bytes, want %d GiB: %s", path, userdataName, size, diskGiB, removeHint)
	}
	return nil
}

const removeHint = "remove the directory once no sandbox uses it"

func (c *Catalog) readRecord(ctx context.Context, path string) (Base, error) {
	data, err := c.host.ReadFile(ctx, filepath.Join(path, baseRecord), 0)
	if err != nil {
		return Base{}, err
	}
	var base Base
	if err := json.Unmarshal(data, &base); err != nil {
		return Base{}, err
	}
	return base, nil
}

func (c *Catalog) buildProduct(ctx context.Context, path string, base Base, diskGiB int) (err error) {
	aside := filepath.Join(filepath.Dir(path), buildMark+filepath.Base(path))
	if err := c.host.RemoveAll(ctx, aside); err != nil { // of a build that a kill cut short
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.host.RemoveAll(context.WithoutCancel(ctx), aside))
		}
	}()
	if err := c.host.MkdirAll(ctx, aside, 0o755); err != nil {
		return err
	}
	for _, f := range base.Files {
		// The images of a snapshot are links: devices must not depend on those.
		target, err := c.host.EvalSymlinks(ctx, filepath.Join(base.Dir, f.Name))
		if err != nil {
			return err
		}
		if err := c.host.Symlink(ctx, target, filepath.Join(aside, f.Name)); err != nil {
			return err
		}
	}
	userdata := filepath.Join(aside, userdataName)
	if err := c.host.CreateSparse(ctx, userdata, int64(diskGiB)*gib, 0o644); err != nil {
		return err
	}
	record, err := json.MarshalIndent(withoutDigests(base), "", "  ")
	if err != nil {
		return err
	}
	if err := c.host.WriteFile(ctx, filepath.Join(aside, baseRecord), append(record, '\n'), 0o644); err != nil {
		return err
	}
	for _, p := range []string{userdata, aside} {
		if err := c.host.GiveToDeviceUser(ctx, p); err != nil {
			return err
		}
	}
	return c.host.Rename(ctx, aside, path)
}

// withoutDigests leaves out what may be filled in later: the record is about identity.
func withoutDigests(base Base) Base {
	base.Files = slices.Clone(base.Files)
	for i := range base.Files {
		base.Files[i].SHA256 = ""
	}
	return base
}
