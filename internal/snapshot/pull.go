package snapshot

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/s3store"
)

const (
	pullMark = ".pull-" // <org>/.pull-<name>: a snapshot that is being fetched
	// partName holds the manifest until all that it lists is there.
	partName = ".manifest.part"
	// spare is the room that a fetched snapshot leaves on the disk, in bytes.
	spare = 1 << 30
	// pullKept is how long what was fetched is kept for a pull that goes on.
	pullKept = 24 * time.Hour
	// blockSize is that of [host.FileInfo], in bytes.
	blockSize = 512
)

// pull is one snapshot on its way from the bucket.
type pull struct{ transfer }

func (s *Store) newPull(name string) *pull { return &pull{transfer{Store: s, name: name}} }

// Pull sees to it that a snapshot is on this host with all files that its manifest lists, and base images that are those
// which it was taken with: this host's where they are the same, else the bucket's. NotFound where neither host nor bucket has
// it. What arrives is compared with the digests of the manifest before anybody sees it. A pull that was interrupted goes on
// with the files that it had not fetched.
func (s *Store) Pull(ctx context.Context, name string, report func(sandbox.Progress)) (err error) {
	defer func() { err = fault.Op("fetch snapshot "+name, err) }()
	end, err := s.turn(ctx, name)
	if err != nil {
		return err
	}
	defer end()
	l, err := s.here(ctx, name)
	if err != nil {
		return s.fetchMissing(ctx, l, err, report)
	}
	if err := s.mend(ctx, l, report); err != nil {
		return err
	}
	return s.noteUse(ctx, l)
}

// fetchMissing fetches a snapshot that is not here, or whose manifest cannot be read, which the error of reading it says. In that
// case what is left of it makes room, unless it was to be sent: nobody else has it then.
func (s *Store) fetchMissing(ctx context.Context, l local, unread error, report func(sandbox.Progress)) error {
	broken, err := s.isBroken(ctx, l, unread)
	if err != nil {
		return err
	}
	if !broken {
		if !fault.Is(unread, fault.NotFound) {
			return unread
		}
		return s.fetch(ctx, l.name, l.dir, report)
	}
	if _, err := s.host.Lstat(ctx, s.pushDir(l.name)); err == nil {
		return fault.Conflictf("its manifest is lost (%v), and it was not sent: remove it, or put the manifest back", unread)
	}
	if _, _, err := s.remote(ctx, l.name); err != nil {
		return fault.Conflictf("its manifest is lost (%v), and the snapshot cannot be fetched again: %v", unread, err)
	}
	if err := s.remove(ctx, l.name, l.dir); err != nil {
		return err
	}
	return s.fetch(ctx, l.name, l.dir, report)
}

// pullDir is where a snapshot is put together that is being fetched.
func (s *Store) pullDir(name string) string {
	org, snap, _ := strings.Cut(name, "/")
	return path.Join(s.dir, org, pullMark+snap)
}

// fetch makes a snapshot that is not here.
func (s *Store) fetch(ctx context.Context, name, dir string, report func(sandbox.Progress)) error {
	m, raw, err := s.remote(ctx, name)
	if err != nil {
		return err
	}
	if !m.Verified() {
		if m, err = s.list(ctx, name, m); err != nil {
			return err
		}
	}
	t, aside := s.newPull(name), s.pullDir(name)
	if err := s.preparePull(ctx, aside, raw); err != nil {
		return err
	}
	if err := t.fetchAll(ctx, aside, m, report); err != nil {
		return err
	}
	if err := s.host.RemoveAll(ctx, path.Join(aside, partName)); err != nil {
		return err
	}
	if err := s.host.WriteFile(ctx, path.Join(aside, ManifestName), raw, 0o644); err != nil {
		return err
	}
	return s.publish(ctx, aside, dir)
}

// preparePull makes the directory of a pull. What another pull left stays if it was of the same manifest.
func (s *Store) preparePull(ctx context.Context, aside string, raw []byte) error {
	part := path.Join(aside, partName)
	if left, err := s.host.ReadFile(ctx, part, 0); err == nil && bytes.Equal(left, raw) {
		return nil
	}
	if err := s.host.RemoveAll(ctx, aside); err != nil {
		return err
	}
	if err := s.makeDataDir(ctx, aside); err != nil {
		return err
	}
	return s.host.WriteFile(ctx, part, raw, 0o644)
}

func (t *pull) fetchAll(ctx context.Context, aside string, m Manifest, report func(sandbox.Progress)) error {
	defer t.watch(slices.Concat(m.Files, m.Images), report)()
	if err := t.fetchFiles(ctx, aside, m.Files); err != nil {
		return err
	}
	for _, f := range m.Images {
		if err := t.linkImage(ctx, aside, f); err != nil {
			return fault.Op(f.Name, err)
		}
	}
	return nil
}

// fetchFiles fetches what is not there already, if the disk has room for it.
func (t *pull) fetchFiles(ctx context.Context, aside string, files []File) error {
	var need int64
	for _, f := range files {
		need += f.Held()
		if info, err := t.host.Lstat(ctx, path.Join(aside, f.Name)); err == nil {
			need -= min(f.Held(), info.Blocks*blockSize)
		}
	}
	if err := t.hasRoom(ctx, need); err != nil {
		return err
	}
	for _, f := range files {
		if err := t.fetchFile(ctx, f, path.Join(aside, f.Name)); err != nil {
			return fault.Op(f.Name, err)
		}
	}
	return nil
}

// hasRoom refuses what would fill the disk, of which the devices live.
func (s *Store) hasRoom(ctx context.Context, need int64) error {
	_, free, err := s.host.DiskFree(ctx, path.Dir(s.dir))
	if err != nil {
		return err
	}
	if free < need+spare {
		return fault.Exhaustedf("it needs %d MiB, and %d MiB are free, of which %d stay free: make room in %s", need>>20, free>>20, spare>>20, s.dir)
	}
	return nil
}

func (t *pull) fetchFile(ctx context.Context, f File, to string) (err error) {
	if _, err := t.host.Lstat(ctx, to); err == nil {
		if t.isWhole(ctx, f, to) {
			t.there.Add(f.Size)
			return nil
		}
		if err := t.host.RemoveAll(ctx, to); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.host.RemoveAll(context.WithoutCancel(ctx), to))
		}
	}()
	if err := t.download(ctx, f, to); err != nil || f.SHA256 == "" {
		return err
	}
	t.say("check " + f.Name)
	err = t.check(ctx, f, to)
	if fault.Is(err, fault.Invalid) {
		err = fault.Op("it is damaged in the bucket", err)
	}
	return err
}

// isWhole reports whether a file that an earlier pull fetched is what it has to be.
func (t *pull) isWhole(ctx context.Context, f File, file string) bool {
	t.say("check " + f.Name)
	return f.SHA256 != "" && t.check(ctx, f, file) == nil
}

// download writes an object to a new file. What is more, or less, than the manifest says is not taken.
func (t *pull) download(ctx context.Context, f File, to string) (err error) {
	t.say("download " + f.Name)
	w, err := t.host.Create(ctx, to, f.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	from := key(t.name, f.object())
	if f.Encoding == Zstd {
		r, _, err := t.bucket.Open(ctx, from)
		if err != nil {
			return err
		}
		defer r.Close()
		return expand(w, r, f.Size, func(n int64) { t.there.Add(n) })
	}
	obj, err := t.bucket.Stat(ctx, from)
	if err != nil {
		return err
	}
	if obj.Size != f.Size {
		return fault.Invalidf("it has %d bytes in the bucket, and the manifest says %d", obj.Size, f.Size)
	}
	_, err = t.bucket.Download(ctx, from, w, s3store.DownloadOptions{ETag: obj.ETag, Plan: f.zeros(), Progress: &t.counts})
	return err
}
