package snapshot

import (
	"context"
	"errors"
	"path"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/qcow2"
)

// graftMark is behind the name of a file that is on its way into an instance's directory.
const graftMark = ".new"

// ErrRemoved is that a snapshot was removed while a device was made of it.
var ErrRemoved = errors.New("the snapshot was removed meanwhile")

// Graft puts the saved files of a snapshot directory into the place of those of a stopped device, which has been started
// once from the same images. Each file is replaced in one step, the disk first; doing it again does the same. Conflict,
// saying what differs, where the disk does not fit, or, with [ErrRemoved], the snapshot is not there any more; Invalid where
// a file is not what the manifest says. On failure the device is a mixture and has to be grafted again or removed.
func (s *Store) Graft(ctx context.Context, dir string, m Manifest, instanceDir string) (err error) {
	defer func() {
		if err == nil {
			return
		}
		if _, gone := s.host.Lstat(ctx, path.Join(dir, ManifestName)); fault.Is(gone, fault.NotFound) {
			err = fault.Wrap(fault.Conflict, "put back "+dir, ErrRemoved)
		}
	}()
	if err := s.graftDisk(ctx, dir, m, instanceDir); err != nil {
		return fault.Op("graft the disk of "+dir, err)
	}
	for _, f := range savedFiles() {
		if !f.back || f.name == overlayName {
			continue
		}
		if err := s.putBack(ctx, dir, m, instanceDir, f.name); err != nil {
			return fault.Op("put back "+f.name+" of "+dir, err)
		}
	}
	return nil
}

func (s *Store) graftDisk(ctx context.Context, dir string, m Manifest, instanceDir string) error {
	from, to := path.Join(dir, DataDir, overlayName), path.Join(instanceDir, overlayName)
	if err := s.verify(ctx, m, dir, overlayName); err != nil {
		return err
	}
	saved, err := s.header(ctx, from)
	if err != nil {
		return err
	}
	fresh, err := s.header(ctx, to)
	if err != nil {
		return err
	}
	if err := saved.Fits(fresh); err != nil {
		return err
	}
	return s.replace(ctx, from, to, func(aside string) error { return s.host.Overwrite(ctx, to, aside, qcow2.ClusterSize) })
}

// putBack replaces one file. One that the snapshot has not is removed: host and guest would not fit otherwise.
func (s *Store) putBack(ctx context.Context, dir string, m Manifest, instanceDir, name string) error {
	from, to := path.Join(dir, DataDir, name), path.Join(instanceDir, name)
	if err := s.staysInside(ctx, instanceDir, name); err != nil {
		return err
	}
	if _, err := s.host.Lstat(ctx, from); fault.Is(err, fault.NotFound) {
		if _, listed := m.file(name); listed {
			return fault.Invalidf("the manifest lists it, and it is not there")
		}
		return s.host.RemoveAll(ctx, to)
	}
	if err := s.verify(ctx, m, dir, name); err != nil {
		return err
	}
	if err := s.makeDir(ctx, path.Dir(to)); err != nil {
		return err
	}
	return s.replace(ctx, from, to, func(string) error { return nil })
}

// makeDir makes a directory of the device, which assembly has to be able to write into and to remove.
func (s *Store) makeDir(ctx context.Context, dir string) error {
	if _, err := s.host.Lstat(ctx, dir); !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.host.MkdirAll(ctx, dir, 0o755); err != nil {
		return err
	}
	return s.host.GiveToDeviceUser(ctx, dir)
}

// replace copies a file beside the one that it replaces, has it changed, and renames it over it.
func (s *Store) replace(ctx context.Context, from, to string, change func(aside string) error) (err error) {
	aside := to + graftMark
	if err := s.host.RemoveAll(ctx, aside); err != nil { // of a graft that a kill cut short
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.host.RemoveAll(context.WithoutCancel(ctx), aside))
		}
	}()
	if _, err := s.host.Copy(ctx, from, aside); err != nil {
		return err
	}
	if err := change(aside); err != nil {
		return err
	}
	if err := s.host.GiveToDeviceUser(ctx, aside); err != nil {
		return err
	}
	return s.host.Rename(ctx, aside, to)
}

// staysInside is a Conflict where a directory between base and what is below it is a link: what that leads to is not the
// device's, and not the snapshot's.
func (s *Store) staysInside(ctx context.Context, base, below string) error {
	for dir := path.Dir(below); dir != "."; dir = path.Dir(dir) {
		info, err := s.host.Lstat(ctx, path.Join(base, dir))
		if unlessMissing(err) != nil {
			return err
		}
		if err == nil && !info.Mode.IsDir() {
			return fault.Conflictf("%s is not a directory", path.Join(base, dir))
		}
	}
	return nil
}

// verify compares a saved file with what the manifest says of it. Of an unverified manifest there is nothing to compare.
func (s *Store) verify(ctx context.Context, m Manifest, dir, name string) error {
	file := path.Join(dir, DataDir, name)
	if listed, there := m.file(name); there {
		return fault.Op(file+" is damaged", s.isThere(ctx, dir, listed))
	}
	if m.Verified() {
		return fault.Invalidf("%s is there, and the manifest does not list it", file)
	}
	if err := s.staysInside(ctx, dir, path.Join(DataDir, name)); err != nil {
		return err
	}
	info, err := s.host.Lstat(ctx, file)
	if err == nil && !info.Mode.IsRegular() {
		err = fault.Invalidf("%s is not a regular file", file)
	}
	return err
}
