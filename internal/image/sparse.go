package image

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// sparseMagic begins an Android-sparse image: 0xED26FF3A, little endian (AOSP
// system/core/libsparse/sparse_format.h). The header that it begins has 28 bytes.
var sparseMagic = []byte{0x3a, 0xff, 0x26, 0xed}

const sparseHeader = 28

// refuseSparse finds Android-sparse images. Cuttlefish would convert them in place at the
// first start, which touches the base image of every other device.
func (c *Catalog) refuseSparse(ctx context.Context, dir string, files []File) error {
	if c.seenRaw(dir, files) {
		return nil
	}
	var images []string
	for _, f := range files {
		if isImage(f) && f.Size >= sparseHeader {
			images = append(images, filepath.Join(dir, f.Name))
		}
	}
	sparse, err := c.sparse(ctx, images)
	if err != nil {
		if _, gone := c.host.Lstat(ctx, dir); fault.Is(gone, fault.NotFound) { // a snapshot that is removed meanwhile
			return fault.NotFoundf("%s is not there any more", dir)
		}
		return err
	}
	if len(sparse) > 0 {
		return fault.Conflictf("the image is in Android's sparse format, which would be converted in place under running "+
			"devices: convert it once with: %s", convertCommand(sparse))
	}
	c.rememberRaw(dir, files)
	return nil
}

// sparse returns those of the images that begin with the magic. One command reads them all:
// their first four bytes, one after the other. It runs as the device user, so it also finds
// out whether cvd can read them.
func (c *Catalog) sparse(ctx context.Context, images []string) ([]string, error) {
	if len(images) == 0 {
		return nil, nil
	}
	n := len(sparseMagic)
	cmd := host.Command{Args: append([]string{"head", "-q", "-c", fmt.Sprint(n), "--"}, images...), Dir: "/"}
	res, err := c.host.Run(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("read the beginning of the images: %w", err)
	}
	if len(res.Stdout) != n*len(images) {
		return nil, fault.Conflictf("the images change while they are read")
	}
	var sparse []string
	for i, path := range images {
		if bytes.Equal(res.Stdout[i*n:(i+1)*n], sparseMagic) {
			sparse = append(sparse, path)
		}
	}
	return sparse, nil
}

func (c *Catalog) seenRaw(dir string, files []File) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.raw[dir]
	return ok && slices.EqualFunc(seen, files, File.same)
}

func (c *Catalog) rememberRaw(dir string, files []File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw[dir] = files
}

// convertCommand is a shell line for people; the runner never runs it.
func convertCommand(paths []string) string {
	lines := make([]string, len(paths))
	for i, p := range paths {
		lines[i] = fmt.Sprintf("simg2img %[1]s %[2]s && mv %[2]s %[1]s", quote(p), quote(p+".raw"))
	}
	return strings.Join(lines, " && ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
