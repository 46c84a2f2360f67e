package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// imagesDir, below the artifacts, holds base images that came with snapshots of other hosts: a file for each, named by
// its SHA-256, which links in the snapshots' directories lead to.
const imagesDir = ".images"

// Images finds base images of this host by what is in them.
type Images interface {
	// FindFile returns the path of a base image's file of that name and content; empty where there is none.
	FindFile(ctx context.Context, name string, size int64, sha256 string) (string, error)
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
	kept := path.Join(t.kept, f.SHA256)
	if info, err := t.host.Lstat(ctx, kept); f.SHA256 != "" && err == nil && info.Mode.IsRegular() && info.Size == f.Size {
		t.there.Add(f.Size)
		return kept, nil
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
	sum, err := t.host.SHA256(ctx, aside)
	if err != nil {
		return "", err
	}
	if f.SHA256 != "" && sum != f.SHA256 {
		return "", fault.Invalidf("it is damaged in the bucket: its digest is %s, and the manifest says %s", sum, f.SHA256)
	}
	kept = path.Join(t.kept, sum)
	return kept, t.host.Rename(ctx, aside, kept)
}

// mend sees to it that the links to base images lead to what the manifest says. An image that is newer than its link is
// read: somebody may have put another in its place.
func (s *Store) mend(ctx context.Context, name, dir string, m Manifest, report func(sandbox.Progress)) error {
	t := s.newPull(name)
	defer t.watch(m.Images, report)()
	for _, f := range m.Images {
		ok, err := s.isImage(ctx, path.Join(dir, f.Name), f)
		if err != nil {
			return fault.Op(f.Name, err)
		}
		if ok {
			t.there.Add(f.Size)
			continue
		}
		if err := t.linkImage(ctx, dir, f); err != nil {
			return fault.Op(fmt.Sprintf("base image %s of snapshot %s", f.Name, name), err)
		}
	}
	return nil
}

func (s *Store) isImage(ctx context.Context, link string, f File) (bool, error) {
	at, err := s.host.Lstat(ctx, link)
	if err != nil {
		return false, unlessMissing(err)
	}
	info, err := s.host.Stat(ctx, link)
	if err != nil || f.SHA256 == "" || info.Size != f.Size {
		return err == nil && f.SHA256 == "", unlessMissing(err)
	}
	if at.Mode&fs.ModeSymlink == 0 || !info.ModTime.After(at.ModTime) {
		return true, nil
	}
	sum, err := s.host.SHA256(ctx, link)
	return sum == f.SHA256, err
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
	err = s.each(ctx, func(org string, e host.FileInfo) error {
		if !e.Mode.IsDir() {
			return nil
		}
		return look(path.Join(s.dir, org, e.Name))
	})
	if err != nil {
		return nil, err
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
