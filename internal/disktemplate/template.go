package disktemplate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

const (
	templatesDir = ".templates" // below the artifacts: <key>/template.json and <key>/<number> for each file's content
	recordName   = "template.json"
	unfitName    = "unfit" // says why it is not used any more
	newMark      = ".new-"
	headName     = "overlay" // the first cluster of a fresh overlay

	maxTemplates = 64
)

// Site is where the files of one device are, as its composites name them: absolute.
type Site struct {
	GroupDir    string `json:"groupDir"` // of the cvd group, above its home
	InstanceDir string `json:"instanceDir"`
	Product     string `json:"product"` // directory of the images
}

// moves returns what becomes of a path of this site on another.
func (s Site) moves(to Site) func(string) string {
	pairs := [...][2]string{{s.InstanceDir, to.InstanceDir}, {s.GroupDir, to.GroupDir}, {s.Product, to.Product}} // the innermost first
	return func(p string) string {
		for _, pair := range pairs {
			if rest, inside := strings.CutPrefix(p, pair[0]); inside && (rest == "" || rest[0] == '/') {
				return pair[1] + rest
			}
		}
		return p
	}
}

// record is what template.json holds.
type record struct {
	Site  Site   `json:"site"`
	Files []part `json:"files"`
}

// part is one file of a device's directory.
type part struct {
	Name string `json:"name"` // below the device's directory
	Size int64  `json:"size"`
	Kind kind   `json:"kind"`
}

type kind string

const (
	composite kind = "composite" // names paths
	config    kind = "config"    // names paths, one on each line
	blank     kind = "blank"     // holds zeros
	content   kind = "content"
)

// Store is the templates of one artifacts directory. It is safe for concurrent use.
type Store struct {
	host host.Files
	dir  string
}

// New makes a store; nothing is touched.
func New(h host.Files, artifacts string) *Store {
	return &Store{host: h, dir: path.Join(artifacts, templatesDir)}
}

// Sweep removes what kills left half made, while none is being made.
func (s *Store) Sweep(ctx context.Context) error {
	entries, err := s.host.ReadDir(ctx, s.dir)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, newMark) {
			err = errors.Join(err, s.host.RemoveAll(ctx, path.Join(s.dir, e.Name)))
		}
	}
	return fault.Op("sweep disk templates", err)
}

// Key names the template for devices of these images and host tools: what assembly makes depends on names and sizes, with
// some images on what is in them, and on itself. Product directories of the same images have links to the same files.
func (s *Store) Key(ctx context.Context, product, hostPath string) (string, error) {
	sum := sha256.New()
	tool, err := s.host.Stat(ctx, path.Join(hostPath, "bin", "cvd_internal_start"))
	if err != nil {
		return "", fault.Op("name a disk template", err)
	}
	fmt.Fprintln(sum, hostPath, tool.Size, tool.ModTime.UnixNano())
	entries, err := s.host.ReadDir(ctx, product)
	if err != nil {
		return "", fault.Op("name a disk template", err)
	}
	slices.SortFunc(entries, func(a, b host.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range entries {
		if strings.HasPrefix(e.Name, ".") {
			continue
		}
		info, err := s.host.Stat(ctx, path.Join(product, e.Name))
		if err != nil {
			return "", fault.Op("name a disk template", err)
		}
		fmt.Fprintln(sum, e.Name, info.Size)
		if e.Mode&fs.ModeSymlink != 0 {
			fmt.Fprintln(sum, info.Inode, info.ModTime.UnixNano())
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// Usable reports whether there is a template of that name that nobody distrusts.
func (s *Store) Usable(ctx context.Context, key string) bool {
	_, err := s.host.Lstat(ctx, path.Join(s.dir, key, recordName))
	if err != nil {
		return false
	}
	_, err = s.host.Lstat(ctx, path.Join(s.dir, key, unfitName))
	return fault.Is(err, fault.NotFound)
}

// Distrust has a template never used again, and keeps why; nor is another made under its name.
func (s *Store) Distrust(ctx context.Context, key, why string) error {
	err := s.host.WriteFile(ctx, path.Join(s.dir, key, unfitName), []byte(why+"\n"), 0o644)
	return fault.Op("distrust disk template "+key, err)
}

func (s *Store) read(ctx context.Context, key string) (record, error) {
	var r record
	raw, err := s.host.ReadFile(ctx, path.Join(s.dir, key, recordName), 0)
	if err != nil {
		return r, err
	}
	err = json.Unmarshal(raw, &r)
	return r, fault.Wrap(fault.Internal, "read "+recordName, err)
}

// publish makes a directory that is complete the template of its name, and drops the oldest where there are too many.
func (s *Store) publish(ctx context.Context, aside, key string) error {
	entries, err := s.host.ReadDir(ctx, s.dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b host.FileInfo) int { return a.ModTime.Compare(b.ModTime) })
	for len(entries) > maxTemplates {
		if old := path.Join(s.dir, entries[0].Name); old != aside {
			if err := s.host.RemoveAll(ctx, old); err != nil {
				return err
			}
		}
		entries = entries[1:]
	}
	err = s.host.Rename(ctx, aside, path.Join(s.dir, key))
	if fault.Is(err, fault.Conflict) { // another device was faster
		return s.host.RemoveAll(ctx, aside)
	}
	return err
}

// build has a directory filled aside, which is removed where that fails.
func (s *Store) build(ctx context.Context, aside string, fill func() error) (err error) {
	if err := errors.Join(s.host.RemoveAll(ctx, aside), s.host.MkdirAll(ctx, aside, 0o755)); err != nil {
		return err
	}
	if err = fill(); err != nil {
		err = errors.Join(err, s.host.RemoveAll(context.WithoutCancel(ctx), aside))
	}
	return err
}
