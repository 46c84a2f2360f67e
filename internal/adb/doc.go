// Package adb talks to Android devices: a client of adbd's own transport, without the adb
// program and, as a rule, without an adb server.
//
// Words: a [Conn] is one multiplexed connection; a [Stream] is one conversation with a
// service of the device ("shell,v2,raw:id", "tcp:8080"), and a net.Conn; a [Process] is a shell
// command that lives as long as its stream; a [Device] is a lasting handle that connects,
// watches and reconnects; a [Pool] keeps the devices by serial. The pulse is an
// OPEN of the service "ping:", which no adbd has: its refusal, at once and without a process
// on the device, proves that adbd is alive. It does not prove that Android has booted.
//
// A device has a first connection, for shells and small questions, and a second for what is
// large (files, frames, ports), made when needed and closed when not: a gigabyte on its way does
// not delay a command. In [Server] mode every stream is a connection to an adb server instead;
// so it is when a device demands a key that we lack and a server has. Files are those of the
// sync service, version 2 where the device has it. [Key] answers the device's challenge.
//
// The client advertises only what it implements, speaks no TLS, and refuses every stream that
// a device tries to open: a sandbox has no business on the host. It starts no adb server, stops
// none and disconnects nothing from one, so that a person's adb may use the same device beside us.
//
// Every error has a fault kind. A lost connection is Unavailable and wraps [ErrClosed]; it is
// never mistaken for the end of a command or of a file. What a device says is not believed:
// sizes are bounded and names lead nowhere.
//
// The protocol was read in the sources of adbd of Android 14 and 17 (adb.cpp, sockets.cpp,
// daemon/shell_service.cpp, daemon/file_sync_service.cpp) and its bytes were compared with those
// of adb 1.0.41 (29.0.6), which also serves as the server of the tests.
//
//	pool := adb.NewPool(adb.PoolOptions{Dial: dialer.DialContext, Server: adb.DefaultServer})
//	dev := pool.Attach("127.0.0.1:6520", "127.0.0.1:6520", nil)
//	if err := dev.Await(ctx); err != nil { … }
//	res, err := dev.Shell(ctx, adb.ShellCommand{Command: "getprop sys.boot_completed"})
//	n, err := dev.Send(ctx, "/data/local/tmp/a", 0o644, time.Now(), file)
package adb
