package files

import (
	"bufio"
	"context"
	"net/http"
	"path"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/httpfile"
)

const octets = "application/octet-stream"

// download answers with a file's content, or a piece of it. The device has opened the file when the status is
// sent; one that is lost later cuts the answer off.
func (d *Door) download(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	if c.Fasthttp().IsHead() {
		st, err := u.Regular(u.ctx, name)
		if err != nil {
			return err
		}
		_, err = answer(c, name, st.Size, st.MTime, nil)
		return err
	}
	file, err := u.Open(u.ctx, name)
	if err != nil {
		return err
	}
	end, handed := u.takeOver(), false
	defer func() {
		if !handed {
			file.Close()
			end()
		}
	}()
	handed, err = answer(c, name, file.Size, file.Stat.MTime, func(ctx context.Context, w *bufio.Writer, part httpfile.Range) error {
		defer end()
		defer file.Close()
		defer context.AfterFunc(ctx, file.Cancel)()
		return u.reason(file.CopyTo(w, part.Start, part.Length))
	})
	return err
}

// answer sets the headers of a download and lets write send the piece that is wanted. It reports whether write
// will be called.
func answer(c *transport.Ctx, name string, size int64, mtime time.Time,
	write func(ctx context.Context, w *bufio.Writer, part httpfile.Range) error,
) (handed bool, err error) {
	modified := mtime.UTC().Format(http.TimeFormat)
	status, part := http.StatusOK, httpfile.Range{Length: size}
	if size != guestfiles.Unsized {
		c.SetHeader("Accept-Ranges", "bytes")
		request := &c.Fasthttp().Request.Header
		wanted := string(request.Peek("Range"))
		if since := string(request.Peek("If-Range")); since != "" && since != modified {
			wanted = "" // it is no longer the file of which the client has a part
		}
		var partial bool
		if part, partial, err = httpfile.ParseRange(wanted, size); err != nil {
			return false, unsatisfiable(c, size)
		}
		if partial {
			status = http.StatusPartialContent
			c.SetHeader("Content-Range", part.ContentRange(size))
		}
	}
	for header, value := range map[string]string{
		"Content-Description": "File Transfer", "Content-Transfer-Encoding": "binary",
		"Content-Disposition": httpfile.Disposition("attachment", "", path.Base(name)),
		"Last-Modified":       modified, "Expires": "0", "Cache-Control": "must-revalidate", "Pragma": "public",
	} {
		c.SetHeader(header, value)
	}
	c.StreamSized(status, octets, int(part.Length), func(ctx context.Context, w *bufio.Writer) error {
		return write(ctx, w, part)
	})
	return write != nil, nil
}

// unsatisfiable answers 416 with the file's size.
func unsatisfiable(c *transport.Ctx, size int64) error {
	c.SetHeader("Content-Range", httpfile.Unsatisfied(size))
	return c.JSON(http.StatusRequestedRangeNotSatisfiable,
		newProblem(http.StatusRequestedRangeNotSatisfiable, "RANGE_NOT_SATISFIABLE", httpfile.ErrUnsatisfiable.Error(), "/files/download", http.MethodGet))
}
