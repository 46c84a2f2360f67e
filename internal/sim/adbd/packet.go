package adbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Commands, as little-endian words.
const (
	cmdCNXN = 0x4e584e43
	cmdAUTH = 0x48545541
	cmdOPEN = 0x4e45504f
	cmdOKAY = 0x59414b4f
	cmdCLSE = 0x45534c43
	cmdWRTE = 0x45545257
)

const (
	headerSize = 24
	// version 0x01000001 and later peers leave the checksum out.
	versionNoChecksum = 0x01000001
	versionMin        = 0x01000000
	// maxPayload is what this side takes; the handshake settles on the smaller of both sides' limits.
	maxPayload = 1 << 20
	// handshakePayload is what either side may send before it knows the other's limit.
	handshakePayload = 4096
)

// header is a packet without its payload.
type header struct {
	command, arg0, arg1 uint32
	length, sum         uint32
}

var errMagic = errors.New("packet's magic does not match its command")

// parseHeader reads a header; limit is the longest payload that is acceptable.
func parseHeader(b *[headerSize]byte, limit uint32) (header, error) {
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	h := header{command: word(0), arg0: word(1), arg1: word(2), length: word(3), sum: word(4)}
	if word(5) != h.command^0xffffffff {
		return h, errMagic
	}
	if h.length > limit {
		return h, fmt.Errorf("payload of %d bytes is over the limit of %d", h.length, limit)
	}
	return h, nil
}

// appendPacket appends a packet to b. withSum is for peers that may verify it.
func appendPacket(b []byte, command, arg0, arg1 uint32, payload []byte, withSum bool) []byte {
	var sum uint32
	if withSum {
		for _, c := range payload {
			sum += uint32(c)
		}
	}
	for _, word := range []uint32{command, arg0, arg1, uint32(len(payload)), sum, command ^ 0xffffffff} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return append(b, payload...)
}

func readHeader(r io.Reader, limit uint32) (header, error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, err
	}
	return parseHeader(&b, limit)
}
