package files

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
)

// empty answers without a body.
func empty(c *transport.Ctx, status int) error {
	c.Fasthttp().SetStatusCode(status)
	return nil
}

// optional is a parameter of the query that may be absent.
func optional(c *transport.Ctx, name string) string {
	return string(c.Fasthttp().QueryArgs().Peek(name))
}

// mode is the parameter of that name: chmod's bits in octal digits; nil when it is absent.
func mode(c *transport.Ctx) (*fs.FileMode, error) {
	sent := optional(c, "mode")
	if sent == "" {
		return nil, nil
	}
	bits, err := strconv.ParseUint(sent, 8, 32)
	if err != nil || bits > 0o7777 {
		return nil, fault.Invalidf("invalid mode format")
	}
	m := fs.FileMode(bits)
	return &m, nil
}

func (d *Door) remove(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	if err := u.Remove(u.ctx, name, optional(c, "recursive") == "true"); err != nil {
		return err
	}
	return empty(c, http.StatusNoContent)
}

func (d *Door) folder(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	m, err := mode(c)
	if err != nil {
		return err
	}
	if m == nil {
		usual := fs.FileMode(0o755)
		m = &usual
	}
	if err := u.MakeDir(u.ctx, name, *m); err != nil {
		return err
	}
	return empty(c, http.StatusCreated)
}

func (d *Door) move(c *transport.Ctx, u *use) error {
	from, err := u.path(c, "source")
	if err != nil {
		return err
	}
	to, err := u.path(c, "destination")
	if err != nil {
		return err
	}
	if err := u.Move(u.ctx, from, to); err != nil {
		return err
	}
	return empty(c, http.StatusOK)
}

func (d *Door) permissions(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	m, err := mode(c)
	if err != nil {
		return err
	}
	err = u.Chmod(u.ctx, name, guestfiles.Permissions{Mode: m, Owner: optional(c, "owner"), Group: optional(c, "group")})
	if err != nil {
		return err
	}
	return empty(c, http.StatusOK)
}

// replaced is what became of one file.
type replaced struct {
	File    string `json:"file"`
	Success bool   `json:"success"`
	Error   string `json:"error,omitempty"`
}

// replace replaces a text in files, each by itself. An empty newValue removes the text.
func (d *Door) replace(c *transport.Ctx, u *use) error {
	var request struct {
		Files    []string `json:"files"`
		Pattern  string   `json:"pattern"`
		NewValue *string  `json:"newValue"`
	}
	if err := c.Decode(&request); err != nil {
		return err
	}
	if request.Files == nil || request.Pattern == "" || request.NewValue == nil {
		return transport.InvalidBodyf("files, pattern and newValue are required")
	}
	results := make([]replaced, 0, len(request.Files))
	for _, sent := range request.Files {
		name, err := u.clean(sent)
		if sent == "" {
			err = fault.Invalidf("the path is empty")
		}
		if err == nil {
			err = u.Replace(u.ctx, name, request.Pattern, *request.NewValue)
		}
		switch {
		case err == nil:
			results = append(results, replaced{File: sent, Success: true})
		case u.ctx.Err() != nil, guestfiles.Lost(err), errors.Is(err, guestfiles.ErrPartLeft):
			return err
		default:
			results = append(results, replaced{File: sent, Error: err.Error()})
		}
	}
	return c.JSON(http.StatusOK, results)
}
