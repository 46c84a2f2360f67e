package record

import (
	"bufio"
	"context"
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/httpfile"
)

// download answers with a film, or a piece of it. One that is being made is a Conflict: its index comes last.
func (d *Door) download(c *transport.Ctx) error {
	id, err := c.Param("recording")
	if err != nil {
		return err
	}
	u, err := d.kit.Take(c, transferTime)
	if err != nil {
		return err
	}
	handed := false
	defer func() {
		if !handed {
			u.End()
		}
	}()
	r, err := d.find(u, id)
	switch {
	case err != nil:
		return err
	case r.Status == Running:
		return fault.Conflictf("recording %s has no index yet: stop it first", id)
	}
	device, err := d.devices.Get(u.Serial)
	if err != nil {
		return err
	}
	files := guestfiles.New(device, d.shell, u.Serial)
	if c.Fasthttp().IsHead() {
		st, err := files.Regular(u.Context, r.FilePath)
		if err != nil {
			return err
		}
		_, err = answer(c, r, st.Size, nil)
		return err
	}
	film, err := files.Open(u.Context, r.FilePath)
	if err != nil {
		return err
	}
	handed, err = answer(c, r, film.Size, func(ctx context.Context, w *bufio.Writer, part httpfile.Range) error {
		defer u.End()
		defer film.Close()
		defer context.AfterFunc(ctx, film.Cancel)()
		return because(u, film.CopyTo(w, part.Start, part.Length))
	})
	if !handed {
		film.Close()
	}
	return err
}

// because prefers why a use was ended to what came of that.
func because(u *android.Use, err error) error {
	if cause := context.Cause(u.Context); cause != nil && err != nil {
		return cause
	}
	return err
}

// answer sets the headers of a download and lets write send the piece that is wanted. It reports whether write
// will be called.
func answer(c *transport.Ctx, r Recording, size int64, write func(context.Context, *bufio.Writer, httpfile.Range) error) (handed bool, err error) {
	status, part := http.StatusOK, httpfile.Range{Length: size}
	tag := `"` + r.ID + `"`
	if size != guestfiles.Unsized {
		wanted := c.Header("Range")
		if since := c.Header("If-Range"); since != "" && since != tag {
			wanted = ""
		}
		var partial bool
		if part, partial, err = httpfile.ParseRange(wanted, size); err != nil {
			c.SetHeader("Content-Range", httpfile.Unsatisfied(size))
			return false, c.Empty(http.StatusRequestedRangeNotSatisfiable)
		}
		if partial {
			status = http.StatusPartialContent
			c.SetHeader("Content-Range", part.ContentRange(size))
		}
		c.SetHeader("Accept-Ranges", "bytes")
	}
	c.SetHeader("ETag", tag)
	c.SetHeader("Content-Disposition", httpfile.Disposition("attachment", "", r.FileName))
	c.StreamSized(status, "video/mp4", int(part.Length), func(ctx context.Context, w *bufio.Writer) error {
		return write(ctx, w, part)
	})
	return write != nil, nil
}
