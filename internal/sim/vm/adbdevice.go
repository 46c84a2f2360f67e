package vm

import (
	"context"
	"fmt"
	"io"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/daytonaio/runner-android/internal/sim/adbd"
	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// device is the guest as its adbd has it.
func (a *adbGate) device() adbd.Device {
	return adbd.Device{
		Guest: a.guest, Faults: &a.switches, Dial: a.dial, Screen: framebuffer{a.guest}, Binder: binder{a.guest}, Gate: a.gate,
	}
}

// dial connects tcp:PORT to a port of the guest.
func (a *adbGate) dial(ctx context.Context, port int) (io.ReadWriteCloser, error) {
	return a.guest.DialPort(ctx, port)
}

// framebuffer is the guest's screen.
type framebuffer struct{ guest *guest.Guest }

// Frame implements adbd.Screen.
func (d framebuffer) Frame(context.Context) (adbd.Frame, error) {
	w, h, pixels := d.guest.Framebuffer()
	return adbd.Frame{Width: w, Height: h, Pixels: pixels}, nil
}

// binder runs the guest's cmd.
type binder struct{ guest *guest.Guest }

// noCommand is the shell's exit status when there is nothing to run.
const noCommand = 127

// Command implements adbd.Binder.
func (b binder) Command(ctx context.Context, args []string, root bool, stdin io.Reader, stdout, stderr io.Writer) int {
	script := strings.Builder{}
	script.WriteString("exec cmd")
	for _, arg := range args {
		word, err := syntax.Quote(arg, syntax.LangMirBSDKorn)
		if err != nil {
			fmt.Fprintf(stderr, "cmd: %v\n", err)
			return noCommand
		}
		script.WriteString(" " + word)
	}
	session, err := b.guest.Start(guest.Spec{Script: script.String(), Stdin: stdin, Stdout: stdout, Stderr: stderr, Root: root})
	if err != nil {
		fmt.Fprintf(stderr, "cmd: %v\n", err)
		return noCommand
	}
	defer context.AfterFunc(ctx, session.Hangup)()
	return session.Wait()
}
