package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// readerBuffer holds a few small packets, so that a reply of several costs one system call;
// larger payloads pass it by.
const readerBuffer = 4 << 10

// Reader takes packets off a byte stream. It is for one goroutine at a time.
type Reader struct {
	br   *bufio.Reader
	max  uint32
	left uint32 // payload bytes of the current packet that were not read yet
}

// NewReader reads packets from r and refuses payloads longer than maxPayload bytes.
func NewReader(r io.Reader, maxPayload uint32) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, readerBuffer), max: maxPayload}
}

// Limit sets the longest payload accepted from the next packet on.
func (r *Reader) Limit(maxPayload uint32) { r.max = maxPayload }

// Next skips what is left of the current packet and returns the header of the next. Between
// packets the end of the stream is io.EOF, elsewhere io.ErrUnexpectedEOF. An error that wraps
// ErrMalformed means that the stream cannot be followed any further.
func (r *Reader) Next() (Header, error) {
	for r.left > 0 {
		n, err := r.br.Discard(int(min(r.left, readerBuffer)))
		r.left -= uint32(n)
		if err != nil {
			return Header{}, midPacket(err)
		}
	}
	raw, err := r.br.Peek(HeaderSize)
	if err != nil {
		if len(raw) > 0 {
			err = midPacket(err)
		}
		return Header{}, err
	}
	h, err := ParseHeader(raw)
	if err != nil {
		return Header{}, err
	}
	if h.Length > r.max {
		return Header{}, fmt.Errorf("%w: %v of %d bytes where at most %d were agreed",
			ErrMalformed, h.Command, h.Length, r.max)
	}
	if _, err := r.br.Discard(HeaderSize); err != nil {
		return Header{}, midPacket(err)
	}
	r.left = h.Length
	return h, nil
}

// Read reads from the payload of the current packet and returns io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.br.Read(p[:min(len(p), int(r.left))])
	r.left -= uint32(n)
	return n, midPacket(err)
}

func midPacket(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
