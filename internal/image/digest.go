package image

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// digestLimit ends a reading that hangs, so that the next one may try. Twenty gigabytes from a
// slow disk take less than ten minutes.
const digestLimit = 30 * time.Minute

// digestion is the reading of all files of one directory that is under way.
type digestion struct {
	files []File        // as they were listed when it began
	done  chan struct{} // closed at the end; the fields below are set then
	sums  []File        // files with digests
	err   error
}

// Digest returns base with the SHA-256 of every file. It reads all of them, which takes long;
// run it beside other work. A file is read once as long as it stays the same, whoever asks, however often, through
// whatever links, and in whatever life of the runner. Whoever leaves, because ctx ends, leaves the reading to
// go on: Daytona gives an inspection 30 seconds, and the next one must find more than the first.
// Conflict when the files are, or meanwhile became, others; where base has digests already those decide, and no time or
// inode does.
func (c *Catalog) Digest(ctx context.Context, base Base) (Base, error) {
	if !slices.ContainsFunc(base.Files, func(f File) bool { return f.SHA256 == "" }) {
		return base, fault.Op("digest image "+base.Name, c.confirm(ctx, base))
	}
	return c.read(ctx, base)
}

func (c *Catalog) read(ctx context.Context, base Base) (Base, error) {
	if err := c.Verify(ctx, base); err != nil {
		return Base{}, err
	}
	d := c.digestion(ctx, base.Dir, base.Files)
	select {
	case <-d.done:
	case <-ctx.Done():
		return Base{}, fault.Op("digest image "+base.Name, ctx.Err())
	}
	if d.err != nil {
		return Base{}, fault.Op("digest image "+base.Name, d.err)
	}
	if err := c.Verify(ctx, base); err != nil {
		return Base{}, err
	}
	base.Files = slices.Clone(d.sums)
	return base, nil
}

// confirm is a Conflict, saying what differs, where the files have not the digests that they had.
func (c *Catalog) confirm(ctx context.Context, base Base) error {
	now, err := c.files(ctx, base.Dir)
	if err != nil {
		return err
	}
	read, err := c.read(ctx, Base{Name: base.Name, Dir: base.Dir, Files: now})
	if err != nil {
		return err
	}
	if differ := compareContent(base.Files, read.Files); len(differ) > 0 {
		return fault.Conflictf("image %s changed in %s: %s", base.Name, base.Dir, strings.Join(differ, "; "))
	}
	return nil
}

// compareContent says, for people, how the content of now differs from then.
func compareContent(then, now []File) (changes []string) {
	sums := map[string]string{}
	for _, f := range now {
		sums[f.Name] = f.SHA256
	}
	for _, old := range then {
		sum, there := sums[old.Name]
		delete(sums, old.Name)
		switch {
		case !there:
			changes = append(changes, old.Name+" is gone")
		case sum != old.SHA256:
			changes = append(changes, fmt.Sprintf("%s has the digest %s, had %s", old.Name, sum, old.SHA256))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		changes = append(changes, name+" is new")
	}
	return changes
}

// digestion returns the reading of these files, which it begins unless there is one. One of
// former files of the directory goes on for those who wait for it, and is forgotten.
func (c *Catalog) digestion(ctx context.Context, dir string, files []File) *digestion {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.digests[dir]; ok && slices.EqualFunc(d.files, files, File.same) {
		return d
	}
	d := &digestion{files: files, done: make(chan struct{})}
	c.digests[dir] = d
	go c.digest(context.WithoutCancel(ctx), dir, d)
	return d
}

// digest reads the files. What was read is remembered file by file.
func (c *Catalog) digest(ctx context.Context, dir string, d *digestion) {
	ctx, cancel := context.WithTimeout(ctx, digestLimit)
	defer cancel()
	defer close(d.done)
	defer c.forget(dir, d)
	d.sums = slices.Clone(d.files)
	for i, f := range d.files {
		if d.sums[i].SHA256, d.err = c.SHA256(ctx, filepath.Join(dir, f.Name)); d.err != nil {
			return
		}
	}
}

func (c *Catalog) forget(dir string, d *digestion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.digests[dir] == d {
		delete(c.digests, dir)
	}
}

// SHA256 returns the hex digest of a file of the host, links followed, which is read if it was not as it is now. Two who ask
// at once may both read it.
func (c *Catalog) SHA256(ctx context.Context, file string) (string, error) {
	before, sum, err := c.remembered(ctx, file)
	if err != nil || sum != "" {
		return sum, err
	}
	if sum, err = c.host.SHA256(ctx, file); err != nil {
		return "", err
	}
	after, err := c.host.Stat(ctx, file)
	if err != nil {
		return "", err
	}
	if after.Stamp() != before {
		return "", fault.Conflictf("%s changed while it was read", file)
	}
	c.sums.remember(ctx, before, sum)
	return sum, nil
}

// remembered is the digest of a file that was read as it is now; empty where it was not.
func (c *Catalog) remembered(ctx context.Context, file string) (host.Stamp, string, error) {
	info, err := c.host.Stat(ctx, file)
	if err != nil {
		return host.Stamp{}, "", err
	}
	return info.Stamp(), c.sums.of(ctx, info.Stamp()), nil
}

// digested is Digest for what was read already.
func (c *Catalog) digested(ctx context.Context, base Base) (Base, bool) {
	base.Files = slices.Clone(base.Files)
	for i, f := range base.Files {
		_, sum, err := c.remembered(ctx, filepath.Join(base.Dir, f.Name))
		if err != nil || sum == "" {
			return Base{}, false
		}
		base.Files[i].SHA256 = sum
	}
	return base, true
}
