package snapshot

import (
	"bytes"
	"context"
	"path"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// mend gives a snapshot of this host back what it lacks: files from the bucket, where that has the same snapshot, and links
// to base images. Conflict, saying what is missing, where it cannot.
func (s *Store) mend(ctx context.Context, l local, report func(sandbox.Progress)) error {
	lacking, err := s.lacks(ctx, l)
	if err != nil || len(lacking) == 0 {
		return err
	}
	if !s.own(l) {
		return fault.Conflictf("%s of it is not what its manifest says, and nothing is changed in %s: copy the snapshot to %s/%s, or mend it there",
			lacking[0].Name, l.dir, s.dir, l.name)
	}
	var files, images []File
	for _, f := range lacking {
		if strings.HasPrefix(f.Name, DataDir+"/") {
			files = append(files, f)
		} else {
			images = append(images, f)
		}
	}
	t := s.newPull(l.name)
	defer t.watch(lacking, report)()
	if err := t.fetchLost(ctx, l, files); err != nil {
		return err
	}
	for _, f := range images {
		if err := t.linkImage(ctx, l.dir, f); err != nil {
			return fault.Op("base image "+f.Name, err)
		}
	}
	return nil
}

// fetchLost fetches files that a snapshot of this host has lost.
func (t *pull) fetchLost(ctx context.Context, l local, files []File) error {
	if len(files) == 0 {
		return nil
	}
	switch _, raw, err := t.remote(ctx, l.name); {
	case fault.Is(err, fault.NotFound):
		return fault.Conflictf("%s of it is lost or damaged here, and cannot be fetched again: %v; remove it, and take it again", files[0].Name, err)
	case err == nil && !bytes.Equal(raw, l.raw):
		return fault.Conflictf("%s of it is lost or damaged here, and the bucket has another snapshot of that name: remove one of them", files[0].Name)
	case err != nil:
		return err
	}
	aside := t.pullDir(l.name)
	if err := t.preparePull(ctx, aside, l.raw); err != nil {
		return err
	}
	if err := t.fetchFiles(ctx, aside, files); err != nil {
		return err
	}
	if err := t.mendDataDir(ctx, l.dir); err != nil {
		return err
	}
	for _, f := range files {
		to := path.Join(l.dir, f.Name)
		if err := t.host.RemoveAll(ctx, to); err != nil { // it may be a directory, or a link
			return err
		}
		if err := t.host.Rename(ctx, path.Join(aside, f.Name), to); err != nil {
			return err
		}
	}
	return t.host.RemoveAll(ctx, aside)
}

// mendDataDir makes the directories of the saved files, also where something else is in their place: what that leads to is not
// the snapshot's.
func (s *Store) mendDataDir(ctx context.Context, dir string) error {
	for _, below := range []string{DataDir, DataDir + "/internal"} {
		info, err := s.host.Lstat(ctx, path.Join(dir, below))
		if err == nil && !info.Mode.IsDir() {
			err = s.host.RemoveAll(ctx, path.Join(dir, below))
		}
		if unlessMissing(err) != nil {
			return err
		}
	}
	return s.makeDataDir(ctx, dir)
}
