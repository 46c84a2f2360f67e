// Package adbd is the device's side of ADB for the simulated guest: what listens on port 6520 of a
// Cuttlefish host. It has a codec of its own, so that it shares no mistake with the runner's client.
//
// Words: a *connection* is one TCP connection from a host (an adb server, or the runner); a
// *stream* is one service opened over it; a *fault* is a misbehaviour that can be switched on at run
// time. The services are shell (v2, raw and pty), exec, sync (both versions, uncompressed), tcp,
// root, unroot and reboot; localabstract, framebuffer, abb and abb_exec where the [Device] has what is
// behind them; reverse, jdwp, track-app and unknown ones are refused with CLSE(0, id) at once.
//
// Checked against adb 1.0.41 (29.0.6) as the peer; the rules are those of adb's protocol.txt,
// daemon/shell_service.cpp and daemon/file_sync_service.cpp. A pty is a pipe here: no echo and no
// line editing, only ctrl-C, ctrl-D and Return mean something.
//
//	go adbd.Serve(ctx, listener, adbd.Device{Guest: g, Faults: &faults})
package adbd
