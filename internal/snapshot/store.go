package snapshot

import (
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
	oldMark      = ".old-" // <org>/.old-<name>: one that another is about to replace
)

// Options are what a store is made of.
type Options struct {
	Host      host.Host
	Artifacts string         // absolute
	Bucket    *s3store.Store // where other hosts find snapshots; nil: they stay on this one
	Images    Images         // nil: no base image is known but those of snapshots
	Compress  bool           // the saved files are written as zstd in the bucket
}

// Store is the snapshots of one artifacts directory, and of the bucket that hosts share. It is safe for concurrent use.
// Whatever makes one name whole, or removes it, waits for its turn; that a name is not taken or sent while another of its
// takings, sendings and removals is under way is left to the caller.
type Store struct {
	host     host.Host
	bucket   *s3store.Store
	images   Images
	compress bool
	dir      string // <artifacts>/snapshots
	other    string // where the specification has snapshots as well; they are read there, and nothing is written
	kept     string // base images that came from the bucket
	products string // of devices: what they lead to is in use

	publishing sync.Mutex    // one rename at a time
	fetching   chan struct{} // holds a value while a base image is fetched

	turns sync.Mutex               // guards busy
	busy  map[string]chan struct{} // the names whose turn it is; closed at their ends

	reading sync.Mutex // guards known
	known   map[host.Stamp]File
}

// New makes a store; nothing is touched.
func New(o Options) *Store {
	return &Store{
		host: o.Host, bucket: o.Bucket, images: o.Images, compress: o.Compress, known: map[host.Stamp]File{},
		fetching: make(chan struct{}, 1), busy: map[string]chan struct{}{},
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

// Read returns the manifest of a snapshot directory, with what tells it from all others: empty of one that may still be completed.
// NotFound where there is none: the directory is then a base image, or nothing.
func (s *Store) Read(ctx context.Context, dir string) (m Manifest, hash string, err error) {
	m, raw, err := s.read(ctx, dir)
	if err == nil && m.Verified() {
		hash = m.image(raw).Hash
	}
	return m, hash, err
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
// disk: it is no base image either. Conflict, with [ErrRemoved], where the directory goes meanwhile, or another takes its place:
// what is not there any more is not taken for what never was.
func (s *Store) HasData(ctx context.Context, dir string) (bool, error) {
	was, err := s.host.Lstat(ctx, dir)
	if err == nil {
		saved, looked := s.hasData(ctx, dir)
		var is host.FileInfo
		if is, err = s.host.Lstat(ctx, dir); err == nil && is.Inode == was.Inode {
			return saved, looked
		}
	}
	if unlessMissing(err) != nil {
		return false, err
	}
	return false, fault.Wrap(fault.Conflict, dir, ErrRemoved)
}

func (s *Store) hasData(ctx context.Context, dir string) (bool, error) {
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

// Sweep removes what kills left half made or half removed, and says what it was, while nothing else is under way. What a
// pull left it keeps for a day.
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

// isOver reports whether an entry of an organisation's directory is what a kill left, while nothing is under way. A snapshot
// whose replacement did not come is put back.
func (s *Store) isOver(ctx context.Context, org string, e host.FileInfo) (bool, error) {
	switch {
	case strings.HasPrefix(e.Name, newMark), strings.HasPrefix(e.Name, goneMark):
		return true, nil
	case strings.HasPrefix(e.Name, oldMark):
		return s.isReplaced(ctx, org, strings.TrimPrefix(e.Name, oldMark))
	case strings.HasPrefix(e.Name, pullMark):
		return time.Since(e.ModTime) >= pullKept, nil
	default: // what is to be sent, and was not published, or is gone
		_, marked, err := s.toSend(ctx, org, e)
		return marked && fault.Is(err, fault.NotFound), unlessMissing(err)
	}
}

// each calls do with every entry of every organisation's directory, hidden ones included, until it fails.
func (s *Store) each(ctx context.Context, do func(org string, e host.FileInfo) error) error {
	return s.eachIn(ctx, s.dir, do)
}

// eachIn is each for another directory of snapshots.
func (s *Store) eachIn(ctx context.Context, root string, do func(org string, e host.FileInfo) error) error {
	orgs, err := s.host.ReadDir(ctx, root)
	if err != nil {
		return unlessMissing(err)
	}
	for _, org := range orgs {
		if !org.Mode.IsDir() || !component.MatchString(org.Name) {
			continue
		}
		entries, err := s.host.ReadDir(ctx, path.Join(root, org.Name))
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

// turn waits until nobody else makes the snapshot of a name whole, or removes it. The turn lasts until end is called.
func (s *Store) turn(ctx context.Context, name string) (end func(), err error) {
	for {
		s.turns.Lock()
		other, busy := s.busy[name]
		if !busy {
			mine := make(chan struct{})
			s.busy[name] = mine
			s.turns.Unlock()
			return func() {
				s.turns.Lock()
				defer s.turns.Unlock()
				delete(s.busy, name)
				close(mine)
			}, nil
		}
		s.turns.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
