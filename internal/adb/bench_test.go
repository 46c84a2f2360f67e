package adb

import (
	"io"
	"net"
	"testing"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// instant is a device whose every command ends with 0 at once. It allocates nothing per
// command, so that what a benchmark counts is the client's.
func instant(nc net.Conn) {
	r := wire.NewReader(nc, wire.MaxPayload)
	exit := wire.AppendShell(nil, wire.ShellExit, []byte{0})
	var out []byte
	for {
		h, err := r.Next()
		if err != nil {
			return
		}
		switch h.Command {
		case wire.CNXN:
			out = wire.AppendPacket(out[:0], wire.CNXN, wire.Version, wire.MaxPayload, []byte(fakeBanner))
		case wire.OPEN:
			out = wire.AppendPacket(out[:0], wire.OKAY, h.Arg0, h.Arg0, nil)
		case wire.WRTE:
			out = wire.AppendPacket(out[:0], wire.OKAY, h.Arg1, h.Arg0, nil)
			out = wire.AppendPacket(out, wire.WRTE, h.Arg1, h.Arg0, exit)
		default:
			continue
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func instantConn(b *testing.B) *Conn {
	host, device := tcpPair(b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		instant(device)
	}()
	c, err := Connect(b.Context(), host, ConnOptions{Serial: "s"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c
}

func BenchmarkShellTrue(b *testing.B) {
	c := instantConn(b)
	b.ReportAllocs()
	for b.Loop() {
		if res, err := c.Shell(b.Context(), ShellCommand{Command: "true"}); err != nil || res.ExitCode != 0 {
			b.Fatal(res, err)
		}
	}
}

func BenchmarkShellTrue64(b *testing.B) {
	c := instantConn(b)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if res, err := c.Shell(b.Context(), ShellCommand{Command: "true"}); err != nil || res.ExitCode != 0 {
				b.Error(res, err)
				return
			}
		}
	})
}

// BenchmarkPull reads a stream of large payloads.
func BenchmarkPull(b *testing.B) {
	const size = 64 << 10
	c := connect(b, &fakeDevice{serve: func(s *fakeStream) {
		for p := make([]byte, size); s.write(p); {
		}
	}})
	s, err := c.Open(b.Context(), "sync:")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b.SetBytes(size)
	b.ReportAllocs()
	buf := make([]byte, size)
	for b.Loop() {
		if _, err := io.ReadFull(s, buf); err != nil {
			b.Fatal(err)
		}
	}
}
