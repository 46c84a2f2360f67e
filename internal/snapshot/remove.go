package snapshot

import (
	"bytes"
	"context"
	"path"
	"slices"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// Remove takes a snapshot away: at once for whoever looks, then its files. It is false, without an error, for what is
// no snapshot with a manifest of ours: a base image is its owner's.
func (s *Store) Remove(ctx context.Context, name string) (removed bool, err error) {
	dir, err := s.Dir(name)
	if err != nil {
		return false, nil //nolint:nilerr // a name of another sort
	}
	end, err := s.turn(ctx, name)
	if err != nil {
		return false, err
	}
	defer end()
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
	for _, left := range []string{s.pushDir(name), s.pullDir(name), gone} {
		if err := s.host.RemoveAll(ctx, left); err != nil {
			return fault.Op("remove snapshot "+name, err)
		}
	}
	return nil
}

// Unused lists the snapshots of this host that are in the bucket as well, whole, and that nobody used for a time: the
// copies here only save fetching them. What a reference of a registry leads to is in use.
func (s *Store) Unused(ctx context.Context, since time.Duration) (names []string, err error) {
	if s.bucket == nil {
		return nil, nil
	}
	err = s.each(ctx, func(org string, e host.FileInfo) error {
		name := org + "/" + e.Name
		unused, err := s.isUnused(ctx, name, since)
		if unused {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// RemoveUnused removes a snapshot if it still is one that [Store.Unused] lists.
func (s *Store) RemoveUnused(ctx context.Context, name string, since time.Duration) (removed bool, err error) {
	dir, err := s.Dir(name)
	if err != nil || s.bucket == nil {
		return false, err
	}
	end, err := s.turn(ctx, name)
	if err != nil {
		return false, err
	}
	defer end()
	if unused, err := s.isUnused(ctx, name, since); err != nil || !unused {
		return false, err
	}
	return true, s.remove(ctx, name, dir)
}

func (s *Store) isUnused(ctx context.Context, name string, since time.Duration) (bool, error) {
	dir, err := s.Dir(name)
	if err != nil {
		return false, nil //nolint:nilerr // what is on its way to be one
	}
	info, err := s.host.Lstat(ctx, path.Join(dir, ManifestName))
	if err != nil || time.Since(info.ModTime) < since {
		return false, unlessMissing(err)
	}
	referred, err := s.isReferred(ctx, dir)
	if err != nil || referred {
		return false, err
	}
	m, here, err := s.read(ctx, dir)
	if err != nil || !m.Verified() {
		return false, nil //nolint:nilerr // somebody else's: it stays
	}
	_, there, err := s.remote(ctx, name)
	if fault.Is(err, fault.Invalid) {
		return false, nil // the bucket's is damaged: this copy stays, and the others are looked at
	}
	if err != nil || !bytes.Equal(here, there) {
		return false, unlessMissing(err)
	}
	for _, f := range slices.Concat(m.Files, m.Images) {
		if _, whole, err := s.object(ctx, name, f); err != nil || !whole {
			return false, err
		}
	}
	return true, nil
}

// isReferred reports whether a reference leads to the directory.
func (s *Store) isReferred(ctx context.Context, dir string) (bool, error) {
	resolved, err := s.host.EvalSymlinks(ctx, dir) // as references are
	if err != nil {
		return false, unlessMissing(err)
	}
	refs := path.Join(s.dir, ".refs")
	entries, err := s.host.ReadDir(ctx, refs)
	if err != nil {
		return false, unlessMissing(err)
	}
	for _, e := range entries {
		if to, err := s.host.EvalSymlinks(ctx, path.Join(refs, e.Name)); err == nil && to == resolved {
			return true, nil
		}
	}
	return false, nil
}
