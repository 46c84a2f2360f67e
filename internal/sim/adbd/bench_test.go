package adbd

import (
	"encoding/binary"
	"testing"
	"time"
)

// BenchmarkScriptOnStdin runs a command that does nothing as the runner has a shell run it: the
// script comes on stdin, behind a prologue.
func BenchmarkScriptOnStdin(b *testing.B) {
	addr, _ := serve(b)
	h := connected(b, addr)
	h.nc.SetDeadline(time.Time{})
	const script = "exec 2>&1\necho 'runner-ABCDEFGHIJKLMNOPQRSTUVWXYZ' $$\ntrue\n\n"
	input := string(binary.LittleEndian.AppendUint32([]byte{packetStdin}, uint32(len(script)))) + script +
		string([]byte{packetCloseStdin, 0, 0, 0, 0})
	b.ReportAllocs()
	for b.Loop() {
		h.send(cmdOPEN, 1, 0, "shell,v2,raw:sh\x00")
		p, _ := h.read()
		h.send(cmdWRTE, 1, p.arg0, input)
		for said := ""; p.command != cmdCLSE; {
			p, said = h.read()
			if p.command == cmdWRTE && said[0] == packetStdout {
				h.send(cmdOKAY, 1, p.arg0, "")
			}
		}
	}
}
