package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/s3store"
)

const (
	snapshotsDir = "snapshots"
	newMark      = ".new-" // <org>/.new-<name>: a snapshot in the making
	goneMark     = ".gone-"
)

// Options are what a store is made of.
type Options struct {
	Host      host.Host
	Artifacts string         // absolute
	Bucket    *s3store.Store // where other hosts find snapshots; nil: they stay on this one
	Images    Images         // nil: no base image is known but those of snapshots
	Compress  bool           // the saved files are written as zstd in the bucket
}

// Store is the snapshots of one artifacts directory, and of the bucket that hosts share. It is safe for concurrent use;
// pulls of one name take
// turns, and of its takings, pushes and removals only one may be under way, which its caller sees to.
type Store struct {
	host     host.Host
	bucket   *s3store.Store
	images   Images
	compress bool
	dir      string // <artifacts>/snapshots
	other    string // where the specification has snapshots as well; they are read there, and never written
	kept     string // base images that came from the bucket
	products string // of devices: what they lead to is in use

	publishing sync.Mutex    // one rename at a time
	fetching   chan struct{} // holds a value while a base image is fetched

	turns   sync.Mutex               // guards pulling
	pulling map[string]chan struct{} // the pulls under way, by name; closed at their ends

	reading sync.Mutex // guards known
	known   map[stamp]File
}

// New makes a store; nothing is touched.
func New(o Options) *Store {
	return &Store{
		host: o.Host, bucket: o.Bucket, images: o.Images, compress: o.Compress, known: map[stamp]File{},
		fetching: make(chan struct{}, 1), pulling: map[string]chan struct{}{},
		dir:      path.Join(o.Artifacts, snapshotsDir),
		other:    path.Join(path.Dir(path.Clean(o.Artifacts)), snapshotsDir),
		kept:     path.Join(o.Artifacts, imagesDir),
		products: path.Join(o.Artifacts, ".products"),
	}
}

// Split takes a snapshot's name apart; Invalid unless it is "org/name" with lawful parts.
func Split(name string) (org, snap string, err error) {
	org, snap, found := strings.Cut(name, "/")
	if !found || !component.MatchString(org) || !component.MatchString(snap) {
		return "", "", fault.Invalidf("snapshot name %.200q: want ORGANISATION/NAME of letters, digits, '.', '_' and '-'", name)
	}
	return org, snap, nil
}

// Dir is where the snapshot of a lawful name is, or would be.
func (s *Store) Dir(name string) (string, error) {
	org, snap, err := Split(name)
	return path.Join(s.dir, org, snap), err
}

// place is Dir, or the specification's other directory where only that has it.
func (s *Store) place(ctx context.Context, name string) (string, error) {
	dir, err := s.Dir(name)
	if err != nil {
		return "", err
	}
	if _, err := s.host.Lstat(ctx, dir); fault.Is(err, fault.NotFound) {
		other := path.Join(s.other, name)
		if _, err := s.host.Lstat(ctx, path.Join(other, ManifestName)); err == nil {
			return other, nil
		}
	}
	return dir, nil
}

// Read returns the manifest of a snapshot directory. NotFound where there is none: the directory is then a base image, or
// nothing.
func (s *Store) Read(ctx context.Context, dir string) (Manifest, error) {
	m, _, err := s.read(ctx, dir)
	return m, err
}

func (s *Store) read(ctx context.Context, dir string) (Manifest, []byte, error) {
	file := path.Join(dir, ManifestName)
	info, err := s.host.Lstat(ctx, file)
	if err != nil {
		return Manifest{}, nil, err
	}
	if !info.Mode.IsRegular() {
		return Manifest{}, nil, fault.Invalidf("%s is not a regular file", file)
	}
	raw, err := s.host.ReadFile(ctx, file, 0)
	if err != nil {
		return Manifest{}, nil, err
	}
	m, err := Parse(raw)
	return m, raw, fault.Op(file, err)
}

// HasData reports whether an image directory is a snapshot of a device's data. Invalid where it is one that has lost its
// disk: it is no base image either.
func (s *Store) HasData(ctx context.Context, dir string) (bool, error) {
	if _, err := s.host.Lstat(ctx, path.Join(dir, DataDir)); err != nil {
		return false, unlessMissing(err)
	}
	disk := path.Join(dir, DataDir, overlayName)
	info, err := s.host.Lstat(ctx, disk)
	if err == nil && info.Mode.IsRegular() {
		return true, nil
	}
	if unlessMissing(err) != nil {
		return false, err
	}
	return false, fault.Invalidf("the snapshot in %s has lost its disk %s: remove it here, and it is fetched again where the bucket has it", dir, disk)
}

// Remove takes a snapshot away: at once for whoever looks, then its files. It is false, without an error, for what is
// no snapshot with a manifest of ours: a base image is its owner's.
func (s *Store) Remove(ctx context.Context, name string) (removed bool, err error) {
	dir, err := s.Dir(name)
	if err != nil {
		return false, nil //nolint:nilerr // a name of another sort
	}
	if m, err := s.Read(ctx, dir); err != nil || !m.Verified() {
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			err = nil
		}
		return false, err
	}
	return true, s.remove(ctx, name, dir)
}

func (s *Store) remove(ctx context.Context, name, dir string) error {
	gone := path.Join(path.Dir(dir), goneMark+path.Base(dir))
	if err := s.host.RemoveAll(ctx, gone); err != nil {
		return fault.Op("remove snapshot "+name, err)
	}
	if err := s.host.Rename(ctx, dir, gone); err != nil && !fault.Is(err, fault.NotFound) {
		return fault.Op("remove snapshot "+name, err)
	}
	// The mark goes after what it marks: a snapshot that nobody has removed yet is still to be sent.
	if err := s.host.RemoveAll(ctx, s.pushDir(name)); err != nil {
		return fault.Op("remove snapshot "+name, err)
	}
	return fault.Op("remove snapshot "+name, s.host.RemoveAll(ctx, gone))
}

// Sweep removes what kills left half made or half removed, and says what it was. What a pull left it keeps for a day.
func (s *Store) Sweep(ctx context.Context) (removed []string, err error) {
	err = s.each(ctx, func(org string, e host.FileInfo) error {
		left := path.Join(s.dir, org, e.Name)
		if over, err := s.isOver(ctx, org, e); err != nil || !over {
			return err
		}
		if err := s.host.RemoveAll(ctx, left); err != nil {
			return err
		}
		removed = append(removed, left)
		return nil
	})
	if err != nil {
		return removed, err
	}
	images, err := s.sweepImages(ctx)
	return append(removed, images...), err
}

// isOver reports whether an entry of an organisation's directory is what a kill left, while nothing is under way.
func (s *Store) isOver(ctx context.Context, org string, e host.FileInfo) (bool, error) {
	switch {
	case strings.HasPrefix(e.Name, newMark), strings.HasPrefix(e.Name, goneMark):
		return true, nil
	case strings.HasPrefix(e.Name, pullMark):
		return time.Since(e.ModTime) >= pullKept, nil
	default: // what is to be sent, and was not published, or is gone
		_, marked, err := s.toSend(ctx, org, e)
		return marked && fault.Is(err, fault.NotFound), unlessMissing(err)
	}
}

// Unused lists the snapshots of this host that are in the bucket as well, and of which nothing was made for a time: the
// copies here only save fetching them. What a reference of a registry leads to is in use.
func (s *Store) Unused(ctx context.Context, since time.Duration) (names []string, err error) {
	if s.bucket == nil {
		return nil, nil
	}
	referred, err := s.referred(ctx)
	if err != nil {
		return nil, err
	}
	err = s.each(ctx, func(org string, e host.FileInfo) error {
		dir, name := path.Join(s.dir, org, e.Name), org+"/"+e.Name
		info, err := s.host.Lstat(ctx, path.Join(dir, ManifestName))
		if err != nil || !component.MatchString(e.Name) || time.Since(info.ModTime) < since {
			return unlessMissing(err)
		}
		resolved, err := s.host.EvalSymlinks(ctx, dir) // as references are
		if err != nil || referred[resolved] {
			return unlessMissing(err)
		}
		_, here, err := s.read(ctx, dir)
		if err != nil {
			return nil //nolint:nilerr // somebody else's: it stays
		}
		_, there, err := s.remote(ctx, name)
		if fault.Is(err, fault.Invalid) {
			return nil // the bucket's is damaged: this copy stays, and the others are looked at
		}
		if err == nil && bytes.Equal(here, there) {
			names = append(names, name)
		}
		return unlessMissing(err)
	})
	return names, err
}

// referred are the directories, links resolved, that references lead to.
func (s *Store) referred(ctx context.Context) (map[string]bool, error) {
	refs := path.Join(s.dir, ".refs")
	entries, err := s.host.ReadDir(ctx, refs)
	if err != nil {
		return nil, unlessMissing(err)
	}
	dirs := map[string]bool{}
	for _, e := range entries {
		if dir, err := s.host.EvalSymlinks(ctx, path.Join(refs, e.Name)); err == nil {
			dirs[dir] = true
		}
	}
	return dirs, nil
}

// each calls do with every entry of every organisation's directory, hidden ones included, until it fails.
func (s *Store) each(ctx context.Context, do func(org string, e host.FileInfo) error) error {
	orgs, err := s.host.ReadDir(ctx, s.dir)
	if err != nil {
		return unlessMissing(err)
	}
	for _, org := range orgs {
		if !org.Mode.IsDir() || !component.MatchString(org.Name) {
			continue
		}
		entries, err := s.host.ReadDir(ctx, path.Join(s.dir, org.Name))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := do(org.Name, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// write puts the manifest into a directory that is not published yet.
func (s *Store) write(ctx context.Context, dir string, m Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, "write a manifest", err)
	}
	if _, err := Parse(data); err != nil { // what nobody could read would stand in the way of its name
		return err
	}
	return s.host.WriteFile(ctx, path.Join(dir, ManifestName), append(data, '\n'), 0o644)
}

// publish makes a directory that is complete the snapshot of its name. Conflict when there is one.
func (s *Store) publish(ctx context.Context, aside, dir string) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if _, err := s.host.Lstat(ctx, dir); err == nil {
		return fault.Conflictf("there is a snapshot at %s already: remove it first", dir)
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.Op(fmt.Sprintf("publish %s", dir), s.host.Rename(ctx, aside, dir))
}
