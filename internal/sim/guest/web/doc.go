// Package web is a small HTTP server inside the simulated guest, for whatever carries HTTP to a
// port of a device.
//
//	/         a page
//	/echo     method, path as it was sent, headers and body of the request, as JSON
//	/upload   counts the body: {"bytes":N,"chunked":true}
//	/ws       WebSocket: sends every message back
//	/sse      server-sent events: ?n= of them (3), ?ms= apart (50)
//	/slow     answers after ?ms= (1000)
//	/status/N answers with status N
//
// It is no example of a server: it trusts its clients with everything but memory and time.
package web
