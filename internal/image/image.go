package image

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// Base is a base image as it was when it was resolved. It is kept with each device.
type Base struct {
	Name     string `json:"name"`      // as it was asked for
	Dir      string `json:"dir"`       // where the images are, links resolved
	HostPath string `json:"host_path"` // the host package that goes with them
	Files    []File `json:"files"`     // by name
}

// File is one file of a base image; where it is a link, what the link leads to.
type File struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mtime"`
	Inode   uint64    `json:"inode"`
	SHA256  string    `json:"sha256,omitempty"` // hex; empty until Digest
}

func (f File) same(g File) bool {
	return f.Name == g.Name && f.Size == g.Size && f.Inode == g.Inode && f.ModTime.Equal(g.ModTime)
}

const (
	userdataName = "userdata.img"
	launcherName = "bin/cvd_internal_start" // what makes a directory a host package
)

// Catalog finds base images and makes product directories. It is safe for concurrent use; two
// catalogs of one artifacts directory, also in two processes, must not make products or links at
// once.
type Catalog struct {
	host      host.Host
	artifacts string
	cvdHome   string

	sums *sums // of files that were read

	building sync.Mutex // one product directory at a time
	linking  sync.Mutex // one reference at a time

	mu      sync.Mutex
	raw     map[string][]File     // by directory: files that were seen not to be Android-sparse
	digests map[string]*digestion // those under way, by directory
}

// NewCatalog makes a catalog of the images below artifacts. Images without a host package of
// their own use the one in cvdHome. Nothing is touched.
func NewCatalog(h host.Host, artifacts, cvdHome string) *Catalog {
	return &Catalog{
		host: h, artifacts: filepath.Clean(artifacts), cvdHome: cvdHome,
		raw: map[string][]File{}, digests: map[string]*digestion{}, sums: newSums(h, filepath.Clean(artifacts)),
	}
}

// Resolve finds the base image of a name. An unlawful name is Invalid; an unknown one is
// NotFound, and the error says what exists; Android-sparse files are a Conflict that names the
// command to convert them; a missing host package is Unavailable.
func (c *Catalog) Resolve(ctx context.Context, name string) (Base, error) {
	dir, files, err := c.find(ctx, name)
	if err != nil {
		return Base{}, err
	}
	if err := c.refuseSparse(ctx, dir, files); err != nil {
		return Base{}, fault.Op("resolve image "+name, err)
	}
	hostPath, err := c.hostPath(ctx, dir)
	if err != nil {
		return Base{}, fault.Op("resolve image "+name, err)
	}
	return Base{Name: name, Dir: dir, HostPath: hostPath, Files: files}, nil
}

// find is the part of Resolve that says whether there is such an image.
func (c *Catalog) find(ctx context.Context, name string) (dir string, files []File, err error) {
	if dir, err = c.dir(ctx, name); err != nil {
		return "", nil, err
	}
	files, err = c.files(ctx, dir)
	if err != nil {
		return "", nil, fault.Op("resolve image "+name, err)
	}
	if !slices.ContainsFunc(files, isImage) {
		return "", nil, fault.NotFoundf("image %s: %s holds no disk image (*.img): %s", name, dir, c.known(ctx))
	}
	return dir, files, nil
}

// dir is the directory that a name leads to, links resolved.
func (c *Catalog) dir(ctx context.Context, name string) (string, error) {
	path, err := c.path(name)
	if err != nil {
		return "", err
	}
	dir, err := c.host.EvalSymlinks(ctx, path)
	if org, _, _ := snapshot.Split(name); fault.Is(err, fault.NotFound) && org != "" {
		// The specification has snapshots beside the artifacts, too.
		dir, err = c.host.EvalSymlinks(ctx, strings.Replace(path, c.artifacts, filepath.Dir(c.artifacts), 1))
	}
	if fault.Is(err, fault.NotFound) {
		return "", fault.NotFoundf("image %s does not exist at %s: %s", name, path, c.known(ctx))
	}
	return dir, fault.Op("resolve image "+name, err)
}

// Leads is the snapshot, "org/name", whose directory a name leads to, whether or not all of it is there; empty where it is
// another directory. NotFound where the name leads nowhere.
func (c *Catalog) Leads(ctx context.Context, name string) (string, error) {
	dir, err := c.dir(ctx, name)
	if err != nil {
		return "", err
	}
	for _, parent := range []string{c.artifacts, filepath.Dir(c.artifacts)} {
		snapshots, err := c.host.EvalSymlinks(ctx, filepath.Join(parent, snapshotsDir))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", fault.Op("resolve image "+name, err)
		}
		below, inside := strings.CutPrefix(dir, snapshots+"/")
		if _, _, err := snapshot.Split(below); inside && err == nil {
			return below, nil
		}
	}
	return "", nil
}

func isImage(f File) bool { return strings.HasSuffix(f.Name, ".img") }

// files lists the files of an image directory that a device is made from: all but hidden ones,
// archives that were unpacked into it, and userdata, which every product has of its own.
func (c *Catalog) files(ctx context.Context, dir string) ([]File, error) {
	entries, err := c.host.ReadDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		if strings.HasPrefix(e.Name, ".") || e.Name == userdataName || e.Name == snapshot.ManifestName || isArchive(e.Name) || e.Mode.IsDir() {
			continue
		}
		info, err := c.host.Stat(ctx, filepath.Join(dir, e.Name))
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", e.Name, err)
		}
		if info.Mode.IsRegular() {
			files = append(files, File{Name: e.Name, Size: info.Size, ModTime: info.ModTime, Inode: info.Inode})
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func isArchive(name string) bool {
	return slices.ContainsFunc([]string{".tar", ".tar.gz", ".tgz", ".zip"}, func(end string) bool {
		return strings.HasSuffix(name, end)
	})
}

// hostPath finds the host package: the image directory itself, its host/, or CVD_HOME.
func (c *Catalog) hostPath(ctx context.Context, dir string) (string, error) {
	places := []string{dir, filepath.Join(dir, "host"), c.cvdHome}
	for _, place := range places {
		switch _, err := c.host.Stat(ctx, filepath.Join(place, launcherName)); {
		case err == nil:
			return place, nil
		case !fault.Is(err, fault.NotFound):
			return "", err
		}
	}
	return "", fault.Unavailablef("no host package: looked for %s in %s; unpack cvd-host_package.tar.gz into one of them",
		launcherName, strings.Join(places, ", "))
}

// Verify compares a base image with what is on disk now. A Conflict says what changed: devices
// made from it lose their data at their next start.
func (c *Catalog) Verify(ctx context.Context, base Base) error {
	now, err := c.files(ctx, base.Dir)
	if fault.Is(err, fault.NotFound) {
		return fault.Conflictf("image %s: %s", base.Name, err)
	}
	if err != nil {
		return fault.Op("verify image "+base.Name, err)
	}
	if changes := compare(base.Files, now); len(changes) > 0 {
		return fault.Conflictf("image %s changed in %s: %s", base.Name, base.Dir, strings.Join(changes, "; "))
	}
	return nil
}

// compare says, for people, how now differs from then. Both are sorted by name.
func compare(then, now []File) (changes []string) {
	byName := make(map[string]File, len(now))
	for _, f := range now {
		byName[f.Name] = f
	}
	for _, old := range then {
		f, there := byName[old.Name]
		delete(byName, old.Name)
		switch {
		case !there:
			changes = append(changes, old.Name+" is gone")
		case f.Size != old.Size:
			changes = append(changes, fmt.Sprintf("%s has %d bytes, had %d", f.Name, f.Size, old.Size))
		case !f.ModTime.Equal(old.ModTime):
			changes = append(changes, fmt.Sprintf("%s is of %s, was of %s", f.Name, stamp(f.ModTime), stamp(old.ModTime)))
		case f.Inode != old.Inode:
			changes = append(changes, f.Name+" was replaced by another file")
		}
	}
	for _, f := range now {
		if _, fresh := byName[f.Name]; fresh {
			changes = append(changes, f.Name+" is new")
		}
	}
	return changes
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
