package image

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// digestLimit ends a reading that hangs, so that the next one may try. Twenty gigabytes from a
// slow disk take less than ten minutes.
const digestLimit = 30 * time.Minute

// digestion is the reading of all files of one directory, under way or done.
type digestion struct {
	files []File        // as they were listed when it began
	done  chan struct{} // closed at the end; the fields below are set then
	sums  []File        // files with digests
	err   error
}

// Digest returns base with the SHA-256 of every file. It reads all of them, which takes long;
// run it beside other work. The files of a directory are read once as long as they stay the
// same, whoever asks and however often. Whoever leaves, because ctx ends, leaves the reading to
// go on: Daytona gives an inspection 30 seconds, and the next one must find more than the first.
// Conflict when the files are, or meanwhile became, others.
func (c *Catalog) Digest(ctx context.Context, base Base) (Base, error) {
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

// digest reads the files. One that fails is forgotten before anybody hears of it, so that who
// asks again is not told the same.
func (c *Catalog) digest(ctx context.Context, dir string, d *digestion) {
	ctx, cancel := context.WithTimeout(ctx, digestLimit)
	defer cancel()
	defer close(d.done)
	d.sums = slices.Clone(d.files)
	for i, f := range d.files {
		d.sums[i].SHA256, d.err = c.host.SHA256(ctx, filepath.Join(dir, f.Name))
		if d.err != nil {
			c.forget(dir, d)
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

// digested is Digest for what was read already.
func (c *Catalog) digested(base Base) (Base, bool) {
	c.mu.Lock()
	d, ok := c.digests[base.Dir]
	c.mu.Unlock()
	if !ok || !slices.EqualFunc(d.files, base.Files, File.same) {
		return Base{}, false
	}
	select {
	case <-d.done:
		base.Files = slices.Clone(d.sums)
		return base, d.err == nil
	default:
		return Base{}, false
	}
}
