package adbd

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func FuzzPackets(f *testing.F) {
	f.Add(appendPacket(nil, cmdCNXN, 0x01000001, maxPayload, []byte("host::"), true))
	f.Add(appendPacket(appendPacket(nil, cmdCNXN, 0x01000001, 4096, []byte("host::"), true), cmdOPEN, 1, 0, []byte("shell,v2,raw:true\x00"), false))
	f.Add(appendPacket(appendPacket(nil, cmdCNXN, 0x01000001, 4096, nil, true), cmdOPEN, 1, 0, []byte("sync:\x00"), false))
	addr, _ := serve(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var head [headerSize]byte
		copy(head[:], data)
		if h, err := parseHeader(&head, maxPayload); err == nil {
			again := appendPacket(nil, h.command, h.arg0, h.arg1, nil, false)
			if !bytes.Equal(again[:12], head[:12]) {
				t.Errorf("% x became % x", head, again)
			}
		}
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(limit))
		nc.Write(data)
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, nc)
	})
}

// duplex is a stream whose input ends.
type duplex struct {
	io.Reader
	io.Writer
}

func FuzzSync(f *testing.F) {
	request := func(id, path string, more ...string) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte(id), uint32(len(path))), path+strings.Join(more, "")...)
	}
	f.Add(request("SEND", "/data/local/tmp/a,33188", "DATA\x02\x00\x00\x00hi", "DONE\x00\xf1\x53\x65"))
	f.Add(request("STA2", "/data/local/tmp"))
	f.Add(request("SND2", "/data/local/tmp/a", "SND2\xa4\x81\x00\x00\x00\x00\x00\x00", "DATA\x02\x00\x00\x00hi", "DONE\x00\xf1\x53\x65"))
	f.Add(request("RCV2", "/system/etc/hosts", "RCV2\x00\x00\x00\x00"))
	f.Add(request("LIS2", "/"))
	f.Add(request("RECV", "/system/etc/hosts"))
	f.Add(request("SEND", "/data/local/tmp/l,41471", "DATA\x02\x00\x00\x00a\x00", "DONE\x00\x00\x00\x00"))
	_, d := serve(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var out countingWriter
		newSync(duplex{bytes.NewReader(data), &out}, d.Guest.Files(false)).serve()
		if out > 64<<20 {
			t.Errorf("%d bytes of answer for %d bytes", out, len(data))
		}
	})
}

type countingWriter int64

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

func FuzzShellInput(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x00\x00abc\x04\x00\x00\x00\x00"))
	f.Add([]byte("\x05\x04\x00\x00\x001x1\x00\x00\x01\x00\x00\x00z"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, _ := io.ReadAll(&shellInput{stream: bytes.NewReader(data)})
		if len(out) > len(data) {
			t.Errorf("%d bytes of input became %d", len(data), len(out))
		}
	})
}

func BenchmarkShellTrue(b *testing.B) {
	addr, _ := serve(b)
	h := connected(b, addr)
	h.nc.SetDeadline(time.Time{})
	id := uint32(1)
	for b.Loop() {
		id++
		h.send(cmdOPEN, id, 0, "shell,v2,raw:true\x00")
		for {
			p, _ := h.read()
			if p.command == cmdCLSE {
				h.send(cmdCLSE, id, p.arg0, "")
				break
			}
			if p.command == cmdWRTE {
				h.send(cmdOKAY, id, p.arg0, "")
			}
		}
	}
}
