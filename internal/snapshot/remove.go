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

// Remove takes a snapshot away: at once for whoever looks, then its files. It is false, without an error, for what holds no
// device's data: a base image is its owner's. What was sent of one that was not sent whole is removed from the bucket, if that can
// be reached.
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
	if _, err := s.host.Lstat(ctx, path.Join(dir, DataDir)); err != nil {
		return false, unlessMissing(err)
	}
	s.giveUp(ctx, name)
	return true, s.remove(ctx, name, dir)
}

// giveUp ends the claim of a sending that did not come to its end, and removes what was sent. Where the bucket cannot be reached
// that is left to [Store.Tidy].
func (s *Store) giveUp(ctx context.Context, name string) {
	ours, err := s.sends(ctx, name)
	if err != nil || ours == "" || s.bucket == nil {
		return
	}
	own, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	there, err := s.claimed(own, name)
	if err != nil || there.Sender != ours {
		return
	}
	if _, err := s.bucket.Stat(own, key(name, ManifestName)); fault.Is(err, fault.NotFound) {
		_ = s.removeObjects(own, name) // Tidy comes after it
	}
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
	return s.isSent(ctx, name, dir)
}

// isSent reports whether the bucket has a snapshot of this host, whole: the copy here is not the only good one.
func (s *Store) isSent(ctx context.Context, name, dir string) (bool, error) {
	m, here, err := s.read(ctx, dir)
	if err != nil || !m.Verified() {
		return false, nil //nolint:nilerr // somebody else's, or damaged: it stays
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
