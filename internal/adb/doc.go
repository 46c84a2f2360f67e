// Package adb talks to Android devices: a client of adbd's own transport, without an adb
// server and without the adb program.
//
// Words: a [Conn] is one multiplexed connection; a [Stream] is one conversation with a
// service of the device ("shell,v2,raw:id", "tcp:8080"); a [Device] is a lasting handle that
// connects, watches and reconnects; a [Pool] keeps the devices by serial. The pulse is an
// OPEN of the service "ping:", which no adbd has: its refusal, at once and without a process
// on the device, proves that adbd is alive. It does not prove that Android has booted.
//
// The client advertises only what it implements, signs no AUTH challenge (see
// [ErrAuthRequired]), speaks no TLS, and refuses every stream that a device tries to open:
// a sandbox has no business on the host. Nothing here touches the adb server on port 5037,
// so that a person's adb may use the same device beside us.
//
// Every error has a fault kind. A lost connection is Unavailable and wraps [ErrClosed]; it is
// never mistaken for the end of a command.
//
// The protocol was read in the sources of adbd of Android 14 and 17 (adb.cpp, sockets.cpp,
// daemon/shell_service.cpp) and its bytes were compared with those of adb 1.0.41 (29.0.6).
//
//	pool := adb.NewPool(adb.PoolOptions{Dial: dialer.DialContext})
//	dev := pool.Attach("127.0.0.1:6520", "127.0.0.1:6520", nil)
//	if err := dev.Await(ctx); err != nil { … }
//	res, err := dev.Shell(ctx, adb.ShellCommand{Command: "getprop sys.boot_completed"})
package adb
