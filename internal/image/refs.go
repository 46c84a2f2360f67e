package image

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// refName is the name of a reference below .refs; a link in the making has another.
var refName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Link makes ref a name of the image that Source finds for source, and returns its identity under
// that name. A reference that led elsewhere leads there from then on; at no time does it lead
// nowhere, and repeating the call is success. It leads to the directory itself: when the link
// android-LATEST moves on, the reference does not.
//
// A name without a colon is a directory of the operator's: success when it is that image already,
// Conflict when it is another, Invalid when it does not exist. It is a Conflict, too, when ref
// names a hash that is not the image's.
func (c *Catalog) Link(ctx context.Context, source, ref string) (sandbox.Image, error) {
	path, err := c.path(ref)
	if err != nil {
		return sandbox.Image{}, err
	}
	base, err := c.Source(ctx, source)
	if err != nil {
		return sandbox.Image{}, err
	}
	if !isRef(ref) {
		err = c.isAlready(ctx, ref, base)
	}
	if err != nil {
		return sandbox.Image{}, err
	}
	base.Name = ref
	id, err := c.identify(ctx, base)
	if err != nil {
		return sandbox.Image{}, err
	}
	if hash, ok := hashIn(ref); ok && hash != id.Hash {
		return sandbox.Image{}, fault.Conflictf("image %s has the hash %s, which is not that of %s: "+
			"the image was changed since it was inspected; inspect it again", source, id.Hash, ref)
	}
	if isRef(ref) {
		if err := c.link(ctx, base.Dir, path); err != nil {
			return sandbox.Image{}, fault.Op("link image "+ref, err)
		}
	}
	return id, nil
}

func isRef(name string) bool { return strings.Contains(name, ":") }

// isAlready refuses to make a name that is the operator's to make.
func (c *Catalog) isAlready(ctx context.Context, name string, base Base) error {
	dir, _, err := c.find(ctx, name)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.Invalidf("image name %q has no tag: only names with a colon can be given to an image; "+
			"others are directories in %s", name, c.artifacts)
	case err != nil:
		return err
	case dir != base.Dir:
		return fault.Conflictf("image name %s is taken: it is the directory %s, not %s; choose a name with a tag",
			name, dir, base.Dir)
	}
	return nil
}

// link makes path a link to dir, in place of any link that is there.
func (c *Catalog) link(ctx context.Context, dir, path string) (err error) {
	c.linking.Lock()
	defer c.linking.Unlock()
	switch info, err := c.host.Lstat(ctx, path); {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return err
	case info.Mode&fs.ModeSymlink == 0:
		return fault.Conflictf("%s was not made by this runner: move it away", path)
	default:
		if now, err := c.host.EvalSymlinks(ctx, path); err == nil && now == dir {
			return nil
		}
	}
	aside := filepath.Join(filepath.Dir(path), buildMark+filepath.Base(path))
	if err := c.host.RemoveAll(ctx, aside); err != nil { // of a call that a kill cut short
		return err
	}
	if err := c.host.MkdirAll(ctx, filepath.Dir(path), 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.host.RemoveAll(context.WithoutCancel(ctx), aside))
		}
	}()
	if err := c.host.Symlink(ctx, dir, aside); err != nil {
		return err
	}
	return c.host.Rename(ctx, aside, path)
}

// Unlink takes back a name that Link gave, and reports whether there was one. Images stay: for
// the name of a base image, and for an unknown one, it is false without an error.
func (c *Catalog) Unlink(ctx context.Context, name string) (removed bool, err error) {
	if !isRef(name) {
		return false, nil
	}
	path, err := c.path(name)
	if err != nil {
		return false, err
	}
	c.linking.Lock()
	defer c.linking.Unlock()
	info, err := c.host.Lstat(ctx, path)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, fault.Op("unlink image "+name, err)
	case info.Mode&fs.ModeSymlink == 0: // an image that somebody put there
		return false, nil
	}
	if err := c.host.RemoveAll(ctx, path); err != nil {
		return false, fault.Op("unlink image "+name, err)
	}
	return true, nil
}

// Count returns how many names can be asked for: those of List, and the references.
func (c *Catalog) Count(ctx context.Context) (int, error) {
	names, err := c.List(ctx)
	if err != nil {
		return 0, err
	}
	n, parent := len(names), filepath.Join(c.artifacts, snapshotsDir, refsDir)
	entries, err := c.host.ReadDir(ctx, parent)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return 0, fault.Op("count images", err)
	}
	for _, e := range entries {
		if refName.MatchString(e.Name) && c.isDir(ctx, filepath.Join(parent, e.Name), e) {
			n++
		}
	}
	return n, nil
}
