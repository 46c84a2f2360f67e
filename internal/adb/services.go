package adb

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Dial opens a service ("tcp:8080", "localabstract:name") as a net.Conn, deadlines included,
// for net/http and its like; it uses the second connection, see OpenBulk. There is no half close:
// when the local side is done writing, keep the connection open until the device's side has
// answered.
func (d *Device) Dial(ctx context.Context, service string) (net.Conn, error) {
	s, err := d.OpenBulk(ctx, service)
	if err != nil {
		return nil, err // and no Conn that is not nil
	}
	return s, nil
}

// Exec runs a command on a raw terminal: both outputs in one, no exit code, no end of input.
// It is for what adb itself uses it for (streamed installs); else use Shell.
func (d *Device) Exec(ctx context.Context, command string) (*Stream, error) {
	if command == "" {
		return nil, fault.Invalidf("the command is empty")
	}
	return d.OpenBulk(ctx, "exec:"+command)
}

// ABB runs a binder command ("package", "list", "packages") in a helper that lives on the
// device: what "cmd" does, without a shell and its quoting. Unsupported without the feature
// abb (Android 11 and later); Invalid for an empty argument, which the device would drop.
func (d *Device) ABB(ctx context.Context, args []string) (ShellResult, error) {
	const op = "run binder command"
	service, err := abbService("abb:", args)
	if err != nil {
		return ShellResult{ExitCode: NoExit}, fault.Op(op, err)
	}
	s, err := d.current()
	if err == nil {
		err = needFeature(s, "abb", "Android 11")
	}
	if err != nil {
		return ShellResult{ExitCode: NoExit}, fault.Op(op, err)
	}
	return runService(ctx, s, op, service, &ShellCommand{})
}

// ABBExec is ABB with raw bytes both ways: what streamed installs use (feature abb_exec).
func (d *Device) ABBExec(ctx context.Context, args []string) (*Stream, error) {
	const op = "run binder command"
	service, err := abbService("abb_exec:", args)
	if err != nil {
		return nil, fault.Op(op, err)
	}
	s, err := d.current()
	if err == nil {
		err = needFeature(s, "abb_exec", "Android 11")
	}
	if err != nil {
		return nil, fault.Op(op, err)
	}
	return d.OpenBulk(ctx, string(service))
}

// abbService parts the arguments with NULs. One at the end would be taken for the string's.
func abbService(name string, args []string) ([]byte, error) {
	if len(args) == 0 || slices.Contains(args, "") {
		return nil, fault.Invalidf("an argument is empty")
	}
	for _, arg := range args {
		if strings.ContainsRune(arg, 0) {
			return nil, fault.Invalidf("an argument holds a NUL")
		}
	}
	return []byte(name + strings.Join(args, "\x00")), nil
}
