package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// MaxRequest is the longest request that an adb server takes.
const MaxRequest = 0xffff

// FailError is what an adb server says instead of OKAY.
type FailError struct{ Reason string }

// Error returns the server's reason.
func (e *FailError) Error() string { return e.Reason }

// AppendRequest adds a request to an adb server to dst: four hexadecimal digits and the text,
// which must not be empty or longer than MaxRequest.
func AppendRequest(dst []byte, request []byte) []byte {
	return append(fmt.Appendf(dst, "%04x", len(request)), request...)
}

// ReadStatus reads OKAY, or FAIL with its reason, which becomes a *FailError. It reads no byte
// more. An end before the first is io.EOF.
func ReadStatus(r io.Reader) error {
	var word [4]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return err
	}
	switch string(word[:]) {
	case "OKAY":
		return nil
	case "FAIL":
		reason, err := ReadText(r)
		if err != nil {
			return fmt.Errorf("read the reason of a FAIL: %w", midPacket(err))
		}
		return &FailError{Reason: string(reason)}
	}
	return fmt.Errorf("%w: status %q", ErrMalformed, word)
}

// ReadText reads four hexadecimal digits and as many bytes, at most MaxRequest.
func ReadText(r io.Reader) ([]byte, error) {
	var digits [4]byte
	if _, err := io.ReadFull(r, digits[:]); err != nil {
		return nil, err
	}
	var n [2]byte
	if _, err := hex.Decode(n[:], digits[:]); err != nil {
		return nil, fmt.Errorf("%w: length %q", ErrMalformed, digits)
	}
	text := make([]byte, int(n[0])<<8|int(n[1]))
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, midPacket(err)
	}
	return text, nil
}

// IsFail reports whether err is a server's FAIL, and its reason.
func IsFail(err error) (reason string, is bool) {
	var fail *FailError
	if !errors.As(err, &fail) {
		return "", false
	}
	return fail.Reason, true
}
