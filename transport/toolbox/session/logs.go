package session

import (
	"bufio"
	"context"
	"net/http"

	"github.com/daytonaio/runner-android/transport"
)

// maxFrame is the largest message of a WebSocket that follows, as the daemon has it.
const maxFrame = 1024

func (d *Door) logs(c *transport.Ctx) error {
	s, cmd, err := d.findCommand(c)
	if err != nil {
		return err
	}
	as, follow := dialectOf(c), c.Optional("follow") == "true"
	switch {
	case c.WantsSocket():
		return c.Upgrade(transport.SocketOptions{Protocol: versionProtocol(c)}, func(ctx context.Context, w *transport.Socket) error {
			stop := w.Discard()
			defer stop()
			emit := func(text []byte) error { return sendFrames(w, as, text) }
			if !follow {
				return emit(cmd.log.all())
			}
			return d.follow(ctx, s, cmd, emit)
		})
	case follow: // Daytona's runner serves this itself, with marks for whoever asks
		c.Stream("application/octet-stream", func(ctx context.Context, w *bufio.Writer) error {
			return d.follow(ctx, s, cmd, func(text []byte) error {
				if _, err := w.Write(text); err != nil {
					return err
				}
				return w.Flush()
			})
		})
		return nil
	}
	out := as.output(cmd.log.all())
	if as == parted {
		return c.Append(http.StatusOK, out)
	}
	return c.Bytes(http.StatusOK, "text/plain; charset=utf-8", out.text)
}

// follow ends without an error when the command has ended or its session was deleted.
func (d *Door) follow(ctx context.Context, s *session, cmd *command, emit func([]byte) error) error {
	if err := cmd.follow(ctx, d.Linger, s.over, emit); err != nil {
		return err
	}
	if _, over, err := cmd.ended(); over && err != nil && !s.deleted() {
		return err
	}
	return nil
}

// sendFrames sends whole lines in messages of the daemon's size, which may cut a mark.
func sendFrames(w *transport.Socket, as dialect, text []byte) error {
	if as == plain {
		text = strip(text)
	}
	for len(text) > 0 {
		n := min(len(text), maxFrame)
		if err := w.Binary(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}
