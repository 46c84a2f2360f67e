package s3

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hole is the size of zeros, in bytes, that are not written: images of disks are mostly zeros.
const hole = 64 << 10

var zeros [hole]byte

// sparse writes a new file and leaves out zeros; close gives it its size.
type sparse struct {
	file *os.File
	at   int64
}

// Write implements io.Writer.
func (w *sparse) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		piece := p[done:min(len(p), done+hole)]
		if !bytes.Equal(piece, zeros[:len(piece)]) {
			if _, err := w.file.WriteAt(piece, w.at); err != nil {
				return done, err
			}
		}
		done += len(piece)
		w.at += int64(len(piece))
	}
	return len(p), nil
}

// add appends n bytes of another file, whose holes are not read.
func (w *sparse) add(from *os.File, at, n int64) error {
	buf := make([]byte, 1<<20)
	for end := at + n; at < end; {
		data, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			data, err = end, nil
		}
		if err != nil {
			return err
		}
		w.at += min(data, end) - at
		at = min(data, end)
		stop, err := from.Seek(at, unix.SEEK_HOLE)
		if errors.Is(err, syscall.ENXIO) {
			stop, err = end, nil
		}
		if err != nil {
			return err
		}
		stop = min(max(stop, at), end)
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(from, at, stop-at), buf); err != nil {
			return err
		}
		at = stop
	}
	return nil
}

// addFile appends a whole file.
func (w *sparse) addFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return w.add(f, 0, info.Size())
}

// close makes the file as long as what was written, and closes it. An error of before stays as it is: gofakes3 knows
// errors by their types alone.
func (w *sparse) close(err error) error {
	if closed := errors.Join(w.file.Truncate(w.at), w.file.Close()); err == nil {
		err = closed
	}
	return err
}
