package wire

import (
	"encoding/binary"
	"fmt"
)

// ShellID says what a shell packet carries.
type ShellID byte

// The ids of shell packets (adb's shell_protocol.h).
const (
	ShellStdin      ShellID = 0
	ShellStdout     ShellID = 1
	ShellStderr     ShellID = 2
	ShellExit       ShellID = 3 // one byte: the exit code
	ShellCloseStdin ShellID = 4 // empty; only commands without a terminal heed it
	ShellWindowSize ShellID = 5 // "ROWSxCOLS,XPIXxYPIX" and a NUL
	ShellInvalid    ShellID = 255
)

// ShellHeaderSize is what a shell packet adds to its data: the id and a 32-bit length.
const ShellHeaderSize = 5

// AppendShellHeader adds the header of a shell packet with n bytes of data to dst.
func AppendShellHeader(dst []byte, id ShellID, n int) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, byte(id)), uint32(n))
}

// AppendShell adds a shell packet to dst.
func AppendShell(dst []byte, id ShellID, data []byte) []byte {
	return append(AppendShellHeader(dst, id, len(data)), data...)
}

// Fragment is the part of a shell packet that was at hand.
type Fragment struct {
	ID   ShellID
	Data []byte // aliases what was given to Next; may be empty
	Last bool   // the packet ends here
}

// ShellDecoder takes shell packets out of bytes that were cut anywhere. It holds back nothing
// but an unfinished header, so its memory is bounded whatever lengths it is told. The zero
// value is ready.
type ShellDecoder struct {
	head [ShellHeaderSize]byte
	have int    // bytes of head that are filled
	left uint32 // data bytes of the packet that are still to come
}

// Next takes one fragment from the front of p, which must not be empty, and returns what
// remains. A fragment that is empty and not the last means that p ended inside a header, or
// right behind one. No call returns without having taken at least one byte:
//
//	for len(p) > 0 {
//		f, p, err = d.Next(p)
//	}
func (d *ShellDecoder) Next(p []byte) (f Fragment, rest []byte, err error) {
	if d.have < ShellHeaderSize {
		n := copy(d.head[d.have:], p)
		d.have += n
		p = p[n:]
		if d.have < ShellHeaderSize {
			return Fragment{ID: ShellInvalid}, p, nil
		}
		// adbd's buffer for one shell packet is one payload (shell_protocol.h): a longer one
		// is a stream that lost its step.
		d.left = binary.LittleEndian.Uint32(d.head[1:])
		if id := ShellID(d.head[0]); id == ShellInvalid || d.left > MaxPayload {
			return Fragment{}, nil, fmt.Errorf("%w: shell packet %d of %d bytes", ErrMalformed, id, d.left)
		}
	}
	n := min(len(p), int(d.left))
	d.left -= uint32(n)
	f = Fragment{ID: ShellID(d.head[0]), Data: p[:n], Last: d.left == 0}
	if f.Last {
		d.have = 0
	}
	return f, p[n:], nil
}
