package adb

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// recorded is a device that says what it says whatever it is told, then hangs up.
type recorded struct {
	net.Conn // nil: nothing else is called
	says     io.Reader
}

func (r *recorded) Read(p []byte) (int, error)  { return r.says.Read(p) }
func (r *recorded) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorded) Close() error                { return nil }

// FuzzHostileDevice: whatever a device says, a command ends, with at most the output asked
// for, and nothing panics or stays behind.
func FuzzHostileDevice(f *testing.F) {
	exit := wire.AppendShell(wire.AppendShell(nil, wire.ShellStdout, []byte("hi\n")), wire.ShellExit, []byte{0})
	f.Add(wire.AppendPacket(wire.AppendPacket(nil, wire.OKAY, 9, 1, nil), wire.WRTE, 9, 1, exit))
	f.Add(wire.AppendPacket(wire.AppendPacket(nil, wire.OKAY, 9, 1, nil), wire.CLSE, 9, 1, nil))
	f.Add(wire.AppendPacket(wire.AppendPacket(nil, wire.OPEN, 9, 0, []byte("tcp:1")), wire.CLSE, 0, 1, nil))
	hello := wire.AppendPacket(nil, wire.CNXN, wire.Version, wire.MaxPayload, []byte(fakeBanner))
	f.Fuzz(func(t *testing.T, says []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := Connect(ctx, &recorded{says: bytes.NewReader(append(bytes.Clone(hello), says...))}, ConnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		res, err := c.Shell(ctx, ShellCommand{Command: "true", MaxOutput: 100})
		if ctx.Err() != nil || len(res.Output) > 100 || (err == nil) != (res.ExitCode != NoExit) {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}
