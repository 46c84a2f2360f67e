package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// imagesDir, below the artifacts, holds base images that came with snapshots of other hosts: a file for each, named by
// its SHA-256, which links in the snapshots' directories lead to.
const imagesDir = ".images"

// Images finds base images of this host by what is in them.
type Images interface {
	// FindFile returns the path of a base image's file of that name and content; empty where there is none.
	FindFile(ctx context.Context, name string, size int64, sha256 string) (string, error)
	// SHA256 returns the digest of a file, links followed, in hex. It is read once for as long as nobody touches it.
	SHA256(ctx context.Context, file string) (string, error)
}

// linkImage makes a link to a base image of a snapshot in dir: to this host's where it has the same, else to one that is
// fetched from the bucket.
func (t *pull) linkImage(ctx context.Context, dir string, f File) error {
	target, err := t.imageFile(ctx, f)
	if err != nil {
		return err
	}
	link := path.Join(dir, f.Name)
	if err := t.host.RemoveAll(ctx, link); err != nil {
		return err
	}
	return t.host.Symlink(ctx, target, link)
}

func (t *pull) imageFile(ctx context.Context, f File) (string, error) {
	t.say("look for " + f.Name)
	if f.SHA256 != "" && t.images != nil {
		found, err := t.images.FindFile(ctx, f.Name, f.Size, f.SHA256)
		if err != nil || found != "" {
			t.there.Add(f.Size)
			return found, err
		}
	}
	select {
	case t.fetching <- struct{}{}: // two snapshots may want the same
		defer func() { <-t.fetching }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if f.SHA256 != "" {
		kept := path.Join(t.kept, f.SHA256)
		if ok, err := t.isImage(ctx, kept, f); err != nil || ok {
			t.there.Add(f.Size)
			return kept, err
		}
	}
	if t.bucket == nil {
		return "", fault.Conflictf("base image %s (%d bytes, SHA-256 %s) is not on this host any more, and there is no bucket to fetch it from", f.Name, f.Size, f.SHA256)
	}
	return t.fetchImage(ctx, f)
}

func (t *pull) fetchImage(ctx context.Context, f File) (kept string, err error) {
	aside := path.Join(t.kept, newMark+"image")
	if err := errors.Join(t.host.RemoveAll(ctx, aside), t.host.MkdirAll(ctx, t.kept, 0o755)); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.host.RemoveAll(context.WithoutCancel(ctx), aside))
		}
	}()
	if err := t.hasRoom(ctx, f.Size); err != nil {
		return "", err
	}
	if err := t.download(ctx, f, aside); err != nil {
		return "", err
	}
	t.say("check " + f.Name)
	sum, err := t.sum(ctx, aside)
	if err != nil {
		return "", err
	}
	if f.SHA256 != "" && sum != f.SHA256 {
		return "", fault.Invalidf("it is damaged in the bucket: its digest is %s, and the manifest says %s", sum, f.SHA256)
	}
	kept = path.Join(t.kept, sum)
	return kept, t.host.Rename(ctx, aside, kept)
}

// isImage reports whether a link, or a file in its place, has the content of a base image. It is read unless it was before
// and nobody has touched it since: no time of a file tells what is in it.
func (s *Store) isImage(ctx context.Context, file string, f File) (bool, error) {
	info, err := s.host.Stat(ctx, file)
	if err != nil || f.SHA256 == "" {
		return err == nil, unlessMissing(err)
	}
	if !info.Mode.IsRegular() || info.Size != f.Size {
		return false, nil
	}
	sum, err := s.sum(ctx, file)
	return sum == f.SHA256, unlessMissing(err)
}

func (s *Store) sum(ctx context.Context, file string) (string, error) {
	if s.images == nil {
		return s.host.SHA256(ctx, file)
	}
	return s.images.SHA256(ctx, file)
}

// unlessMissing drops the error that something is not there.
func unlessMissing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// sweepImages removes fetched base images that neither a snapshot nor a device's product directory leads to. Where it
// cannot be told what leads where, all stay.
func (s *Store) sweepImages(ctx context.Context) (removed []string, err error) {
	kept, err := s.host.ReadDir(ctx, s.kept)
	if err != nil || len(kept) == 0 {
		return nil, unlessMissing(err)
	}
	used, err := s.usedImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range kept {
		if used[e.Name] {
			continue
		}
		file := path.Join(s.kept, e.Name)
		if err := s.host.RemoveAll(ctx, file); err != nil {
			return removed, err
		}
		removed = append(removed, file)
	}
	return removed, nil
}

// usedImages are the names of the fetched base images that something leads to.
func (s *Store) usedImages(ctx context.Context) (map[string]bool, error) {
	kept, err := s.host.EvalSymlinks(ctx, s.kept) // the artifacts may be behind a link themselves
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	look := func(dir string) error {
		entries, err := s.host.ReadDir(ctx, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Mode&fs.ModeSymlink == 0 {
				continue
			}
			target, err := s.host.EvalSymlinks(ctx, path.Join(dir, e.Name))
			if unlessMissing(err) != nil {
				return err
			}
			if err == nil && path.Dir(target) == kept {
				used[path.Base(target)] = true
			}
		}
		return nil
	}
	for _, root := range []string{s.dir, s.other} {
		err := s.eachIn(ctx, root, func(org string, e host.FileInfo) error {
			if !e.Mode.IsDir() {
				return nil
			}
			return look(path.Join(root, org, e.Name))
		})
		if err != nil {
			return nil, err
		}
	}
	products, err := s.host.ReadDir(ctx, s.products)
	if unlessMissing(err) != nil {
		return nil, err
	}
	for _, p := range products {
		if !p.Mode.IsDir() {
			continue
		}
		if err := look(path.Join(s.products, p.Name)); err != nil {
			return nil, err
		}
	}
	return used, nil
}
