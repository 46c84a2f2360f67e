package guestshell

import (
	"context"
	"fmt"

	"github.com/daytonaio/runner-android/internal/adb"
)

// Process is a command of the guest that goes on beside its caller; *adb.Process is one, and says
// what the methods promise.
type Process interface {
	Write(data []byte) (int, error)
	CloseStdin() error
	Next() (stream int, data []byte, err error)
	Resize(rows, cols int) error
	Wait() (exit int, err error)
	Close() error
}

var _ Process = (*adb.Process)(nil)

// Starter starts commands on the device with a serial. The end of ctx ends the starting, not the
// command. It is safe for concurrent use.
type Starter interface {
	Start(ctx context.Context, serial string, s adb.ShellStart) (Process, error)
}

// Terminate is a script that asks the process group of the shell with this pid to end; see [Kill].
func Terminate(pid int) []byte {
	return fmt.Appendf(nil, "kill -s TERM -- -%d 2>/dev/null\n", pid)
}
