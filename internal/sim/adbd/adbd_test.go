package adbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for something that should take milliseconds.
const limit = 20 * time.Second

// serve starts a device and returns its address and parts.
func serve(t testing.TB, change ...func(*Device)) (addr string, d Device) {
	t.Helper()
	fsys, err := guestfs.Open(guestfstest.NewDisk(256<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guest.Boot(vfs.OnDisk(fsys), guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.SetBooted()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d = Device{Guest: g, Faults: &Faults{}}
	for _, c := range change {
		c(&d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, d) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		g.Shutdown()
		fsys.Close()
	})
	return l.Addr().String(), d
}

// host is a bare ADB host: packets, nothing else.
type host struct {
	t  testing.TB
	nc net.Conn
}

func dial(t testing.TB, addr string) *host {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() { nc.Close() })
	return &host{t, nc}
}

func (h *host) send(command, arg0, arg1 uint32, payload string) {
	h.t.Helper()
	if _, err := h.nc.Write(appendPacket(nil, command, arg0, arg1, []byte(payload), false)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read() (header, string) {
	h.t.Helper()
	p, err := readHeader(h.nc, maxPayload)
	if err != nil {
		h.t.Fatal(err)
	}
	payload := make([]byte, p.length)
	if _, err := io.ReadFull(h.nc, payload); err != nil {
		h.t.Fatal(err)
	}
	return p, string(payload)
}

func (h *host) expect(command, arg0, arg1 uint32) string {
	h.t.Helper()
	p, payload := h.read()
	if p.command != command || p.arg0 != arg0 || p.arg1 != arg1 {
		h.t.Fatalf("got %08x(%d, %d) %q, want %08x(%d, %d)", p.command, p.arg0, p.arg1, payload, command, arg0, arg1)
	}
	return payload
}

func connected(t testing.TB, addr string) *host {
	t.Helper()
	h := dial(t, addr)
	h.send(cmdCNXN, 0x01000001, maxPayload, "host::features=shell_v2,cmd")
	h.expect(cmdCNXN, 0x01000001, maxPayload)
	return h
}

func TestTheWorkedHandshake(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := dial(t, addr)
	// As adb 1.0.41 sends it: the checksum of the first packet is filled in.
	text := "host::features=remount_shell,abb_exec,abb,apex,fixed_push_mkdir,ls_v2,stat_v2,fixed_push_symlink_timestamp,cmd,shell_v2"
	h.nc.Write([]byte("CNXN\x01\x00\x00\x01\x00\x00\x10\x00\x77\x00\x00\x00\x40\x2e\x00\x00\xbc\xb1\xa7\xb1" + text))
	var head [24]byte
	if _, err := io.ReadFull(h.nc, head[:]); err != nil {
		t.Fatal(err)
	}
	if want := "CNXN\x01\x00\x00\x01\x00\x00\x10\x00"; string(head[:12]) != want || string(head[20:]) != "\xbc\xb1\xa7\xb1" {
		t.Errorf("got % x", head)
	}
	banner := make([]byte, binary.LittleEndian.Uint32(head[12:]))
	io.ReadFull(h.nc, banner)
	want := "device::ro.product.name=aosp_cf_x86_64_phone;ro.product.model=Cuttlefish x86_64 phone;ro.product.device=vsoc_x86_64;features="
	if !strings.HasPrefix(string(banner), want) || !strings.Contains(string(banner), "shell_v2") {
		t.Errorf("got %q", banner)
	}
}

func TestAShellExitsWithItsCode(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 0x11ad8, 0, "shell,v2,raw:echo hi; exit 5\x00")
	h.expect(cmdOKAY, 1, 0x11ad8)
	if got := h.expect(cmdWRTE, 1, 0x11ad8); got != "\x01\x03\x00\x00\x00hi\n" {
		t.Errorf("stdout: %q", got)
	}
	h.send(cmdOKAY, 0x11ad8, 1, "")
	if got := h.expect(cmdWRTE, 1, 0x11ad8); got != "\x03\x01\x00\x00\x00\x05" {
		t.Errorf("exit: %q", got)
	}
	// CLSE follows without waiting for the OKAY; ours answers nothing more.
	h.expect(cmdCLSE, 1, 0x11ad8)
	h.send(cmdCLSE, 0x11ad8, 1, "")
	h.send(cmdOPEN, 7, 0, "ping:\x00")
	h.expect(cmdCLSE, 0, 7)
}

func TestUnknownServicesAreRefusedWithoutAProcess(t *testing.T) {
	t.Parallel()
	addr, d := serve(t)
	h := connected(t, addr)
	for i, service := range []string{"ping:", "reverse:list-forward", "framebuffer:", "jdwp", "track-app", "abb:package", "tcp:80", "tcp:0", "shell", "", "localabstract:x"} {
		h.send(cmdOPEN, uint32(i+1), 0, service+"\x00")
		h.expect(cmdCLSE, 0, uint32(i+1))
	}
	if n := d.Guest.Processes(); n != 0 {
		t.Errorf("%d processes", n)
	}
}

func TestWhatTheHostGetsWrong(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	t.Run("an OKAY for an unknown stream is answered with CLSE, other packets with nothing", func(t *testing.T) {
		h := connected(t, addr)
		h.send(cmdWRTE, 9, 9, "x")
		h.send(cmdCLSE, 9, 9, "")
		h.send(cmdOKAY, 9, 8, "")
		h.expect(cmdCLSE, 8, 9)
	})
	t.Run("packets before CNXN are ignored", func(t *testing.T) {
		h := dial(t, addr)
		h.send(cmdOPEN, 1, 0, "shell,v2,raw:echo no\x00")
		h.send(cmdCNXN, 0x01000000, 4096, "host::")
		h.expect(cmdCNXN, 0x01000001, maxPayload)
	})
	for name, packet := range map[string][]byte{
		"a wrong magic ends the connection":       bytes.Repeat([]byte{1}, 24),
		"an oversized packet ends the connection": appendPacket(nil, cmdWRTE, 1, 1, make([]byte, maxPayload+1), false)[:24],
	} {
		t.Run(name, func(t *testing.T) {
			h := connected(t, addr)
			h.nc.Write(packet)
			if _, err := h.nc.Read(make([]byte, 1)); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
	t.Run("a second WRTE before the OKAY ends the connection", func(t *testing.T) {
		h := connected(t, addr)
		h.send(cmdOPEN, 1, 0, "shell,v2,raw:sleep 100\x00")
		h.expect(cmdOKAY, 1, 1)
		big := "\x00\x00\x00\x10\x00" + strings.Repeat("x", 900<<10)
		for range 8 { // what the guest's socket takes is acknowledged, then it is not any more
			if _, err := h.nc.Write(appendPacket(nil, cmdWRTE, 1, 1, []byte(big), false)); err != nil {
				return
			}
		}
		io.Copy(io.Discard, h.nc)
	})
}

func TestInputIsConfirmedOnlyWhenTheGuestTakesIt(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 1, 0, "shell,v2,raw:until [ -e /data/local/tmp/go ]; do sleep 0.01; done; wc -c\x00")
	h.expect(cmdOKAY, 1, 1)
	const size = 1000 << 10
	h.send(cmdWRTE, 1, 1, string(binary.LittleEndian.AppendUint32([]byte{packetStdin}, size))+strings.Repeat("x", size))
	h.send(cmdOPEN, 2, 0, "shell,v2,raw:sleep 0.1; touch /data/local/tmp/go\x00")
	h.expect(cmdOKAY, 2, 2)
	h.expect(cmdWRTE, 2, 2) // the other shell's exit comes before the confirmation
	h.expect(cmdCLSE, 2, 2)
	h.expect(cmdOKAY, 1, 1)
	h.send(cmdWRTE, 1, 1, "\x04\x00\x00\x00\x00")
	h.expect(cmdOKAY, 1, 1)
	if got := h.expect(cmdWRTE, 1, 1); !strings.HasSuffix(got, "1024000\n") {
		t.Errorf("got %q", got)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	addr, d := serve(t)
	t.Run("refused connections are closed", func(t *testing.T) {
		d.Faults.RefuseTCP.Store(true)
		defer d.Faults.RefuseTCP.Store(false)
		if _, err := dial(t, addr).nc.Read(make([]byte, 1)); err == nil {
			t.Error("not closed")
		}
	})
	t.Run("a silent device says nothing", func(t *testing.T) {
		d.Faults.Silent.Store(true)
		defer d.Faults.Silent.Store(false)
		h := dial(t, addr)
		h.send(cmdCNXN, 0x01000001, maxPayload, "host::")
		h.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _ := h.nc.Read(make([]byte, 1)); n != 0 {
			t.Error("it spoke")
		}
	})
	t.Run("a key is asked for until the fault ends", func(t *testing.T) {
		d.Faults.RequireAuth.Store(true)
		h := dial(t, addr)
		h.send(cmdCNXN, 0x01000001, maxPayload, "host::")
		if token := h.expect(cmdAUTH, authToken, 0); len(token) != 20 {
			t.Errorf("token of %d bytes", len(token))
		}
		h.send(cmdAUTH, authSignature, 0, "bad")
		h.expect(cmdAUTH, authToken, 0)
		h.send(cmdAUTH, authPublicKey, 0, "key\x00")
		d.Faults.RequireAuth.Store(false)
		h.expect(cmdCNXN, 0x01000001, maxPayload)
	})
	t.Run("a connection is cut in the middle", func(t *testing.T) {
		d.Faults.DropAfter.Store(100_000)
		defer d.Faults.DropAfter.Store(0)
		h := dial(t, addr)
		h.send(cmdCNXN, 0x01000001, maxPayload, "host::")
		h.send(cmdOPEN, 1, 0, "exec:yes\x00")
		go func() {
			for range 100 {
				h.nc.Write(appendPacket(nil, cmdOKAY, 1, 1, nil, false))
				time.Sleep(time.Millisecond)
			}
		}()
		if n, _ := io.Copy(io.Discard, h.nc); n != 100_000 {
			t.Errorf("%d bytes", n)
		}
	})
	t.Run("a shell never exits", func(t *testing.T) {
		d.Faults.NeverExit.Store(true)
		defer d.Faults.NeverExit.Store(false)
		h := connected(t, addr)
		h.send(cmdOPEN, 1, 0, "shell,v2,raw:true\x00")
		h.expect(cmdOKAY, 1, 1)
		h.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _ := h.nc.Read(make([]byte, 1)); n != 0 {
			t.Error("it exited")
		}
	})
	t.Run("data is never confirmed", func(t *testing.T) {
		d.Faults.StallAcks.Store(true)
		defer d.Faults.StallAcks.Store(false)
		h := connected(t, addr)
		h.send(cmdOPEN, 1, 0, "shell,v2,raw:cat\x00")
		h.expect(cmdOKAY, 1, 1)
		h.send(cmdWRTE, 1, 1, "\x00\x01\x00\x00\x00x")
		h.expect(cmdWRTE, 1, 1)
	})
}

func TestAClosedStreamHangsUp(t *testing.T) {
	t.Parallel()
	addr, d := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 1, 0, "shell,v2,raw:sleep 1000\x00")
	h.expect(cmdOKAY, 1, 1)
	h.send(cmdOPEN, 2, 0, "shell,v2,raw:yes\x00")
	h.expect(cmdOKAY, 2, 2)
	h.expect(cmdWRTE, 2, 2)
	h.send(cmdCLSE, 1, 1, "")
	h.expect(cmdCLSE, 1, 1)
	h.send(cmdCLSE, 2, 2, "")
	h.expect(cmdCLSE, 2, 2)
	deadline := time.Now().Add(limit)
	for d.Guest.Processes() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", d.Guest.Processes())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAPtyKnowsItsKeys(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 1, 0, "shell,v2,TERM=xterm,pty:\x00")
	h.expect(cmdOKAY, 1, 1)
	var seen strings.Builder
	status := byte(255)
	// next takes one packet in; it reports whether it was a confirmation, and whether the end.
	next := func() (confirmed, closed bool) {
		p, payload := h.read()
		switch p.command {
		case cmdOKAY:
			return true, false
		case cmdCLSE:
			return false, true
		}
		if payload[0] == packetExit {
			status = payload[5]
		}
		seen.WriteString(payload[5:])
		h.send(cmdOKAY, 1, 1, "")
		return false, false
	}
	input := func(id byte, text string) {
		h.send(cmdWRTE, 1, 1, string(binary.LittleEndian.AppendUint32([]byte{id}, uint32(len(text))))+text)
		for {
			if confirmed, closed := next(); confirmed || closed {
				return
			}
		}
	}
	until := func(text string) {
		t.Helper()
		for !strings.Contains(seen.String(), text) {
			if _, closed := next(); closed {
				t.Fatalf("closed before %q; seen %q", text, seen.String())
			}
		}
		seen.Reset()
	}
	until("vsoc_x86_64:/ $ ")
	input(packetWindowSize, "24x80,0x0\x00")
	input(packetStdin, "echo $TERM; sleep 1000\r")
	until("xterm\r\n")
	input(packetStdin, "\x03")
	until("$ ")
	input(packetStdin, "\x04")
	for closed := false; !closed; {
		_, closed = next()
	}
	if status != 130 {
		t.Errorf("exit %d, want that of the interrupted command", status)
	}
}

func TestRootRestartsAdbd(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 1, 0, "root:\x00")
	h.expect(cmdOKAY, 1, 1)
	if got := h.expect(cmdWRTE, 1, 1); got != "restarting adbd as root\n" {
		t.Errorf("got %q", got)
	}
	io.Copy(io.Discard, h.nc)
	h = connected(t, addr)
	h.send(cmdOPEN, 1, 0, "exec:whoami\x00")
	h.expect(cmdOKAY, 1, 1)
	if got := h.expect(cmdWRTE, 1, 1); got != "root\n" {
		t.Errorf("got %q", got)
	}
}
