package adb

import (
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// authorizer answers a device's challenges during one handshake.
type authorizer struct {
	keys    []*Key
	tried   int
	offered bool
}

// answer signs with the next key; when there is none left, it offers the first once. An error
// ends the handshake.
func (a *authorizer) answer(c *Conn, h wire.Header) error {
	if h.Arg0 != wire.AuthToken || h.Length != tokenSize {
		return protocolError("AUTH %d with %d bytes", h.Arg0, h.Length)
	}
	var token [tokenSize]byte
	if _, err := io.ReadFull(c.in, token[:]); err != nil {
		return fmt.Errorf("read the challenge: %w", err)
	}
	switch {
	case a.tried < len(a.keys):
		a.tried++
		signature, err := a.keys[a.tried-1].sign(token[:])
		if err != nil {
			return fmt.Errorf("sign the challenge: %w", err)
		}
		return c.sayAuth(wire.AuthSignature, signature)
	case len(a.keys) == 0:
		return fmt.Errorf("%w, and we have none: give the runner a key that the image trusts, or use an "+
			"image without adb authentication", ErrAuthRequired)
	case a.offered:
		return a.refused("refused ours")
	}
	a.offered = true
	return c.sayAuth(wire.AuthPublicKey, append([]byte(a.keys[0].Public()), 0))
}

// explain is for a handshake that ended with err while the device considered our key.
func (a *authorizer) explain(err error) error {
	if !a.offered {
		return err
	}
	return a.refused("did not accept ours in time")
}

func (a *authorizer) refused(what string) error {
	return fmt.Errorf("%w, and %s (%d tried): accept it on the device's screen, or add the public half "+
		"of the runner's key to the device's /data/misc/adb/adb_keys", ErrAuthRequired, what, len(a.keys))
}

func (c *Conn) sayAuth(kind uint32, payload []byte) error {
	h := wire.Header{Command: wire.AUTH, Arg0: kind, Length: uint32(len(payload)), Check: wire.Checksum(payload)}
	_, err := c.nc.Write(append(h.Append(nil), payload...))
	return err
}
