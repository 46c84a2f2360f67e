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
	return runShell(ctx, c, &cmd)
}

func runShell(ctx context.Context, s session, cmd *ShellCommand) (ShellResult, error) {
	const op = "run shell command"
	if cmd.Command == "" {
		return ShellResult{ExitCode: NoExit}, fault.Op(op, fault.Invalidf("the command is empty"))
	}
	if err := needFeature(s, "shell_v2", "Android 7"); err != nil {
		return ShellResult{ExitCode: NoExit}, fault.Op(op, err)
	}
	service := make([]byte, 0, len(shellService)+len(cmd.Command)+1)
	service = append(append(service, shellService...), cmd.Command...)
	return runService(ctx, s, op, service, cmd)
}

// runService runs what speaks the shell protocol: a command, or abb.
func runService(ctx context.Context, s session, op string, service []byte, cmd *ShellCommand) (ShellResult, error) {
	res, err := converse(ctx, s, service, cmd)
	if err != nil && ctx.Err() != nil && fault.Is(err, fault.Internal) {
		return res, fault.Wrap(fault.KindOf(ctx.Err()), op, err) // the caller's own cause
	}
	return res, fault.Op(op, err)
}

func converse(ctx context.Context, s session, service []byte, cmd *ShellCommand) (ShellResult, error) {
	none := ShellResult{ExitCode: NoExit}
	if cmd.MaxOutput < 0 {
		return none, fault.Invalidf("a limit of %d bytes for the output", cmd.MaxOutput)
	}
	l, err := s.openLink(ctx, service)
	if err != nil {
		return none, err
	}
	ctx, stopFeeding, err := feed(ctx, l, cmd.Stdin)
	out := output{cmd: cmd, left: cmd.MaxOutput}
	if out.left == 0 {
		out.left = DefaultMaxOutput
	}
	code := NoExit
	if err == nil {
		code, err = collect(ctx, l, &out)
	}
	if err == nil {
		l.hangUp(ctx)
	} else {
		_ = l.Close()
	}
	stopFeeding()
	return ShellResult{ExitCode: code, Output: out.collected, Truncated: out.dropped}, err
}

func needFeature(s session, feature, since string) error {
	if s.Banner().Has(feature) {
		return nil
	}
	return fault.Unsupportedf("adb %s has no %s: %s or later is needed", s.name(), feature, since)
}

// collect takes the output up to the exit packet, which adbd sends only when stdout and
// stderr have been closed. That packet is not acknowledged: adbd answers our CLSE as well,
// and a round trip is saved.
func collect(ctx context.Context, l link, out *output) (code int, err error) {
	r := shellReader{in: linkReader{link: l}}
	for {
		f, err := r.next(ctx)
		if err != nil {
			return NoExit, err
		}
		if f.ID == wire.ShellExit {
			return int(f.Data[0]), nil
		}
		if err := out.take(f); err != nil {
			return NoExit, err
		}
	}
}

// shellReader takes the shell packets off a link, in pieces of at most one payload.
type shellReader struct {
	in  linkReader
	dec wire.ShellDecoder
}

// next returns the next piece that is not empty. It is valid until the call after, which lets
// the device send on.
func (r *shellReader) next(ctx context.Context) (f wire.Fragment, err error) {
	for {
		err := r.in.fill(ctx)
		if errors.Is(err, io.EOF) {
			err = ErrNoExit
		} else if err != nil {
			return f, err
		}
		if err == nil {
			f, r.in.data, err = r.dec.Next(r.in.data)
		}
		if err != nil {
			return f, fault.Wrap(fault.Unavailable, "adb "+r.in.link.name(), err)
		}
		if len(f.Data) > 0 {
			return f, nil
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
