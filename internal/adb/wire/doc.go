// Package wire is the codec of the ADB device transport: what a host and an adbd say to each
// other over one byte stream, and inside it the shell protocol, the messages of the sync service
// and the header of a frame. Beside it stand the requests and answers of an adb server.
//
// Words: a packet is a 24-byte header and a payload; a stream is a conversation between two
// ids, one per side; the banner is the text by which each side introduces itself in CNXN; a
// shell packet is a frame of the "shell v2" protocol, carried in the payloads of a stream and
// split by them wherever it pleases; a fragment is the part of a shell packet at hand.
//
// The package refuses to talk: it opens no socket, keeps no stream, starts no goroutine, and
// knows neither side's rules. It bounds what it reads and never trusts a length.
//
// Checked byte for byte against a genuine adb 1.0.41 (29.0.6) as the peer; the rest was read
// in the sources of adb and adbd of Android 14 and 17 (types.h, adb.cpp, shell_protocol.h).
//
//	r := wire.NewReader(conn, wire.MaxPayload)
//	h, err := r.Next()
//	payload := make([]byte, h.Length)
//	_, err = io.ReadFull(r, payload)
package wire
