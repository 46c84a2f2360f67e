package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// fakeServer is an adb server that answers each request as the test says: with text behind
// OKAY, or as it is when it begins with FAIL or "=".
type fakeServer struct {
	answer func(request string) string

	mu    sync.Mutex
	asked []string
}

func (f *fakeServer) dial(context.Context) (net.Conn, error) {
	host, server := net.Pipe()
	go func() {
		defer func() { _ = server.Close() }()
		for {
			var head [4]byte
			if _, err := io.ReadFull(server, head[:]); err != nil {
				return
			}
			n, err := strconv.ParseUint(string(head[:]), 16, 16)
			request := make([]byte, n)
			if _, readErr := io.ReadFull(server, request); err != nil || readErr != nil {
				return
			}
			f.mu.Lock()
			f.asked = append(f.asked, string(request))
			f.mu.Unlock()
			text, raw := strings.CutPrefix(f.answer(string(request)), "=")
			switch {
			case raw || strings.HasPrefix(text, "FAIL"):
			case strings.HasPrefix(string(request), "host:transport:"):
				text = "OKAY"
			default:
				text = "OKAY" + fmt.Sprintf("%04x", len(text)) + text
			}
			if _, err := server.Write([]byte(text)); err != nil || !strings.HasPrefix(string(request), "host:transport:") {
				return
			}
		}
	}()
	return host, nil
}

func fail(reason string) string { return fmt.Sprintf("FAIL%04x%s", len(reason), reason) }

const listed = "127.0.0.1:6521         device product:p model:Cuttlefish device:vsoc transport_id:1\n"

// plain answers like a server whose device refuses all services but those of more.
func plain(more func(request string) (string, bool)) func(string) string {
	return func(request string) string {
		if answer, ok := more(request); ok {
			return answer
		}
		switch request {
		case "host:devices-l":
			return listed
		case "host-serial:127.0.0.1:6521:features", "host-serial:0.0.0.0:6521:features":
			return "shell_v2,cmd"
		}
		if strings.HasPrefix(request, "host:transport:") {
			return ""
		}
		return fail("closed")
	}
}

func TestServersAnswersHaveTheirKinds(t *testing.T) {
	t.Parallel()
	const unauthorized = "device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\nTry 'adb kill-server'"
	for _, tt := range []struct {
		name, request, answer string
		kind                  fault.Kind
		is                    error
		text                  string
	}{
		{"no such device", "host-serial:127.0.0.1:6521:features", fail("device '127.0.0.1:6521' not found"), fault.Unavailable, nil, "not found"},
		{"an offline device", "host-serial:127.0.0.1:6521:features", fail("device offline"), fault.Unavailable, nil, "device offline"},
		{"a device that refuses the server's key", "host-serial:127.0.0.1:6521:features", fail(unauthorized), fault.Forbidden, ErrAuthRequired, "not accepted"},
		{"a device that is not there", "host:devices-l", "", fault.Unavailable, nil, "does not have"},
		{"a device at another port", "host:devices-l", strings.ReplaceAll(listed, "6521", "6522"), fault.Unavailable, nil, "does not have"},
		{"a device at another host", "host:devices-l", strings.ReplaceAll(listed, "127.0.0.1", "10.0.0.7"), fault.Unavailable, nil, "does not have"},
		{"a server that hangs up", "host:devices-l", "=", fault.Unavailable, nil, "hung up"},
		{"what is no server", "host:devices-l", "=SSH-2.0-OpenSSH", fault.Unavailable, nil, "status"},
		{"half a length", "host:devices-l", "=OKAYzz", fault.Unavailable, nil, ""},
		{"a device that hangs behind the server", "host:transport:127.0.0.1:6521", fail("device offline (transport offline)"), fault.Unavailable, ErrClosed, "offline"},
		{"an old server", "host:devices-l", fail("unknown host service"), fault.Unsupported, nil, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeServer{answer: plain(func(r string) (string, bool) { return tt.answer, r == tt.request })}
			_, err := connectServer(within(t), serverOptions{dial: f.dial, serial: "127.0.0.1:6521", addr: "127.0.0.1:6521"})
			if !fault.Is(err, tt.kind) || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v (%v), want %v", err, fault.KindOf(err), tt.kind)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %q", err)
			}
		})
	}
}

// Cuttlefish's devices were registered as 0.0.0.0:PORT until 2026-05.
func TestTheServersSpellingOfADeviceIsUsed(t *testing.T) {
	t.Parallel()
	f := &fakeServer{answer: plain(func(r string) (string, bool) {
		return strings.ReplaceAll(listed, "127.0.0.1", "0.0.0.0"), r == "host:devices-l"
	})}
	c, err := connectServer(within(t), serverOptions{dial: f.dial, serial: "127.0.0.1:6521", addr: "127.0.0.1:6521"})
	if err != nil {
		t.Fatal(err)
	}
	if c.known != "0.0.0.0:6521" || c.Banner().Model != "Cuttlefish" || !c.Banner().Has("cmd") || c.Banner().Type != "device" {
		t.Errorf("got %q, %+v", c.known, c.Banner())
	}
	_, err = openStream(within(t), c, strings.Repeat("x", 70_000))
	if !fault.Is(err, fault.TooLarge) {
		t.Errorf("a service over the server's limit: %v", err)
	}
	_ = c.Close()
	if _, err := openStream(within(t), c, "tcp:1"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The answer to host:connect is OKAY also when it failed; and nobody's devices are dropped.
func TestWhatTheServerIsAskedToDo(t *testing.T) {
	t.Parallel()
	connected := false
	f := &fakeServer{answer: plain(func(r string) (string, bool) {
		switch {
		case r == "host:connect:127.0.0.1:6521":
			connected = true
			return "connected to 127.0.0.1:6521", true
		case r == "host:devices-l" && !connected:
			return "", true
		}
		return "", false
	})}
	if _, err := connectServer(within(t), serverOptions{dial: f.dial, serial: "s", addr: "127.0.0.1:6521", connect: true}); err != nil {
		t.Error(err)
	}
	f.answer = plain(func(r string) (string, bool) {
		if r == "host:connect:127.0.0.1:6521" {
			return "failed to connect to '127.0.0.1:6521': Connection refused", true
		}
		return "", r == "host:devices-l"
	})
	_, err := connectServer(within(t), serverOptions{dial: f.dial, serial: "s", addr: "127.0.0.1:6521", connect: true})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "Connection refused") {
		t.Errorf("got %v", err)
	}
	for _, r := range f.asked {
		if strings.Contains(r, "disconnect") || strings.Contains(r, "kill") || strings.Contains(r, "reconnect") {
			t.Errorf("the server was asked to %q", r)
		}
	}
}

func TestDeviceInServerModeComesUpAndIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		gone := false
		f := &fakeServer{answer: plain(func(r string) (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			return fail("device offline"), gone && strings.HasPrefix(r, "host:transport")
		})}
		dev := NewDevice(DeviceOptions{Serial: "127.0.0.1:6521", Mode: Server, Server: f.dial})
		defer func() { _ = dev.Close() }()
		dev.Start()
		if err := dev.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if st := dev.State(); st.Connects != 1 || st.Via != Server || time.Since(st.Pong) > 6*time.Second {
			t.Errorf("state %+v", st)
		}
		mu.Lock()
		gone = true
		mu.Unlock()
		time.Sleep(6 * time.Second)
		if st := dev.State(); st.Connected || !strings.Contains(st.Err.Error(), "offline") {
			t.Errorf("after the loss: %+v", st)
		}
		mu.Lock()
		gone = false
		mu.Unlock()
		if err := dev.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := func(context.Context) (net.Conn, error) {
			host, server := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, server)
				_ = server.Close()
			}()
			return host, nil
		}
		dev := NewDevice(DeviceOptions{Serial: "127.0.0.1:6521", Mode: Server, Server: silent})
		defer func() { _ = dev.Close() }()
		dev.Start()
		time.Sleep(21 * time.Second)
		if st := dev.State(); st.Connected || !errors.Is(st.Err, context.DeadlineExceeded) {
			t.Errorf("state %+v", st)
		}
	})
}

// FuzzServersAnswers: whatever a server says, the attempt ends, and the device's name is one that
// the server gave.
func FuzzServersAnswers(f *testing.F) {
	f.Add([]byte("OKAY005c"+listed), []byte("OKAY000cshell_v2,cmd"))
	f.Add([]byte(fail("unknown host service")), []byte("OKAYffff"))
	f.Add([]byte("OKAY0009\x00 a:6521 "), []byte(fail("closed")))
	f.Fuzz(func(t *testing.T, list, other []byte) {
		first := true
		dial := func(context.Context) (net.Conn, error) {
			says := other
			if first {
				says, first = list, false
			}
			return &recorded{says: strings.NewReader(string(says))}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := connectServer(ctx, serverOptions{dial: dial, serial: "s", addr: "127.0.0.1:6521"})
		if err != nil {
			if ctx.Err() != nil || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %q", err)
			}
			return
		}
		if !strings.Contains(string(list), c.known) || !strings.HasSuffix(c.known, ":6521") {
			t.Errorf("a device %q", c.known)
		}
		_ = c.Close()
	})
}
