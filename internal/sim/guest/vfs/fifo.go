package vfs

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pipe is an open named pipe: a host pipe, of which File is this opener's end.
type Pipe struct {
	*os.File
	info  Info
	leave func()
	once  sync.Once
	stop  func() bool
}

var _ File = (*Pipe)(nil)

// Stat describes the named pipe.
func (p *Pipe) Stat() (Info, error) { return p.info, nil }

// Close gives the end back; when the last one is closed, what is in the pipe is lost.
func (p *Pipe) Close() error {
	p.once.Do(func() {
		p.stop()
		p.File.Close()
		p.leave()
	})
	return nil
}

// fifos are the named pipes that someone has open, by inode.
type fifos struct {
	mu    sync.Mutex
	pipes map[uint64]*fifo
}

// fifo is one named pipe. The host's kernel does the piping: keeper refers to an anonymous pipe
// without being an end of it (O_PATH), and every opener opens it anew. What the kernel would make
// wait in open(2) waits here, where it can be given up.
type fifo struct {
	keeper        int
	users         int           // openers, also those that wait
	readers       int           // ends that read, also those that wait for a writer
	writers       int           // ends that write and are open
	opened, wrote int           // how many of each there ever were, counted when they are open
	changed       chan struct{} // closed and replaced at each change
}

func (f *fifos) open(ctx context.Context, info Info, flag int) (File, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.use(info.Inode)
	if err != nil {
		return nil, err
	}
	read, write := flag&(os.O_WRONLY|os.O_RDWR) != os.O_WRONLY, flag&(os.O_WRONLY|os.O_RDWR) != 0
	fd := -1
	switch {
	case read && write:
		fd, err = p.end(unix.O_RDWR)
		p.readers++
		p.writers++
		p.opened++
		p.wrote++
	case read:
		p.readers++
		fd, err = p.end(unix.O_RDONLY)
		p.opened++
		p.notify()
		before := p.wrote
		if err == nil && p.writers == 0 {
			err = f.wait(ctx, p, func() bool { return p.wrote != before })
		}
	default:
		before := p.opened
		if p.readers == 0 {
			err = f.wait(ctx, p, func() bool { return p.opened != before })
		}
		if err == nil {
			fd, err = p.end(unix.O_WRONLY)
		}
		p.writers++
		if err == nil {
			p.wrote++
		}
	}
	p.notify()
	leave := func() {
		if read {
			p.readers--
		}
		if write {
			p.writers--
		}
		f.unuse(info.Inode, p)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		leave()
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "fifo")
	return &Pipe{File: file, info: info,
		leave: func() { f.mu.Lock(); defer f.mu.Unlock(); leave() },
		stop:  context.AfterFunc(ctx, func() { file.SetDeadline(time.Unix(1, 0)) }),
	}, nil
}

// use finds the pipe of an inode or makes one; unuse ends that.
func (f *fifos) use(inode uint64) (*fifo, error) {
	if p := f.pipes[inode]; p != nil {
		p.users++
		return p, nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	keeper, err := reopen(ends[0], unix.O_PATH)
	unix.Close(ends[0])
	unix.Close(ends[1])
	if err != nil {
		return nil, err
	}
	if f.pipes == nil {
		f.pipes = map[uint64]*fifo{}
	}
	p := &fifo{keeper: keeper, users: 1, changed: make(chan struct{})}
	f.pipes[inode] = p
	return p, nil
}

func (f *fifos) unuse(inode uint64, p *fifo) {
	if p.users--; p.users == 0 {
		unix.Close(p.keeper)
		delete(f.pipes, inode)
	}
}

// wait lets go of the lock until ok or ctx is done.
func (f *fifos) wait(ctx context.Context, p *fifo, ok func() bool) error {
	for !ok() {
		changed := p.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if ctx.Err() != nil {
			return syscall.EINTR
		}
	}
	return nil
}

func (p *fifo) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *fifo) end(flag int) (int, error) { return reopen(p.keeper, flag|unix.O_NONBLOCK) }

// reopen opens what a descriptor of this program refers to once more.
func reopen(fd, flag int) (int, error) {
	again, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flag|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		err = syscall.EIO
	}
	return again, err
}

var _ io.ReadWriteCloser = (*Pipe)(nil)
