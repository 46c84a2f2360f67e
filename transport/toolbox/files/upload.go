package files

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
)

const (
	// maxSent bounds a path in a form; the device takes less.
	maxSent = 8 << 10
	// maxOpen is how many paths a form may name.
	maxOpen = 10_000
	// maxErrors is how many errors about files are listed.
	maxErrors = 100
)

// upload takes the form's field "file"; others are passed over.
func (d *Door) upload(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	form, err := c.Multipart()
	if err != nil {
		return err
	}
	for {
		part, err := form.Next()
		if errors.Is(err, io.EOF) {
			return fault.Invalidf("the form has no field \"file\"")
		}
		if err != nil {
			return err
		}
		if part.FormName() != "file" {
			continue
		}
		if _, err := u.Put(u.ctx, name, partReader{part}); err != nil {
			return err
		}
		return drain(form)
	}
}

// drain reads a form to its end, so that a form that breaks off behind its file is not taken for a whole one.
func drain(form *transport.Form) error {
	for {
		if _, err := form.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// partReader gives the errors of a part that breaks off their kind: those of the body have one.
type partReader struct{ part *multipart.Part }

// Read implements io.Reader.
func (r partReader) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err != nil && !isEnd(err) && fault.Is(err, fault.Internal) {
		err = fault.Invalidf("malformed request: %v", err)
	}
	return n, err
}

// isEnd reports whether err is io.EOF itself: wrapped, it is the end of a body that broke off.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// uploaded is one file that is there.
type uploaded struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// bulk is a form with many files on its way in.
type bulk struct {
	use    *use
	paths  map[string]string // by index
	files  []uploaded
	errors []string
	failed int
}

func (b *bulk) fail(format string, args ...any) {
	if b.failed++; b.failed <= maxErrors {
		b.errors = append(b.errors, fmt.Sprintf(format, args...))
	}
}

// bulkUpload takes pairs of parts: "files[N].path", then "files[N].file". A file that cannot be written
// does not keep the others from being so. When the device is lost, the rest is not read.
func (d *Door) bulkUpload(c *transport.Ctx, u *use) error {
	form, err := c.Multipart()
	if err != nil {
		return c.JSON(http.StatusBadRequest, map[string][]string{"errors": {"invalid multipart form"}})
	}
	b := bulk{use: u, paths: map[string]string{}}
	for {
		part, err := form.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if fault.Is(err, fault.Invalid) {
			b.fail("reading part: %v", err)
			break
		}
		if err == nil {
			err = b.take(part)
		}
		if err != nil {
			return err
		}
	}
	if b.failed == 0 {
		return c.JSON(http.StatusOK, map[string]any{"files": b.files})
	}
	if more := b.failed - maxErrors; more > 0 {
		b.errors = append(b.errors, fmt.Sprintf("and %d more", more))
	}
	return c.JSON(http.StatusBadRequest, map[string]any{"errors": b.errors, "files": b.files})
}

// take takes one part. Its errors are those behind which no other part can be taken.
func (b *bulk) take(part *multipart.Part) error {
	name := part.FormName()
	if field, ok := strings.CutSuffix(name, ".path"); ok {
		b.path(index(field), part)
		return nil
	}
	field, ok := strings.CutSuffix(name, ".file")
	if !ok {
		return nil
	}
	sent, ok := b.paths[index(field)]
	if !ok {
		b.fail("file[%s]: missing .path metadata", index(field))
		return nil
	}
	n, err := b.put(sent, part)
	switch {
	case err == nil:
		b.files = append(b.files, uploaded{sent, n})
	case b.use.ctx.Err() != nil, guestfiles.Lost(err):
		return err
	default:
		b.fail("%s: %v", sent, err)
	}
	return nil
}

func (b *bulk) put(sent string, part *multipart.Part) (int64, error) {
	name, err := b.use.clean(sent)
	if err != nil {
		return 0, err
	}
	return b.use.Put(b.use.ctx, name, partReader{part})
}

// path remembers where the file with this index goes.
func (b *bulk) path(index string, part *multipart.Part) {
	data, err := io.ReadAll(io.LimitReader(partReader{part}, maxSent+1))
	sent := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		b.fail("path[%s]: %v", index, err)
	case len(data) > maxSent:
		b.fail("path[%s]: longer than %d bytes", index, maxSent)
	case sent == "":
		b.fail("path[%s]: empty path", index)
	case len(b.paths) == maxOpen:
		b.fail("path[%s]: more than %d paths", index, maxOpen)
	default:
		b.paths[index] = sent
	}
}

// index is the N of "files[N]".
func index(field string) string {
	return strings.TrimSuffix(strings.TrimPrefix(field, "files["), "]")
}
