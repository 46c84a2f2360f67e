package guest

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/guest/tty"
)

// ContextWriter is an output that can stop waiting: what a session writes to should implement it,
// so that a process that is killed ends although nobody reads its output.
type ContextWriter interface {
	io.Writer
	WriteContext(ctx context.Context, p []byte) (int, error)
}

// sessionOut is a session's stdout or stderr as one process writes to it.
type sessionOut struct {
	ctx  context.Context
	w    io.Writer
	pipe func() // called when nobody will ever read again
}

func (o *sessionOut) Write(p []byte) (n int, err error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	if w, ok := o.w.(ContextWriter); ok {
		n, err = w.WriteContext(o.ctx, p)
	} else {
		n, err = o.w.Write(p)
	}
	if err != nil && o.pipe != nil && o.ctx.Err() == nil {
		o.pipe()
	}
	return n, err
}

// pipeEnd is one end of a host pipe or socket as one process uses it. It works on a copy of the
// descriptor, made at first use, so that ending the process disturbs nobody else at that end.
type pipeEnd struct {
	ctx  context.Context
	file *os.File
	pipe func()
	tty  *tty.Terminal // whose input file is, nil if it is none

	once sync.Once
	dup  *os.File
	err  error
	stop func() bool
}

func (e *pipeEnd) open() error {
	e.once.Do(func() {
		if e.dup, e.err = duplicate(e.file); e.err != nil {
			return
		}
		e.stop = context.AfterFunc(e.ctx, func() { e.dup.SetDeadline(time.Unix(1, 0)) })
	})
	return e.err
}

func (e *pipeEnd) Read(p []byte) (int, error) {
	if err := e.open(); err != nil {
		return 0, err
	}
	if e.tty != nil {
		return e.tty.Read(e.ctx, e.dup, p, e.dup.Read)
	}
	return e.dup.Read(p)
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	if err := e.open(); err != nil {
		return 0, err
	}
	n, err := e.dup.Write(p)
	if errors.Is(err, syscall.EPIPE) && e.pipe != nil {
		e.pipe()
	}
	return n, err
}

// Close lets go of the copy; reads and writes fail from then on.
func (e *pipeEnd) Close() error {
	e.once.Do(func() { e.err = os.ErrClosed })
	if e.dup == nil {
		return nil
	}
	e.stop()
	return e.dup.Close()
}

func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var derr error
	if err := raw.Control(func(old uintptr) { fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if derr != nil {
		return nil, derr
	}
	return os.NewFile(uintptr(fd), "pipe"), nil
}

// readerGone reports that whatever is written to pipe f will never be read.
func readerGone(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(set, 0)
		gone = err == nil && n > 0 && set[0].Revents&unix.POLLERR != 0
	})
	return gone
}

// memory is what a command substitution collects. It is bounded: the process that writes more
// is ended, as one that has used up the guest's memory would be.
type memory struct {
	w    io.Writer
	left int64
	full func()
	mu   sync.Mutex
}

// maxSubstitution is how much output $(…) may collect.
const maxSubstitution = 64 << 20

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left -= int64(len(p)); m.left < 0 {
		m.full()
		return 0, syscall.ENOMEM
	}
	return m.w.Write(p)
}

// socketPair makes two connected descriptors.
func socketPair() (guest, host *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "stdin"), os.NewFile(uintptr(fds[1]), "stdin"), nil
}

// newStdin makes a descriptor that yields what r does; a goroutine moves the bytes until r ends
// or the descriptor is closed. It is a socket, so that the shell can look ahead (see scriptReader).
func newStdin(r io.Reader) (*os.File, error) {
	guest, host, err := socketPair()
	if err != nil {
		return nil, err
	}
	if r == nil {
		host.Close()
		return guest, nil
	}
	go func() {
		defer host.Close()
		buf := make([]byte, 1<<10) // enough for most scripts
		for {
			n, err := r.Read(buf)
			if n > 0 {
				if _, err := host.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
			if n == len(buf) && n < 32<<10 {
				buf = make([]byte, 32<<10)
			}
		}
	}()
	return guest, nil
}

// scriptReader reads a script from a descriptor line by line and takes no byte too many: what
// follows the line belongs to the commands in it. It looks ahead where the descriptor is a socket
// and reads single bytes elsewhere. Its last line always has an end.
type scriptReader struct {
	ctx     context.Context
	file    *os.File
	tty     *tty.Terminal
	noPeek  bool
	ended   bool
	partial bool // the last byte handed out was not a newline
	prompt  func()
}

func (r *scriptReader) Read(p []byte) (int, error) {
	if r.ended || r.file == nil {
		return 0, io.EOF
	}
	if r.prompt != nil {
		r.prompt()
	}
	stop := context.AfterFunc(r.ctx, func() { r.file.SetReadDeadline(time.Unix(1, 0)) })
	read := func(p []byte) (int, error) { return r.line(p) }
	var n int
	var err error
	if r.tty != nil {
		n, err = r.tty.Read(r.ctx, r.file, p, read)
	} else {
		n, err = read(p)
	}
	if !stop() {
		r.file.SetReadDeadline(time.Time{})
	}
	if n > 0 {
		r.partial = p[n-1] != '\n'
		return n, nil
	}
	r.ended = true
	if r.partial && r.ctx.Err() == nil {
		p[0] = '\n'
		return 1, nil
	}
	if err == nil || r.ctx.Err() == nil {
		err = io.EOF
	}
	return 0, err
}

func (r *scriptReader) line(p []byte) (int, error) {
	if !r.noPeek {
		n, err := r.peek(p)
		if !errors.Is(err, unix.ENOTSOCK) {
			if n <= 0 || err != nil {
				return 0, err
			}
			for i, b := range p[:n] {
				if b == '\n' {
					n = i + 1
					break
				}
			}
			return io.ReadFull(r.file, p[:n])
		}
		r.noPeek = true
	}
	for n := 0; n < len(p); {
		m, err := r.file.Read(p[n : n+1])
		n += m
		if err != nil || m > 0 && p[n-1] == '\n' {
			return n, err
		}
	}
	return len(p), nil
}

func (r *scriptReader) peek(p []byte) (n int, err error) {
	raw, err := r.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, rerr = unix.Recvfrom(int(fd), p, unix.MSG_PEEK)
			if !errors.Is(rerr, unix.EINTR) {
				return !errors.Is(rerr, unix.EAGAIN)
			}
		}
	})
	if err == nil {
		err = rerr
	}
	return n, err
}
