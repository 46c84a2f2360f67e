package adb

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// features is what we advertise: what this client implements, nothing else. A feature that
// is only listed would be used by the device.
func features() []string {
	return []string{"shell_v2", "cmd", "stat_v2", "ls_v2", "abb", "abb_exec", "sendrecv_v2"}
}

// handshake exchanges CNXN within limit. On error the socket is closed.
func (c *Conn) handshake(ctx context.Context, limit time.Duration, keys []*Key) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Closing is what works for every net.Conn; those of SSH channels know no deadlines.
	stop := context.AfterFunc(ctx, func() { _ = c.nc.Close() })
	err := c.introduce()
	if err == nil {
		err = c.awaitBanner(&authorizer{keys: keys})
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.nc.Close()
		return handshakeError(ctx, c.serial, err)
	}
	return nil
}

// introduce sends our CNXN. Its checksum is set as adb sets it: the device's version is not
// known yet.
func (c *Conn) introduce() error {
	banner := []byte(wire.Banner{Type: wire.TypeHost, Features: features()}.String())
	h := wire.Header{
		Command: wire.CNXN, Arg0: wire.Version, Arg1: wire.MaxPayload,
		Length: uint32(len(banner)), Check: wire.Checksum(banner),
	}
	_, err := c.nc.Write(append(h.Append(nil), banner...))
	return err
}

// awaitBanner reads up to the device's CNXN. Packets of streams that come before it belong to
// nobody and are passed over, as adb does.
func (c *Conn) awaitBanner(auth *authorizer) error {
	for {
		h, err := c.in.Next()
		if err != nil {
			return auth.explain(err)
		}
		switch h.Command {
		case wire.CNXN:
			return c.accept(h)
		case wire.AUTH:
			if err := auth.answer(c, h); err != nil {
				return err
			}
		case wire.STLS:
			return ErrTLSRequired
		default: // nothing else means anything before the banner
		}
	}
}

func (c *Conn) accept(h wire.Header) error {
	if h.Arg0 < wire.VersionChecksum || h.Arg1 < wire.ShellHeaderSize {
		return protocolError("CNXN with version 0x%08x and payloads of %d bytes", h.Arg0, h.Arg1)
	}
	text := make([]byte, h.Length)
	if _, err := io.ReadFull(c.in, text); err != nil {
		return fmt.Errorf("read the banner: %w", err)
	}
	banner, err := wire.ParseBanner(text)
	if err != nil {
		return err
	}
	c.banner = banner
	c.checksums = h.Arg0 < wire.Version
	c.maxPayload = int(min(h.Arg1, wire.MaxPayload))
	c.in.Limit(uint32(c.maxPayload))
	return nil
}
