package s3store

import (
	"errors"
	"io"

	"github.com/daytonaio/runner-android/internal/fault"
)

// source is a range of an upload's content as the body of a request. The SDK reads it several times:
// for the signature, the checksum, and each time that it is sent.
type source struct {
	src    io.ReaderAt
	at     int64
	length int64
	pos    int64
}

// unreadable is the error of content that cannot be read: no repetition of the request helps.
type unreadable struct{ err error }

func (e unreadable) Error() string      { return e.err.Error() }
func (e unreadable) Unwrap() error      { return e.err }
func (unreadable) RetryableError() bool { return false }

func (s *source) Read(p []byte) (int, error) {
	if s.pos >= s.length {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.length-s.pos)]
	n, err := s.src.ReadAt(p, s.at+s.pos)
	s.pos += int64(n)
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, unreadable{fault.Conflictf("the content ends after %d bytes, before its plan does", s.at+s.pos)}
	default:
		return n, unreadable{&fault.Error{Kind: fault.KindOf(err), Op: "read the content", Err: err}}
	}
}

func (s *source) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.length
	}
	if offset < 0 {
		return 0, fault.Internalf("seek before the beginning")
	}
	s.pos = offset
	return offset, nil
}
