package apps

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// spool is a file without a name: when the runner lets go of it, or dies, nothing is left.
type spool struct {
	file *os.File
	size int64
	max  int64
}

// newSpool makes one in dir that takes up to max bytes.
func newSpool(dir string, limit int64) (*spool, error) {
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil { // not every file system can
		if file, err = os.CreateTemp(dir, ".install-*"); err == nil {
			err = os.Remove(file.Name())
		}
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, fault.Wrap(fault.Internal, "make room for the upload", err)
	}
	return &spool{file: file, max: limit}, nil
}

// Write implements io.Writer. TooLarge beyond the bound; Exhausted when the host's disk is full.
func (s *spool) Write(p []byte) (int, error) {
	if s.size+int64(len(p)) > s.max {
		return 0, fault.New(fault.TooLarge, "the APKs are over the limit of %d bytes", s.max)
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return n, fault.Exhaustedf("the host has no room to hold the upload")
	}
	return n, err
}

// reader reads it from the beginning.
func (s *spool) reader() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(s.file, 0, s.size))
}

// Close gives the room back.
func (s *spool) Close() error { return s.file.Close() }
