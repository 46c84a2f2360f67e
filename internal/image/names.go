package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// Names below the artifacts directory.
const (
	snapshotsDir = "snapshots"
	refsDir      = ".refs"
	productsDir  = ".products"
)

const maxName = 512

var component = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// path is the directory, link or not, that a name stands for: x is <artifacts>/x, org/x is
// <artifacts>/snapshots/org/x. A reference with a colon may hold anything printable, so it is
// hashed: <artifacts>/snapshots/.refs/<sha256>.
func (c *Catalog) path(name string) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fault.Invalidf("image name has %d characters, want 1 to %d", len(name), maxName)
	}
	if strings.Contains(name, ":") {
		if strings.ContainsFunc(name, unprintable) {
			return "", fault.Invalidf("image reference %q: want printable characters without spaces", name)
		}
		sum := sha256.Sum256([]byte(name))
		return filepath.Join(c.artifacts, snapshotsDir, refsDir, hex.EncodeToString(sum[:])), nil
	}
	parts := strings.Split(name, "/")
	for _, part := range parts {
		if !component.MatchString(part) {
			return "", fault.Invalidf("image name %q: want [A-Za-z0-9][A-Za-z0-9_.-]*, one slash at most", name)
		}
	}
	switch {
	case len(parts) == 1 && name != snapshotsDir:
		return filepath.Join(c.artifacts, name), nil
	case len(parts) == 2:
		return filepath.Join(c.artifacts, snapshotsDir, parts[0], parts[1]), nil
	default:
		return "", fault.Invalidf("image name %q: want name or organisation/name", name)
	}
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// List returns the names that can be asked for, in order: those of base images, then those
// with an organisation. References cannot be listed, for only their hash is on disk.
func (c *Catalog) List(ctx context.Context) ([]string, error) {
	names, err := c.bases(ctx)
	if err != nil {
		return nil, fault.Op("list images", err)
	}
	orgs, err := c.directories(ctx, filepath.Join(c.artifacts, snapshotsDir))
	if err != nil {
		return nil, fault.Op("list images", err)
	}
	for _, org := range orgs {
		snaps, err := c.directories(ctx, filepath.Join(c.artifacts, snapshotsDir, org))
		if err != nil {
			return nil, fault.Op("list images", err)
		}
		for _, snap := range snaps {
			names = append(names, org+"/"+snap)
		}
	}
	return names, nil
}

// bases lists the names of base images: those without an organisation.
func (c *Catalog) bases(ctx context.Context) ([]string, error) {
	names, err := c.directories(ctx, c.artifacts)
	return slices.DeleteFunc(names, func(name string) bool { return name == snapshotsDir }), err
}

// directories lists what is, or links to, a directory and is named like an image. A missing
// parent has none.
func (c *Catalog) directories(ctx context.Context, parent string) ([]string, error) {
	entries, err := c.host.ReadDir(ctx, parent)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if component.MatchString(e.Name) && c.isDir(ctx, filepath.Join(parent, e.Name), e) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (c *Catalog) isDir(ctx context.Context, path string, e host.FileInfo) bool {
	if e.Mode&fs.ModeSymlink == 0 {
		return e.Mode.IsDir()
	}
	target, err := c.host.Stat(ctx, path)
	return err == nil && target.Mode.IsDir()
}

// known lists a few names for the error that says an image does not exist.
func (c *Catalog) known(ctx context.Context) string {
	names, err := c.List(ctx)
	switch {
	case err != nil:
		return "what exists cannot be listed: " + err.Error()
	case len(names) == 0:
		return "there are none in " + c.artifacts
	case len(names) > 10:
		return "there are " + strings.Join(names[:10], ", ") + " and others"
	default:
		return "there are " + strings.Join(names, ", ")
	}
}
