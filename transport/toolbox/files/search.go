package files

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
)

const (
	// headerTruncated says how many results an answer is limited to, when there are more.
	headerTruncated = "X-Daytona-Results-Truncated"
	// maxContent bounds the text of the lines in one answer.
	maxContent = 16 << 20
)

// search finds files by name.
func (d *Door) search(c *transport.Ctx, u *use) error {
	root, err := u.path(c, "path")
	if err != nil {
		return err
	}
	pattern, err := c.Required("pattern")
	if err != nil {
		return err
	}
	found, more, err := u.Search(u.ctx, root, pattern, d.MaxFound)
	if err != nil {
		return err
	}
	d.truncated(c, more)
	return c.Append(http.StatusOK, paths(found))
}

func (d *Door) truncated(c *transport.Ctx, more bool) {
	if more {
		c.SetHeader(headerTruncated, strconv.Itoa(d.MaxFound))
	}
}

// paths are the answer to a search.
type paths []string

// AppendJSON implements transport.Appender.
func (p paths) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"files":[`...)
	for i, name := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = transport.AppendString(dst, name)
	}
	return append(dst, "]}"...)
}

// match is a line that holds what was looked for.
type match struct {
	file   string
	number int
	line   []byte
}

// matches are the answer to find.
type matches []match

// AppendJSON implements transport.Appender.
func (m matches) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, one := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = transport.AppendString(append(dst, `{"file":`...), one.file)
		dst = strconv.AppendInt(append(dst, `,"line":`...), int64(one.number), 10)
		dst = append(transport.AppendString(append(dst, `,"content":`...), one.line), '}')
	}
	return append(dst, ']')
}

// errFull ends a search whose answer is as long as it may be.
var errFull = errors.New("the answer is full")

// find finds lines: the guest's grep finds the files, and their lines are looked at here, because grep does
// not say where a file's name ends. Files that cannot be read are left out.
func (d *Door) find(c *transport.Ctx, u *use) error {
	root, err := u.path(c, "path")
	if err != nil {
		return err
	}
	text, err := c.Required("pattern")
	if err != nil {
		return err
	}
	names, more, err := u.Containing(u.ctx, root, text, d.MaxFound)
	if err != nil {
		return err
	}
	var found matches
	size := 0
	for _, name := range names {
		err := u.Lines(u.ctx, name, text, func(number int, line []byte) error {
			if size += len(line); size > maxContent || len(found) == d.MaxFound {
				return errFull
			}
			found = append(found, match{name, number, slices.Clone(line)})
			return nil
		})
		if errors.Is(err, errFull) {
			more = true
			break
		}
		if err != nil && (u.ctx.Err() != nil || guestfiles.Lost(err)) {
			return err
		}
	}
	d.truncated(c, more)
	return c.Append(http.StatusOK, found)
}
