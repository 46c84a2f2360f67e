package adb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

func packet(cmd wire.Command, arg0, arg1 uint32, payload string) []byte {
	return wire.AppendPacket(nil, cmd, arg0, arg1, []byte(payload))
}

func TestHandshakeRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer []byte
		want   error
		text   string
	}{
		{"a device that demands a key", packet(wire.AUTH, wire.AuthToken, 0, string(make([]byte, 20))),
			ErrAuthRequired, "key that it knows"},
		{"a device that demands TLS", packet(wire.STLS, wire.STLSVersion, 0, ""), ErrTLSRequired, "TLS"},
		{"a proxy whose guest is not up", nil, nil, "the guest is not up yet"},
		{"a port of something else", []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2"), wire.ErrMalformed, "magic"},
		{"a banner without a type", packet(wire.CNXN, wire.Version, wire.MaxPayload, "x"),
			wire.ErrMalformed, "type"},
		{"payloads of nothing", packet(wire.CNXN, wire.Version, 0, "device::"), wire.ErrMalformed, "0 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host, device := tcpPair(t)
			go func() {
				_, _ = io.ReadFull(device, make([]byte, 24))
				_, _ = device.Write(tt.answer)
				_ = device.(*net.TCPConn).CloseWrite()
			}()
			_, err := Connect(within(t), host, ConnOptions{Serial: "127.0.0.1:6521"})
			kind := fault.Unavailable
			if errors.Is(tt.want, ErrAuthRequired) {
				kind = fault.Forbidden
			}
			if !fault.Is(err, kind) || !strings.Contains(err.Error(), tt.text) ||
				!strings.Contains(err.Error(), "127.0.0.1:6521") || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v (%v)", err, fault.KindOf(err))
			}
			if _, err := host.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the socket was left open: %v", err)
			}
		})
	}
}

func TestSilentDeviceEndsTheHandshakeInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		defer func() { _ = device.Close() }()
		go func() { _, _ = io.Copy(io.Discard, device) }()
		began := time.Now()
		_, err := Connect(t.Context(), host, ConnOptions{Serial: "s"})
		if took := time.Since(began); took != 10*time.Second || !fault.Is(err, fault.Unavailable) ||
			!strings.Contains(err.Error(), "no CNXN") {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestHandshakeFollowsItsCaller(t *testing.T) {
	t.Parallel()
	host, _ := tcpPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Connect(ctx, host, ConnOptions{}); !fault.Is(err, fault.Cancelled) {
		t.Errorf("got %v, want Cancelled", err)
	}
}

func TestBannerOfTheDevice(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{})
	if b := c.Banner(); b.Type != wire.TypeDevice || b.Model != "Cuttlefish" || !b.Has("shell_v2") {
		t.Errorf("got %+v", b)
	}
}

func TestStreamCarriesBytesBothWays(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{serve: func(s *fakeStream) { // echoes until the host closes
		for p := s.read(); p != nil; p = s.read() {
			if !s.write(p) {
				return
			}
		}
	}})
	s, err := c.Open(within(t), "tcp:7")
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 5*wire.MaxPayload/32) // 2.5 payloads
	go func() { _, _ = s.Write(want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("bytes differ, %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(got); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := s.Write(got); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after Close: %v", err)
	}
}

func TestRefusedServiceAndPing(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{serve: func(*fakeStream) {}})
	_, err := c.Open(within(t), "nonsense:with a secret")
	if !errors.Is(err, ErrRefused) || !fault.Is(err, fault.Unavailable) ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if err := c.Ping(within(t)); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, err := c.Open(within(t), ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("empty service: %v", err)
	}
	if _, err := c.Open(within(t), strings.Repeat("x", wire.MaxPayload)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("huge service: %v", err)
	}
}

func TestDataBeforeCloseIsDeliveredThenEOF(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{serve: func(s *fakeStream) {
		s.dev.send(wire.WRTE, s.local, s.remote, []byte("last words"))
		s.close()
	}})
	s, err := c.Open(within(t), "tcp:1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s); string(got) != "last words" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to what the device closed: %v", err)
	}
	if c.Err() != nil {
		t.Errorf("the connection ended: %v", c.Err())
	}
}

func TestLossIsNotEOF(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{serve: func(s *fakeStream) {
		s.dev.send(wire.WRTE, s.local, s.remote, []byte("half"))
		_ = s.dev.nc.Close()
	}})
	s, err := c.Open(within(t), "tcp:1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s)
	if string(got) != "half" || !errors.Is(err, ErrClosed) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
	<-c.Done()
	if _, err := c.Open(within(t), "tcp:1"); !errors.Is(err, ErrClosed) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("open: %v", err)
	}
}

// script is a device whose packets the test writes and reads itself, over a pipe that buffers
// nothing.
type script struct {
	t  *testing.T
	nc net.Conn
	mu sync.Mutex // a turn at the reader, for the goroutines that a test starts one after another
	r  *wire.Reader
}

// scripted starts a session with a script; call it inside a bubble.
func scripted(t *testing.T) (*Conn, *script) {
	host, device := net.Pipe()
	s := &script{t: t, nc: device, r: wire.NewReader(device, wire.MaxPayload)}
	go func() {
		s.expect(wire.CNXN)
		s.send(wire.CNXN, wire.Version, wire.MaxPayload, fakeBanner)
	}()
	c, err := Connect(t.Context(), host, ConnOptions{Serial: "s"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	t.Cleanup(func() {
		_ = device.Close()
		_ = c.Close()
	})
	return c, s
}

func (s *script) expect(cmd wire.Command) wire.Header {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.r.Next()
	if err != nil || h.Command != cmd {
		s.t.Errorf("device got %v, %v; want %v", h.Command, err, cmd)
	}
	_, _ = io.Copy(io.Discard, s.r)
	return h
}

func (s *script) send(cmd wire.Command, arg0, arg1 uint32, payload string) {
	_, _ = s.nc.Write(packet(cmd, arg0, arg1, payload))
}

// quiet checks that the host has nothing to say.
func (s *script) quiet() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.nc.SetReadDeadline(time.Now().Add(time.Second))
	if h, err := s.r.Next(); err == nil {
		s.t.Errorf("device got %v where nothing was due", h.Command)
	}
	_ = s.nc.SetReadDeadline(time.Time{})
}

// opened is a stream and its id.
type opened struct {
	*Stream
	id uint32
}

// open lets the device accept one stream with the given id of its own.
func (s *script) open(c *Conn, remote uint32) opened {
	s.t.Helper()
	go func() { s.send(wire.OKAY, remote, s.expect(wire.OPEN).Arg0, "") }()
	st, err := c.Open(s.t.Context(), "tcp:1")
	if err != nil {
		s.t.Fatal(err)
	}
	return opened{st, st.link.(*muxStream).id}
}

func TestUnreadDataIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		s := dev.open(c, 9)
		dev.send(wire.WRTE, 9, s.id, "abcd")
		dev.quiet()
		buf := make([]byte, 3)
		if n, err := s.Read(buf); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		dev.quiet() // one byte is still here
		go func() { _, _ = s.Read(buf) }()
		if h := dev.expect(wire.OKAY); h.Arg0 != s.id || h.Arg1 != 9 {
			t.Errorf("acknowledged with %+v", h)
		}
	})
}

func TestOneWriteIsOutstanding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		s := dev.open(c, 9)
		go func() { _, _ = s.Write(make([]byte, wire.MaxPayload+1)) }()
		if h := dev.expect(wire.WRTE); h.Length != wire.MaxPayload {
			t.Errorf("first packet has %d bytes", h.Length)
		}
		dev.quiet()
		dev.send(wire.OKAY, 9, s.id, "")
		if h := dev.expect(wire.WRTE); h.Length != 1 {
			t.Errorf("second packet has %d bytes", h.Length)
		}
	})
}

// As adb 29 sends them when a service hangs up.
func TestPayloadsBeforeTheirTurnArriveInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		s, other := dev.open(c, 9), dev.open(c, 10)
		for _, text := range []string{"one ", "two ", "three"} {
			dev.send(wire.WRTE, 9, s.id, text)
			dev.send(wire.WRTE, 10, other.id, text)
		}
		dev.send(wire.CLSE, 9, s.id, "")
		go func() { _, _ = io.Copy(io.Discard, dev.nc) }()
		if got, err := io.ReadAll(s); string(got) != "one two three" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		_ = other.Close()
		if c.early != 0 || c.Err() != nil {
			t.Errorf("%d bytes are still counted, %v", c.early, c.Err())
		}
	})
}

func TestPacketsForNobodyGetNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		s := dev.open(c, 9)
		for _, cmd := range []wire.Command{wire.OKAY, wire.WRTE, wire.CLSE} {
			dev.send(cmd, 9, 4711, "x") // an id we never had
			dev.send(cmd, 8, s.id, "x") // somebody else's stream
		}
		dev.send(wire.SYNC, 1, 1, "")
		dev.send(wire.Command(0x12345678), 1, 1, "later Android")
		dev.quiet()
		dev.send(wire.OPEN, 77, 0, "tcp:22\x00")
		if h := dev.expect(wire.CLSE); h.Arg0 != 0 || h.Arg1 != 77 {
			t.Errorf("the device's OPEN was answered with %+v", h)
		}
		dev.send(wire.WRTE, 9, s.id, "still fine")
		told := make(chan struct{})
		go func() {
			defer close(told)
			dev.expect(wire.OKAY)
		}()
		buf := make([]byte, 64)
		if n, err := s.Read(buf); string(buf[:n]) != "still fine" || err != nil {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		<-told
	})
}

func TestCloseIsSentOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(s opened)
	}{
		{"by Close", func(s opened) { _ = s.Close() }},
		{"by the Read that sees the end, not again by Close", func(s opened) {
			_, _ = s.Read(make([]byte, 1))
			_ = s.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, dev := scripted(t)
				s := dev.open(c, 9)
				dev.send(wire.CLSE, 9, s.id, "")
				synctest.Wait()
				go tt.end(s)
				if h := dev.expect(wire.CLSE); h.Arg0 != s.id || h.Arg1 != 9 {
					t.Errorf("closed with %+v", h)
				}
				dev.quiet()
			})
		})
	}
}

func TestLateAcceptanceIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { dev.expect(wire.OPEN) }()
		if _, err := c.Open(ctx, "shell,v2,raw:sleep 1"); !fault.Is(err, fault.Timeout) {
			t.Errorf("got %v, want Timeout", err)
		}
		dev.send(wire.OKAY, 9, 1, "")
		if h := dev.expect(wire.CLSE); h.Arg0 != 1 || h.Arg1 != 9 {
			t.Errorf("answered with %+v", h)
		}
		if n := len(c.streams); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
}

func TestWhatEndsAConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(dev *script, s opened)
		text string
	}{
		{"payloads without end before the first was taken", func(dev *script, s opened) {
			for range maxEarly/wire.MaxPayload + 2 {
				dev.send(wire.WRTE, 9, s.id, strings.Repeat("x", wire.MaxPayload))
			}
		}, "WRTE before OKAY"},
		{"a new session", func(dev *script, s opened) {
			dev.send(wire.CNXN, wire.Version, wire.MaxPayload, fakeBanner)
		}, "new session"},
		{"garbage", func(dev *script, s opened) { _, _ = dev.nc.Write(make([]byte, 24)) }, "magic"},
		{"the device hanging up", func(dev *script, s opened) { _ = dev.nc.Close() }, "hung up"},
		{"requests without end from who reads no answers", func(dev *script, s opened) {
			for id := range uint32(maxPosted) {
				dev.send(wire.OPEN, id+1, 0, "tcp:22\x00")
			}
		}, "does not read"},
		{"a socket that takes nothing", func(dev *script, s opened) {
			_, _ = s.Write([]byte("x"))
		}, "took no data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, dev := scripted(t)
				s := dev.open(c, 9)
				tt.do(dev, s)
				<-c.Done()
				_ = s.Close()
				if err := c.Err(); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("got %v, want %q", err, tt.text)
				}
			})
		})
	}
}

func TestTheReaderGoesOnWhileAWriteHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		busy, s := dev.open(c, 8), dev.open(c, 9)
		wrote := make(chan struct{})
		go func() { // hangs: the device does not read
			defer close(wrote)
			_, _ = busy.Write(make([]byte, 100<<10))
		}()
		synctest.Wait()
		dev.send(wire.OPEN, 70, 0, "tcp:22\x00") // wants an answer, which must wait
		dev.send(wire.WRTE, 9, s.id, "news")
		buf := make([]byte, 2)
		if n, err := s.Read(buf); string(buf[:n]) != "ne" || err != nil {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		dev.expect(wire.WRTE)
		dev.expect(wire.CLSE)
		<-wrote
	})
}

func TestStreamsAreBoundedAndPingsStillPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		for i := range uint32(maxStreams) {
			dev.open(c, i+1)
		}
		if _, err := c.Open(t.Context(), "tcp:1"); !fault.Is(err, fault.Exhausted) {
			t.Errorf("got %v, want Exhausted", err)
		}
		go func() { dev.send(wire.CLSE, 0, dev.expect(wire.OPEN).Arg0, "") }()
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("ping: %v", err)
		}
	})
}

func TestOldDeviceGetsChecksumsAndSmallPackets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		dev := &script{t: t, nc: device, r: wire.NewReader(device, wire.MaxPayload)}
		go func() {
			dev.expect(wire.CNXN)
			dev.send(wire.CNXN, wire.VersionChecksum, 4096, fakeBanner)
		}()
		c, err := Connect(t.Context(), host, ConnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = c.Close(), device.Close() }()
		s := dev.open(c, 9)
		go func() { _, _ = s.Write(bytes.Repeat([]byte{1}, 4097)) }()
		if h := dev.expect(wire.WRTE); h.Length != 4096 || h.Check != 4096 {
			t.Errorf("got %+v, want 4096 bytes that add up to 4096", h)
		}
	})
}

func TestIDsSkipZeroAndWhatIsInUse(t *testing.T) {
	t.Parallel()
	c := &Conn{lastID: ^uint32(0) - 1, streams: map[uint32]*muxStream{^uint32(0): {}, 1: {}}}
	if id := c.freeID(); id != 2 {
		t.Errorf("got id %d, want 2", id)
	}
}
