package files

import (
	"bufio"
	"context"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/httpfile"
)

// boundary is the one of Daytona's daemon. The SDKs do not depend on it; people's scripts may.
const boundary = "DAYTONA-FILE-BOUNDARY"

// problem is an error as Daytona shapes it, where it is no answer by itself.
type problem struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Code       string `json:"code"`
	Timestamp  string `json:"timestamp"`
	Path       string `json:"path"`
	Method     string `json:"method"`
}

func newProblem(status int, code, message, path, method string) problem {
	return problem{status, message, code, time.Now().UTC().Format(time.RFC3339Nano), path, method}
}

// bulkDownload answers with a form of one part for each path, in order: the file, or why there is none. When the
// device is lost the form ends without its closing boundary.
func (d *Door) bulkDownload(c *transport.Ctx, u *use) error {
	var request struct {
		Paths []string `json:"paths"`
	}
	if err := c.Decode(&request); err != nil || len(request.Paths) == 0 {
		return c.JSON(http.StatusBadRequest, map[string]string{"error": `request body must be {"paths": [ ... ]} and non-empty`})
	}
	end := u.takeOver()
	c.Stream("multipart/form-data; boundary="+boundary, func(ctx context.Context, w *bufio.Writer) error {
		defer end()
		form := multipart.NewWriter(w)
		if err := form.SetBoundary(boundary); err != nil {
			return err
		}
		for _, sent := range request.Paths {
			if err := u.part(ctx, form, sent); err != nil {
				return u.reason(err)
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return form.Close()
	})
	return nil
}

// part writes the part for one path. Its errors are those behind which nothing more can come.
func (u *use) part(ctx context.Context, form *multipart.Writer, sent string) error {
	file, err := u.open(sent)
	if err != nil {
		if u.ctx.Err() != nil || guestfiles.Lost(err) {
			return err
		}
		return writeProblem(form, sent, err)
	}
	defer file.Close()
	defer context.AfterFunc(ctx, file.Cancel)()
	header := textproto.MIMEHeader{
		"Content-Type":        {contentType(sent)},
		"Content-Disposition": {httpfile.Disposition("form-data", "file", sent)},
	}
	if file.Size != guestfiles.Unsized {
		header.Set("Content-Length", strconv.FormatInt(file.Size, 10))
	}
	w, err := form.CreatePart(header)
	if err != nil {
		return err
	}
	return file.CopyTo(w, 0, file.Size)
}

func (u *use) open(sent string) (*guestfiles.Reader, error) {
	if sent == "" {
		return nil, fault.Invalidf("path is empty")
	}
	name, err := u.clean(sent)
	if err != nil {
		return nil, err
	}
	return u.Open(u.ctx, name)
}

func contentType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return octets
}

// writeProblem writes the part for a file that cannot be read. Its codes are the daemon's.
func writeProblem(form *multipart.Writer, sent string, err error) error {
	p := newProblem(http.StatusInternalServerError, "FILE_READ_FAILED", "file read failed: "+err.Error(), "/files/bulk-download", http.MethodPost)
	switch fault.KindOf(err) {
	case fault.NotFound:
		p.StatusCode, p.Code, p.Message = http.StatusNotFound, "FILE_NOT_FOUND", "file not found: "+sent
	case fault.Forbidden:
		p.StatusCode, p.Code, p.Message = http.StatusForbidden, "FILE_ACCESS_DENIED", "file access denied: "+sent
	case fault.Invalid:
		p.StatusCode, p.Code, p.Message = http.StatusBadRequest, "INVALID_FILE_PATH", "invalid file path: "+err.Error()
	default:
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	w, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Type":        {"application/json; charset=utf-8"},
		"Content-Disposition": {httpfile.Disposition("form-data", "error", sent)},
		"Content-Length":      {strconv.Itoa(len(body))},
	})
	if err == nil {
		_, err = w.Write(body)
	}
	return err
}
