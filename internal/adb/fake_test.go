package adb

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

const fakeBanner = "device::ro.product.name=aosp_cf_x86_64_phone;ro.product.model=Cuttlefish;" +
	"ro.product.device=vsoc_x86_64;features=shell_v2,cmd"

// fakeDevice answers like adbd, in as few lines as the tests need. Each accepted OPEN runs
// serve in a goroutine of its own; nil refuses all.
type fakeDevice struct {
	banner string // "" = fakeBanner
	serve  func(s *fakeStream)
}

// fakeStream is the device's end of a stream.
type fakeStream struct {
	dev           *fakeSession
	service       string
	local, remote uint32
	in            chan []byte   // payloads of the host; closed by CLSE or loss
	acks          chan struct{} // OKAYs of the host
	gone          chan struct{}
}

type fakeSession struct {
	nc      net.Conn
	wmu     sync.Mutex
	streams map[uint32]*fakeStream
	wg      sync.WaitGroup
}

func (s *fakeSession) send(cmd wire.Command, arg0, arg1 uint32, payload []byte) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	_, _ = s.nc.Write(wire.AppendPacket(nil, cmd, arg0, arg1, payload))
}

// talk serves one connection until it ends.
func (f *fakeDevice) talk(nc net.Conn) {
	s := &fakeSession{nc: nc, streams: make(map[uint32]*fakeStream)}
	defer s.wg.Wait()
	defer func() {
		_ = nc.Close()
		for _, st := range s.streams {
			close(st.gone)
			close(st.in)
		}
	}()
	r := wire.NewReader(nc, wire.MaxPayload)
	for next := uint32(100); ; next++ {
		h, err := r.Next()
		if err != nil {
			return
		}
		payload, err := io.ReadAll(r)
		if err != nil {
			return
		}
		f.handle(s, h, payload, next)
	}
}

func (f *fakeDevice) handle(s *fakeSession, h wire.Header, payload []byte, id uint32) {
	switch h.Command {
	case wire.CNXN:
		banner := f.banner
		if banner == "" {
			banner = fakeBanner
		}
		s.send(wire.CNXN, wire.Version, wire.MaxPayload, []byte(banner))
	case wire.OPEN:
		service := strings.TrimRight(string(payload), "\x00")
		if f.serve == nil || service == "ping:" || strings.HasPrefix(service, "nonsense:") {
			s.send(wire.CLSE, 0, h.Arg0, nil)
			return
		}
		st := &fakeStream{dev: s, service: service, local: id, remote: h.Arg0,
			in: make(chan []byte, 1), acks: make(chan struct{}, 1), gone: make(chan struct{})}
		s.streams[id] = st
		s.wg.Go(func() {
			s.send(wire.OKAY, st.local, st.remote, nil)
			f.serve(st)
		})
	case wire.WRTE:
		if st := s.streams[h.Arg1]; st != nil {
			st.in <- payload // one outstanding, so this never blocks with a correct host
		}
	case wire.OKAY:
		if st := s.streams[h.Arg1]; st != nil {
			select {
			case st.acks <- struct{}{}:
			default:
			}
		}
	case wire.CLSE:
		if st := s.streams[h.Arg1]; st != nil {
			delete(s.streams, h.Arg1)
			close(st.gone)
			close(st.in)
		}
	default:
	}
}

// read takes one payload and acknowledges it; nil when the host has closed.
func (st *fakeStream) read() []byte {
	p, ok := <-st.in
	if !ok {
		return nil
	}
	st.dev.send(wire.OKAY, st.local, st.remote, nil)
	return p
}

// write sends one payload and waits for its OKAY; false when the host has closed.
func (st *fakeStream) write(p []byte) bool {
	st.dev.send(wire.WRTE, st.local, st.remote, p)
	select {
	case <-st.acks:
		return true
	case <-st.gone:
		return false
	}
}

func (st *fakeStream) close() { st.dev.send(wire.CLSE, st.local, st.remote, nil) }

// exit ends a command as adbd does: the exit packet, and CLSE once that was taken.
func (st *fakeStream) exit(code byte) {
	if st.write(wire.AppendShell(nil, wire.ShellExit, []byte{code})) {
		st.close()
	}
}

func (st *fakeStream) print(id wire.ShellID, text string) bool {
	return st.write(wire.AppendShell(nil, id, []byte(text)))
}

// stdin collects packets of id 0 up to packet 4; pace, if any, runs before each payload.
func (st *fakeStream) stdin(pace func()) (all []byte, closed bool) {
	var d wire.ShellDecoder
	for {
		if pace != nil {
			pace()
		}
		p := st.read()
		if p == nil {
			return all, false
		}
		for len(p) > 0 {
			var f wire.Fragment
			f, p, _ = d.Next(p)
			switch f.ID {
			case wire.ShellStdin:
				all = append(all, f.Data...)
			case wire.ShellCloseStdin:
				return all, true
			default:
			}
		}
	}
}

// connect connects to f over loopback TCP; both ends end with the test.
func connect(t testing.TB, f *fakeDevice) *Conn {
	t.Helper()
	host, device := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.talk(device)
	}()
	c, err := Connect(t.Context(), host, ConnOptions{Serial: "127.0.0.1:6520"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c
}

func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
