package snapshot

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// local is a snapshot of this host.
type local struct {
	name, dir string
	m         Manifest
	raw       []byte // the manifest as it is written
}

// own reports whether it is in the artifacts, and not in the specification's other directory, where nothing is written.
func (s *Store) own(l local) bool { return strings.HasPrefix(l.dir, s.dir+"/") }

// here finds the snapshot of a name on this host; NotFound where there is none.
func (s *Store) here(ctx context.Context, name string) (l local, err error) {
	l.name = name
	if l.dir, err = s.place(ctx, name); err != nil {
		return l, err
	}
	l.m, l.raw, err = s.read(ctx, l.dir)
	return l, err
}

// isBroken reports whether a snapshot of this host holds data and has no manifest that can be read, which the error of
// reading it says.
func (s *Store) isBroken(ctx context.Context, l local, unread error) (bool, error) {
	if !s.own(l) || errors.Is(unread, errNewer) || !fault.Is(unread, fault.NotFound) && !fault.Is(unread, fault.Invalid) {
		return false, nil
	}
	_, err := s.host.Lstat(ctx, path.Join(l.dir, DataDir))
	return err == nil, unlessMissing(err)
}

// Use notes that something is made of a snapshot of this host, and reports whether it is whole: that its files are what the
// manifest says, and its base images those that it was taken with. NotFound where it is not here.
func (s *Store) Use(ctx context.Context, name string) (whole bool, err error) {
	defer func() { err = fault.Op("look at snapshot "+name, err) }()
	end, err := s.turn(ctx, name)
	if err != nil {
		return false, err
	}
	defer end()
	l, err := s.here(ctx, name)
	if err != nil {
		if broken, looked := s.isBroken(ctx, l, err); looked != nil || broken {
			return false, looked
		}
		return false, err
	}
	if err := s.noteUse(ctx, l); err != nil {
		return false, err
	}
	lacks, err := s.lacks(ctx, l)
	return len(lacks) == 0, err
}

// isThere is an error where a saved file of a snapshot directory is not what the manifest says.
func (s *Store) isThere(ctx context.Context, dir string, f File) error {
	if err := s.staysInside(ctx, dir, f.Name); err != nil {
		return err
	}
	file := path.Join(dir, f.Name)
	info, err := s.host.Lstat(ctx, file)
	if err != nil {
		return err
	}
	switch {
	case !info.Mode.IsRegular():
		return fault.Invalidf("%s is not a regular file", file)
	case info.Size != f.Size:
		return fault.Invalidf("%s has %d bytes, and the manifest says %d", file, info.Size, f.Size)
	case f.SHA256 == "":
		return nil
	}
	return s.check(ctx, f, file)
}

func (s *Store) noteUse(ctx context.Context, l local) error {
	if !s.own(l) {
		return nil
	}
	return s.host.Chtimes(ctx, path.Join(l.dir, ManifestName), time.Now())
}

// lacks are the files and base images of a snapshot that are not what its manifest says. What was read for that is not read
// again to be put back, for as long as nobody touches it.
func (s *Store) lacks(ctx context.Context, l local) (lacking []File, err error) {
	for _, f := range l.m.Files {
		err := s.isThere(ctx, l.dir, f)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil { // also where it cannot be read
			lacking = append(lacking, f)
		}
	}
	for _, f := range l.m.Images {
		ok, err := s.isImage(ctx, path.Join(l.dir, f.Name), f)
		if err != nil {
			return nil, fault.Op(f.Name, err)
		}
		if !ok {
			lacking = append(lacking, f)
		}
	}
	return lacking, nil
}
