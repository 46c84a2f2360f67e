package adb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// DefaultMaxOutput is what a command may print when it does not say otherwise.
	DefaultMaxOutput = 16 << 20
	// NoExit is the exit code of a command whose end was not seen.
	NoExit = -1

	shellService = "shell,v2,raw:"
)

// ShellCommand is one command for the device's /system/bin/sh, run without a terminal.
type ShellCommand struct {
	// Command is the script, as behind "sh -c". It must be shorter than one payload (1 MiB),
	// and Linux takes at most 128 KiB; what is longer goes to a shell on Stdin.
	Command string

	// Stdin is what the command reads; nil is nothing. What has a Len method (bytes.Reader,
	// strings.Reader, bytes.Buffer) counts as being in memory: it is no longer touched when
	// Shell has returned. From others a Read may still be under way then, since a command can
	// end before its input does: end it yourself.
	Stdin io.Reader

	// Stdout and Stderr get the output as it arrives. What has no writer is collected in
	// ShellResult.Output.
	Stdout, Stderr io.Writer

	// MaxOutput bounds the bytes taken of both together; what comes later is dropped and
	// counted, and the command goes on. 0 means DefaultMaxOutput.
	MaxOutput int64
}

// ShellResult is what became of a command.
type ShellResult struct {
	ExitCode  int    // 0 to 255; 128+n after signal n; NoExit beside an error
	Output    []byte // stdout and stderr in order of arrival, as far as they had no writer
	Truncated int64  // bytes dropped over MaxOutput
}

// Shell runs a command and returns when it has ended: with its exit code and no error,
// whatever the code. Beside an error the result holds what had been printed.
//
// The command ends only when all who hold its stdout and stderr have closed them; put
// "</dev/null >/dev/null 2>&1" behind what is to stay in the background. When ctx ends, the
// device sends SIGHUP to the shell, and to the shell only.
//
// Errors: Timeout or Cancelled with ctx; Unavailable wrapping ErrClosed or ErrNoExit when the
// device was lost (the command may have run, or run on); Unsupported without shell_v2; the
// kind of the error of Stdin or of a writer.
func (c *Conn) Shell(ctx context.Context, cmd ShellCommand) (ShellResult, error) {
	const op = "run shell command"
	res, err := c.shell(ctx, &cmd)
	if err != nil && ctx.Err() != nil && fault.Is(err, fault.Internal) {
		return res, fault.Wrap(fault.KindOf(ctx.Err()), op, err) // the caller's own cause
	}
	return res, fault.Op(op, err)
}

func (c *Conn) shell(ctx context.Context, cmd *ShellCommand) (ShellResult, error) {
	none := ShellResult{ExitCode: NoExit}
	switch {
	case cmd.Command == "":
		return none, fault.Invalidf("the command is empty")
	case cmd.MaxOutput < 0:
		return none, fault.Invalidf("a limit of %d bytes for the output", cmd.MaxOutput)
	case !c.banner.Has("shell_v2"):
		return none, fault.Unsupportedf("adb %s has no shell_v2: Android 7 or later is needed", c.serial)
	}
	service := make([]byte, 0, len(shellService)+len(cmd.Command)+1)
	service = append(append(append(service, shellService...), cmd.Command...), 0)
	s, err := c.open(ctx, service, maxStreams)
	if err != nil {
		return none, err
	}
	ctx, stopFeeding, err := s.feed(ctx, cmd.Stdin)
	out := output{cmd: cmd, left: cmd.MaxOutput}
	if out.left == 0 {
		out.left = DefaultMaxOutput
	}
	code := NoExit
	if err == nil {
		code, err = s.collect(ctx, &out)
	}
	if err == nil {
		s.hangUp(ctx)
	} else {
		_ = s.Close()
	}
	stopFeeding()
	return ShellResult{ExitCode: code, Output: out.collected, Truncated: out.dropped}, err
}

// collect takes the output up to the exit packet, which adbd sends only when stdout and
// stderr have been closed. That packet is not acknowledged: adbd answers our CLSE as well,
// and a round trip is saved.
func (s *Stream) collect(ctx context.Context, out *output) (code int, err error) {
	var d wire.ShellDecoder
	for {
		data, err := s.next(ctx)
		if errors.Is(err, io.EOF) {
			return NoExit, fault.Wrap(fault.Unavailable, "adb "+s.conn.serial, ErrNoExit)
		}
		if err != nil {
			return NoExit, err
		}
		for len(data) > 0 {
			var f wire.Fragment
			if f, data, err = d.Next(data); err != nil {
				return NoExit, fault.Wrap(fault.Unavailable, "adb "+s.conn.serial, err)
			}
			if f.ID == wire.ShellExit && len(f.Data) > 0 {
				return int(f.Data[0]), nil
			}
			if err := out.take(f); err != nil {
				return NoExit, err
			}
		}
		if err := s.release(ctx); err != nil {
			return NoExit, err
		}
	}
}

// output is where a command's output goes.
type output struct {
	cmd       *ShellCommand
	collected []byte
	left      int64
	dropped   int64
}

func (o *output) take(f wire.Fragment) error {
	var w io.Writer
	switch f.ID {
	case wire.ShellStdout:
		w = o.cmd.Stdout
	case wire.ShellStderr:
		w = o.cmd.Stderr
	default:
		return nil // a packet for others, or of a later Android
	}
	keep := f.Data[:min(int64(len(f.Data)), o.left)]
	o.left -= int64(len(keep))
	o.dropped += int64(len(f.Data) - len(keep))
	if w == nil {
		o.collected = append(o.collected, keep...)
		return nil
	}
	if len(keep) == 0 {
		return nil
	}
	if _, err := w.Write(keep); err != nil {
		return fmt.Errorf("hand on the output: %w", err)
	}
	return nil
}
