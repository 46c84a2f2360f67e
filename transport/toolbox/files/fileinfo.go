package files

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
)

// fileInfo writes what Daytona calls FileInfo.
type fileInfo struct {
	guestfiles.Entry
	undated bool // without modifiedAt
}

// AppendJSON implements transport.Appender.
func (i fileInfo) AppendJSON(dst []byte) []byte {
	at := time.Unix(i.MTime, 0).UTC()
	dst = transport.AppendString(append(dst, `{"name":`...), i.Name)
	dst = strconv.AppendInt(append(dst, `,"size":`...), i.Size, 10)
	dst = transport.AppendString(append(dst, `,"mode":`...), i.Mode.String())
	// The layout of time.Time.String, which clients have learned to read.
	dst = append(at.AppendFormat(append(dst, `,"modTime":"`...), "2006-01-02 15:04:05.999999999 -0700 MST"), '"')
	if !i.undated {
		dst = append(at.AppendFormat(append(dst, `,"modifiedAt":"`...), time.RFC3339Nano), '"')
	}
	dst = strconv.AppendBool(append(dst, `,"isDir":`...), i.Mode.IsDir())
	dst = strconv.AppendUint(append(dst, `,"owner":"`...), uint64(i.UID), 10)
	dst = strconv.AppendUint(append(dst, `","group":"`...), uint64(i.GID), 10)
	return append(appendPermissions(append(dst, `","permissions":"`...), i.Mode), `"}`...)
}

// appendPermissions appends the nine bits, as %04o does.
func appendPermissions(dst []byte, mode fs.FileMode) []byte {
	p := mode.Perm()
	return append(dst, '0', byte('0'+p>>6), byte('0'+p>>3&7), byte('0'+p&7))
}

// lacksModifiedAt reports whether the client breaks on modifiedAt: a Go SDK before 0.184. Those up to 0.187 refuse
// fields that they do not know, and from 0.184 on they want this one (daytona: pull requests 4890 and 5020). As with
// the daemon, builds of developers (0.0.0-…) and whoever does not tell a version count as new.
func lacksModifiedAt(c *transport.Ctx) bool {
	return c.Header("X-Daytona-Source") == "sdk-go" && before(c.Header("X-Daytona-SDK-Version"), 184)
}

// before reports whether a version is a release older than 0.minor.
func before(version string, minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "0" {
		return false
	}
	n, err := strconv.Atoi(parts[1])
	return err == nil && n > 0 && n < minor
}

func (d *Door) info(c *transport.Ctx, u *use) error {
	name, err := u.path(c, "path")
	if err != nil {
		return err
	}
	st, err := u.Stat(u.ctx, name)
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, fileInfo{guestfiles.EntryOf(path.Base(name), st), lacksModifiedAt(c)})
}

func (d *Door) list(c *transport.Ctx, u *use) error {
	sent := string(c.Fasthttp().QueryArgs().Peek("path"))
	dir, err := u.clean(sent)
	if err != nil {
		return err
	}
	entries, err := u.List(u.ctx, dir, d.MaxEntries)
	if errors.Is(err, guestfiles.ErrTooMany) {
		return transport.Unprocessablef("the directory has more than %d entries: search for some of them instead", d.MaxEntries)
	}
	if err != nil {
		return err
	}
	answer := listing{entries, lacksModifiedAt(c)}
	if len(entries) <= inOnePiece {
		return c.Append(http.StatusOK, answer)
	}
	c.Stream("application/json; charset=utf-8", answer.write)
	return nil
}

// inOnePiece is how many entries are answered at once; the JSON of more is made as it is sent.
const inOnePiece = 1000

// listing is a directory as JSON.
type listing struct {
	entries []guestfiles.Entry
	undated bool
}

// AppendJSON implements transport.Appender.
func (l listing) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, e := range l.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fileInfo{e, l.undated}.AppendJSON(dst)
	}
	return append(dst, ']')
}

func (l listing) write(_ context.Context, w *bufio.Writer) error {
	buf := append(make([]byte, 0, 64<<10), '[')
	for i, e := range l.entries {
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf = (fileInfo{e, l.undated}).AppendJSON(buf); len(buf) > 32<<10 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(append(buf, ']'))
	return err
}
