package snapshot

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// askLimit is how long the bucket may take to say whether it has a snapshot that is about to be taken.
const askLimit = 5 * time.Second

// Free is a Conflict, saying why, where Take would find the name taken, for whoever has something to do before it.
func (s *Store) Free(ctx context.Context, name, sandbox string) error {
	dir, err := s.Dir(name)
	if err == nil {
		_, err = s.isFree(ctx, name, dir, sandbox)
	}
	return fault.Op("take snapshot "+name, err)
}

// isFree is a Conflict where the name is taken, here or in the bucket, which could not be sent then. One of the same sandbox
// that was to be sent and was not is replaced. A bucket that does not answer hinders no first taking: what is wrong with it is
// said when the snapshot is to be sent.
func (s *Store) isFree(ctx context.Context, name, dir, sandbox string) (replaces bool, err error) {
	replaces, err = s.isUnsent(ctx, name, dir, sandbox)
	if err != nil {
		return false, err
	}
	own, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	switch _, _, err := s.remote(own, name); {
	case err == nil, fault.Is(err, fault.Invalid):
		return false, fault.Conflictf("there is one in the bucket already: remove it there as well (everywhere)")
	case replaces && !fault.Is(err, fault.NotFound):
		return false, fault.Op("there is one already that may have been sent", err)
	default:
		return replaces, nil
	}
}

// isUnsent reports whether there is a snapshot of the name that is to be sent and makes room for another of the same sandbox.
// Conflict where there is one that does not.
func (s *Store) isUnsent(ctx context.Context, name, dir, sandbox string) (bool, error) {
	if _, err := s.host.Lstat(ctx, dir); err != nil {
		return false, unlessMissing(err)
	}
	taken := fault.Conflictf("there is one already: remove it first")
	if _, err := s.host.Lstat(ctx, s.pushDir(name)); err != nil {
		return false, errors.Join(taken, unlessMissing(err))
	}
	if m, _, err := s.read(ctx, dir); err != nil || m.Source != sandbox {
		return false, errors.Join(taken, err)
	}
	return true, nil
}

// replaceOld publishes a snapshot in the place of another. A kill leaves one of the two (see [Store.Sweep]).
func (s *Store) replaceOld(ctx context.Context, aside, dir string) error {
	old := path.Join(path.Dir(dir), oldMark+path.Base(dir))
	if err := s.host.RemoveAll(ctx, old); err != nil {
		return err
	}
	if err := s.host.Rename(ctx, dir, old); err != nil {
		return err
	}
	if err := s.publish(ctx, aside, dir); err != nil {
		return errors.Join(err, s.host.Rename(context.WithoutCancel(ctx), old, dir))
	}
	return s.host.RemoveAll(context.WithoutCancel(ctx), old)
}

// isReplaced reports whether the replacement of a snapshot came, and puts the old one back where a kill came before it.
func (s *Store) isReplaced(ctx context.Context, org, snap string) (bool, error) {
	dir := path.Join(s.dir, org, snap)
	_, err := s.host.Lstat(ctx, dir)
	if fault.Is(err, fault.NotFound) {
		err = s.host.Rename(ctx, path.Join(s.dir, org, oldMark+snap), dir)
		return false, err
	}
	return err == nil, err
}
