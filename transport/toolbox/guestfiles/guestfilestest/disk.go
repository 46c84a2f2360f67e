package guestfilestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
)

// ErrLost is how a device that dies looks.
var ErrLost = fault.Wrap(fault.Unavailable, "adb 127.0.0.1:6520", adb.ErrClosed)

// Disk is the device. Its zero value has no faults; set fields before it is used.
type Disk struct {
	Fail   func(op, name string) error                  // asked before everything; nil goes on
	Cut    func(op, name string) (after int64, do bool) // a transfer is lost after that many bytes
	Many   int                                          // listings have that many made-up files instead
	Active atomic.Int32                                 // transfers under way
	Most   atomic.Int32                                 // and the most there were
}

var _ guestfiles.Device = (*Disk)(nil)

func (d *Disk) ask(ctx context.Context, op, name string) error {
	switch {
	case ctx.Err() != nil:
		return fault.Op(op, ctx.Err())
	case len(name) > 1024:
		return fault.Invalidf("the path has %d bytes, the device takes 1024", len(name))
	case strings.Contains(name, "\x00"):
		return fault.Invalidf("the path holds a NUL")
	case d.Fail != nil:
		return d.Fail(op, name)
	}
	return nil
}

// kindOf gives errors of the host's files the kinds of a device's.
func kindOf(op, name string, err error) error {
	kind := fault.Invalid
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Forbidden
	case errors.Is(err, syscall.ENOSPC):
		kind = fault.Exhausted
	}
	return fault.Wrap(kind, fmt.Sprintf("%s %.256q", op, name), errors.Unwrap(err))
}

func statOf(info fs.FileInfo) adb.FileStat {
	st := info.Sys().(*syscall.Stat_t)
	return adb.FileStat{
		Mode: info.Mode(), Size: info.Size(), MTime: time.Unix(info.ModTime().Unix(), 0),
		V2: true, UID: st.Uid, GID: st.Gid, Ino: st.Ino,
	}
}

// Stat implements guestfiles.Device.
func (d *Disk) Stat(ctx context.Context, name string) (adb.FileStat, error) {
	return d.stat(ctx, "stat", name, os.Stat)
}

// Lstat implements guestfiles.Device.
func (d *Disk) Lstat(ctx context.Context, name string) (adb.FileStat, error) {
	return d.stat(ctx, "lstat", name, os.Lstat)
}

func (d *Disk) stat(ctx context.Context, op, name string, how func(string) (fs.FileInfo, error)) (adb.FileStat, error) {
	if err := d.ask(ctx, op, name); err != nil {
		return adb.FileStat{}, err
	}
	info, err := how(name)
	if err != nil {
		return adb.FileStat{}, kindOf("stat", name, err)
	}
	return statOf(info), nil
}

// List implements guestfiles.Device.
func (d *Disk) List(ctx context.Context, dir string, each func(adb.Entry) error) error {
	if err := d.ask(ctx, "list", dir); err != nil {
		return err
	}
	for i := range d.Many {
		st := adb.FileStat{Mode: 0o644, Size: int64(i), MTime: time.Unix(int64(i), 0), V2: true}
		if err := each(adb.Entry{Name: fmt.Sprintf("file-%06d", (i*7919)%d.Many), FileStat: st}); err != nil {
			return fmt.Errorf("list: %w", err)
		}
	}
	if d.Many > 0 {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return kindOf("list", dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return kindOf("list", dir, err)
	}
	for _, name := range names {
		e := adb.Entry{Name: name}
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			e.Err = kindOf("lstat", name, err)
		} else {
			e.FileStat = statOf(info)
		}
		if err := each(e); err != nil {
			return fmt.Errorf("list: %w", err)
		}
	}
	return nil
}

func (d *Disk) enter() (leave func()) {
	n := d.Active.Add(1)
	for most := d.Most.Load(); n > most && !d.Most.CompareAndSwap(most, n); most = d.Most.Load() {
	}
	return func() { d.Active.Add(-1) }
}

// cut returns how many bytes a transfer may have.
func (d *Disk) cut(op, name string) int64 {
	if d.Cut != nil {
		if after, do := d.Cut(op, name); do {
			return after
		}
	}
	return 1 << 62
}

// Recv implements guestfiles.Device.
func (d *Disk) Recv(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := d.ask(ctx, "recv", name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, kindOf("recv", name, err)
	}
	return &reader{ctx: ctx, File: f, left: d.cut("recv", name), leave: d.enter()}, nil
}

type reader struct {
	*os.File
	ctx   context.Context
	left  int64
	leave func()
}

func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.ctx.Err() != nil:
		return 0, fault.Op("read", r.ctx.Err())
	case r.left <= 0:
		return 0, ErrLost
	}
	n, err := r.File.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

func (r *reader) Close() error {
	r.leave()
	return r.File.Close()
}

// Send implements guestfiles.Device. A device that is lost leaves the file as it is.
func (d *Disk) Send(ctx context.Context, name string, mode fs.FileMode, mtime time.Time, r io.Reader) (int64, error) {
	if err := d.ask(ctx, "send", name); err != nil {
		return 0, err
	}
	defer d.enter()()
	_ = os.Remove(name)
	if err := os.MkdirAll(filepath.Dir(name), 0o775); err != nil {
		return 0, kindOf("send", name, err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return 0, kindOf("send", name, err)
	}
	defer f.Close()
	owner := mode.Perm() >> 6 & 7
	if err := f.Chmod(owner<<6 | owner<<3 | owner); err != nil {
		return 0, err
	}
	left := d.cut("send", name)
	n, err := io.Copy(f, io.LimitReader(contextReader{ctx, r}, left))
	if n == left {
		return n, ErrLost
	}
	if err != nil {
		_ = os.Remove(name)
		return n, fault.Op("write", err)
	}
	if mtime.IsZero() {
		mtime = time.Now()
	}
	return n, os.Chtimes(name, mtime, mtime)
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
