package host

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// copyPiece is how much is copied between two looks at the context.
const copyPiece = 8 << 20

// Copy makes a new file with the content of another; see [Files]. Where the file system can share blocks (FICLONE,
// ioctl_ficlone(2)) nothing is copied.
func (l *Local) Copy(ctx context.Context, from, to string) (copied int64, err error) {
	if err := ready(ctx, from, to); err != nil {
		return 0, err
	}
	src, err := openRegular(from)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return 0, wrap("", err)
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return 0, wrap("", err)
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) != nil {
		copied, err = copyData(ctx, dst, src, info.Size())
	}
	err = errors.Join(err, dst.Chmod(info.Mode().Perm()), dst.Sync(), dst.Close())
	if err != nil {
		return copied, errors.Join(wrap("copy "+from+" to "+to, err), os.Remove(to))
	}
	return copied, nil
}

// copyData copies what is not a hole.
func copyData(ctx context.Context, dst, src *os.File, size int64) (copied int64, err error) {
	if err := dst.Truncate(size); err != nil {
		return 0, err
	}
	for at := int64(0); at < size; {
		start, end, err := nextData(src, at, size)
		if err != nil {
			return copied, err
		}
		for at = start; at < end; {
			if ctx.Err() != nil {
				return copied, context.Cause(ctx)
			}
			n, err := copyRange(dst, src, at, min(copyPiece, end-at))
			at, copied = at+n, copied+n
			if err != nil {
				return copied, err
			}
			if n == 0 {
				return copied, io.ErrUnexpectedEOF // it shrank meanwhile
			}
		}
	}
	return copied, nil
}

// nextData finds the next range at or behind at that is no hole; start is size when there is none.
func nextData(f *os.File, at, size int64) (start, end int64, err error) {
	start, err = f.Seek(at, unix.SEEK_DATA)
	if errors.Is(err, syscall.ENXIO) {
		return size, size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	return min(start, size), min(end, size), err
}

// copyRange copies up to n bytes at the same place of both files: in the kernel, or through memory where it will not.
func copyRange(dst, src *os.File, at, n int64) (int64, error) {
	from, to := at, at
	done, err := unix.CopyFileRange(int(src.Fd()), &from, int(dst.Fd()), &to, int(n), 0)
	if err == nil {
		return int64(done), nil
	}
	return io.CopyBuffer(io.NewOffsetWriter(dst, at), io.NewSectionReader(src, at, n), make([]byte, 1<<20))
}

// Overwrite replaces the beginning of a file; see [Files].
func (l *Local) Overwrite(ctx context.Context, from, to string, n int64) error {
	if err := ready(ctx, from, to); err != nil {
		return err
	}
	src, err := openRegular(from)
	if err != nil {
		return err
	}
	defer src.Close()
	piece := make([]byte, n)
	if _, err := src.ReadAt(piece, 0); err != nil {
		return wrap("read "+from, err)
	}
	dst, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return wrap("", err)
	}
	_, err = dst.WriteAt(piece, 0)
	return wrap("overwrite "+to, errors.Join(err, dst.Sync(), dst.Close()))
}

func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, wrap("", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.Invalidf("read %s: not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(wrap("", err), f.Close())
	}
	return f, nil
}

// Open opens a regular file to be read at any place; see [Files].
func (l *Local) Open(ctx context.Context, path string) (Reader, error) {
	if err := ready(ctx, path); err != nil {
		return nil, err
	}
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	return &localReader{f}, nil
}

type localReader struct{ *os.File }

// NextData implements [Reader].
func (r *localReader) NextData(at int64) (start, end int64, err error) {
	info, err := r.Stat()
	if err != nil {
		return 0, 0, wrap("", err)
	}
	start, end, err = nextData(r.File, at, info.Size())
	return start, end, wrap("", err)
}

// Create makes a new file to be written at any place; see [Files].
func (l *Local) Create(ctx context.Context, path string, size int64) (Writer, error) {
	if err := ready(ctx, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, wrap("", err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(wrap("create "+path, err), f.Close(), os.Remove(path))
	}
	return &localWriter{f}, nil
}

type localWriter struct{ *os.File }

// Close makes the file durable and closes it.
func (w *localWriter) Close() error { return wrap("", errors.Join(w.Sync(), w.File.Close())) }
