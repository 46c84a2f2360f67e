package adb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

const (
	// stdinChunk is the most of a command's stdin that is read at once: large against a round
	// trip, small against the memory of many commands.
	stdinChunk = 64 << 10
	// maxEmptyReads is how often a reader may return nothing, without an error, in a row.
	maxEmptyReads = 100
)

// inMemory is what tells how much it still has, and so never blocks.
type inMemory interface {
	io.Reader
	Len() int
}

// feed sends stdin to the command and closes it. What fits one packet is sent before feed
// returns; for more, a goroutine sends while the caller reads the output. When stdin cannot be
// read, the returned context ends with the reason. The caller calls stop in the end.
func feed(ctx context.Context, l link, stdin io.Reader) (_ context.Context, stop func(), err error) {
	mem, isMem := stdin.(inMemory)
	room := l.room() - 2*wire.ShellHeaderSize
	if stdin == nil || isMem && mem.Len() <= room {
		return ctx, func() {}, feedOnce(ctx, l, mem)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := feedAll(ctx, l, stdin, min(stdinChunk, room)); err != nil {
			cancel(err)
		}
	}()
	return ctx, func() {
		cancel(nil)
		if isMem {
			<-done
		}
	}, nil
}

// feedOnce sends all of a short stdin, and its end, as one payload.
func feedOnce(ctx context.Context, l link, stdin inMemory) error {
	var payload []byte
	if stdin != nil && stdin.Len() > 0 {
		n := stdin.Len()
		payload = make([]byte, wire.ShellHeaderSize+n, n+2*wire.ShellHeaderSize)
		n, err := io.ReadFull(stdin, payload[wire.ShellHeaderSize:])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return stdinError(err)
		}
		payload = payload[:wire.ShellHeaderSize+n]
		wire.AppendShellHeader(payload[:0], wire.ShellStdin, n)
	}
	return feedPayload(ctx, l, wire.AppendShellHeader(payload, wire.ShellCloseStdin, 0))
}

// feedAll sends stdin to its end, then the end. It fails only when stdin cannot be read.
func feedAll(ctx context.Context, l link, stdin io.Reader, chunk int) error {
	buf := make([]byte, wire.ShellHeaderSize+chunk)
	for empty := 0; empty < maxEmptyReads; {
		n, err := stdin.Read(buf[wire.ShellHeaderSize:])
		empty++
		if n > 0 {
			empty = 0
			wire.AppendShellHeader(buf[:0], wire.ShellStdin, n)
			if _, err := l.write(ctx, buf[:wire.ShellHeaderSize+n]); err != nil {
				return nil // whoever reads the output learns why
			}
		}
		if errors.Is(err, io.EOF) {
			return feedPayload(ctx, l, wire.AppendShellHeader(buf[:0], wire.ShellCloseStdin, 0))
		}
		if err != nil {
			return stdinError(err)
		}
	}
	return stdinError(io.ErrNoProgress)
}

// feedPayload sends the last of stdin. A device that closed or was lost meanwhile is no
// failure of stdin: the end of the output tells which it was.
func feedPayload(ctx context.Context, l link, payload []byte) error {
	_, err := l.write(ctx, payload)
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

func stdinError(err error) error { return fmt.Errorf("read the command's stdin: %w", err) }
