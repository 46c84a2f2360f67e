package snapshot

import (
	"context"
	"errors"
	"path"

	"github.com/daytonaio/runner-android/internal/fault"
)

// replaceable reports whether there is a snapshot of the name that makes room for another of the same sandbox. Conflict
// where there is one that does not.
func (s *Store) replaceable(ctx context.Context, name, dir, sandbox string) (bool, error) {
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
	switch _, _, err := s.remote(ctx, name); {
	case fault.Is(err, fault.NotFound):
		return true, nil
	case err != nil && !fault.Is(err, fault.Invalid):
		return false, fault.Op("there is one already that may have been sent", err)
	default:
		return false, taken
	}
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

// putBackOld ends a replacement that a kill cut short.
func (s *Store) putBackOld(ctx context.Context, dir string, removed *[]string) error {
	old := path.Join(path.Dir(dir), oldMark+path.Base(dir))
	if _, err := s.host.Lstat(ctx, dir); fault.Is(err, fault.NotFound) {
		return s.host.Rename(ctx, old, dir)
	}
	*removed = append(*removed, old)
	return s.host.RemoveAll(ctx, old)
}
