package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// identity hashes name, size and content of each file; base has digests. Daytona makes names
// from the hash and keeps them, so the format stays as it is: a file's name holds neither NUL
// nor slash, which keeps two different lists from reading the same.
func identity(base Base) sandbox.Image {
	id := sandbox.Image{Name: base.Name}
	sum := sha256.New()
	for _, f := range base.Files {
		fmt.Fprintf(sum, "%s\x00%d\x00%s\n", f.Name, f.Size, f.SHA256)
		id.Bytes += f.Size
	}
	id.Hash = hex.EncodeToString(sum.Sum(nil))
	return id
}

// Exists reports whether Resolve would find an image of that name, without asking whether it is
// fit for use. An unlawful name is Invalid.
func (c *Catalog) Exists(ctx context.Context, name string) (bool, error) {
	switch _, _, err := c.find(ctx, name); {
	case err == nil:
		return true, nil
	case fault.Is(err, fault.NotFound):
		return false, nil
	default:
		return false, err
	}
}

// Inspect returns the identity of what Resolve finds, and fails as Resolve and Digest do. The
// first time it reads the whole image.
func (c *Catalog) Inspect(ctx context.Context, name string) (sandbox.Image, error) {
	base, err := c.Resolve(ctx, name)
	if err != nil {
		return sandbox.Image{}, err
	}
	return c.identify(ctx, base)
}

// InspectSource is Inspect for what Source finds.
func (c *Catalog) InspectSource(ctx context.Context, ref string) (sandbox.Image, error) {
	base, err := c.Source(ctx, ref)
	if err != nil {
		return sandbox.Image{}, err
	}
	return c.identify(ctx, base)
}

// identify reads the image, but for a snapshot, whose manifest says what it is made of. A file of that name beside a base
// image is somebody else's.
func (c *Catalog) identify(ctx context.Context, base Base) (sandbox.Image, error) {
	switch _, err := c.host.Lstat(ctx, filepath.Join(base.Dir, snapshot.DataDir)); {
	case err == nil:
		return c.identifySnapshot(ctx, base)
	case !fault.Is(err, fault.NotFound):
		return sandbox.Image{}, err
	}
	base, err := c.Digest(ctx, base)
	if err != nil {
		return sandbox.Image{}, err
	}
	return identity(base), nil
}

func (c *Catalog) identifySnapshot(ctx context.Context, base Base) (sandbox.Image, error) {
	manifest, err := c.host.ReadFile(ctx, filepath.Join(base.Dir, snapshot.ManifestName), 0)
	if err != nil {
		return sandbox.Image{}, err
	}
	id, err := snapshot.Identify(manifest)
	id.Name = base.Name
	return id, err
}
