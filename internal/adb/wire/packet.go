package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Command says what a packet is about.
type Command uint32

// The commands. SYNC is obsolete and only ever ignored.
const (
	SYNC Command = 0x434e5953
	CNXN Command = 0x4e584e43 // arg0 version, arg1 max payload; payload is the banner
	AUTH Command = 0x48545541 // arg0 one of the Auth values
	OPEN Command = 0x4e45504f // arg0 sender's id; payload is the service and a NUL
	OKAY Command = 0x59414b4f // arg0 sender's id, arg1 receiver's
	CLSE Command = 0x45534c43 // arg0 sender's id, or 0 for a refused OPEN; arg1 receiver's
	WRTE Command = 0x45545257 // arg0 sender's id, arg1 receiver's; payload is data
	STLS Command = 0x534c5453 // arg0 STLSVersion
)

// What AUTH says in arg0.
const (
	AuthToken     = 1 // device: 20 random bytes to sign
	AuthSignature = 2 // host: the signature
	AuthPublicKey = 3 // host: its public key and a NUL
)

// Versions of the protocol, and what the two sides promise each other.
const (
	VersionChecksum = 0x01000000 // every packet carries the sum of its payload
	Version         = 0x01000001 // the checksum field is zero
	STLSVersion     = 0x01000000

	HeaderSize        = 24
	MaxPayload        = 1 << 20 // what both sides offer since Android 9
	MaxPayloadInitial = 4096    // what may be sent before the other side's CNXN is known
)

// ErrMalformed is wrapped by every error about bytes that are not ADB. The connection they
// came from cannot be used any more.
var ErrMalformed = errors.New("malformed adb data")

// Commands lists every command, for tables that must be complete.
func Commands() []Command {
	return []Command{SYNC, CNXN, AUTH, OPEN, OKAY, CLSE, WRTE, STLS}
}

// String returns the four letters of a known command, else its number.
func (c Command) String() string {
	if !slices.Contains(Commands(), c) {
		return fmt.Sprintf("0x%08x", uint32(c))
	}
	return string(binary.LittleEndian.AppendUint32(nil, uint32(c)))
}

// Header is the fixed part of a packet.
type Header struct {
	Command    Command
	Arg0, Arg1 uint32
	Length     uint32 // of the payload
	Check      uint32 // sum of the payload's bytes below Version, else 0; receivers ignore it
}

// Append adds the 24 bytes of h to dst.
func (h Header) Append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(h.Command))
	dst = le.AppendUint32(dst, h.Arg0)
	dst = le.AppendUint32(dst, h.Arg1)
	dst = le.AppendUint32(dst, h.Length)
	dst = le.AppendUint32(dst, h.Check)
	return le.AppendUint32(dst, ^uint32(h.Command))
}

// ParseHeader reads the header at the start of b, which must hold HeaderSize bytes. It checks
// the magic and leaves the length to whoever knows the limit.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(b))
	}
	le := binary.LittleEndian
	h := Header{
		Command: Command(le.Uint32(b)),
		Arg0:    le.Uint32(b[4:]),
		Arg1:    le.Uint32(b[8:]),
		Length:  le.Uint32(b[12:]),
		Check:   le.Uint32(b[16:]),
	}
	if magic := le.Uint32(b[20:]); magic != ^uint32(h.Command) {
		return Header{}, fmt.Errorf("%w: command %v with magic 0x%08x", ErrMalformed, h.Command, magic)
	}
	return h, nil
}

// AppendPacket adds a packet without checksum to dst.
func AppendPacket(dst []byte, cmd Command, arg0, arg1 uint32, payload []byte) []byte {
	h := Header{Command: cmd, Arg0: arg0, Arg1: arg1, Length: uint32(len(payload))}
	return append(h.Append(dst), payload...)
}

// Checksum is the sum that a header of VersionChecksum carries.
func Checksum(payload []byte) uint32 {
	var sum uint32
	for _, b := range payload {
		sum += uint32(b)
	}
	return sum
}
