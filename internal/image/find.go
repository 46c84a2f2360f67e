package image

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
)

// FindFile returns the path of a base image's file of that name, size and SHA-256, links resolved; empty where none of
// the base images has it. Images with a file of that name and size are read, each once.
func (c *Catalog) FindFile(ctx context.Context, name string, size int64, sha256 string) (string, error) {
	images, _, err := c.usable(ctx)
	if err != nil {
		return "", fault.Op("look for image file "+name, err)
	}
	for _, base := range images {
		at := slices.IndexFunc(base.Files, func(f File) bool { return f.Name == name && f.Size == size })
		if at < 0 {
			continue
		}
		read, err := c.Digest(ctx, base)
		switch {
		case ctx.Err() != nil:
			return "", fault.Op("look for image file "+name, ctx.Err())
		case err != nil || read.Files[at].SHA256 != sha256: // one that cannot be read is not what is looked for
			continue
		}
		return c.host.EvalSymlinks(ctx, filepath.Join(base.Dir, name))
	}
	return "", nil
}
