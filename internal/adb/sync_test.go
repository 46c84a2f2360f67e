package adb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

const syncBanner = "device::features=shell_v2,stat_v2,ls_v2"

// talkative is a device that says the same on every sync stream, and then closes or, with hold,
// says nothing more.
func talkative(t testing.TB, banner string, says []byte, hold bool) *Device {
	f := &fakeDevice{banner: banner, serve: func(s *fakeStream) {
		if s.service != syncService {
			s.close()
			return
		}
		s.read()
		if hold {
			// As adbd does, it takes what comes after it has spoken: what has not, the host may still be about to send.
			var taking sync.WaitGroup
			defer taking.Wait()
			taking.Go(func() {
				for s.read() != nil {
				}
			})
		}
		for rest := says; len(rest) > 0; {
			n := min(len(rest), 100_000)
			if !s.write(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
		if !hold {
			s.close()
		}
	}}
	return deviceOn(t, f)
}

// deviceOn connects a Device to f; every connection is a session of its own.
func deviceOn(t testing.TB, f *fakeDevice) *Device {
	d := NewDevice(DeviceOptions{Serial: "s", Dial: func(context.Context) (net.Conn, error) {
		host, device := tcpPair(t)
		go f.talk(device)
		return host, nil
	}})
	t.Cleanup(func() { _ = d.Close() })
	d.Start()
	if err := d.Await(within(t)); err != nil {
		t.Fatal(err)
	}
	return d
}

func chunk(id wire.SyncID, n uint32, data string) string {
	return string(append(wire.AppendSyncHeader(nil, id, n), data...))
}

func dent(name string, n uint32) string {
	raw := wire.SyncFileStat{Mode: 0o100644}.Append(nil, wire.SyncDent2)
	return string(append(raw, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))) + name
}

// TestDevicesThatLie: what cannot be is Unavailable, and costs neither memory nor patience.
func TestDevicesThatLie(t *testing.T) {
	t.Parallel()
	huge := string(wire.SyncFileStat{Mode: 0o100644, Size: 1 << 63}.Append(nil, wire.SyncStat2))
	for _, tt := range []struct {
		name, op, says string
		hold           bool
		want           error
	}{
		{"a chunk over the limit", "recv", chunk(wire.SyncData, 64<<10+1, "x"), true, wire.ErrMalformed},
		{"a message that is none", "recv", chunk(0x12345678, 1, "x"), true, wire.ErrMalformed},
		{"an answer to another question", "recv", huge, true, wire.ErrMalformed},
		{"a reason without end", "recv", chunk(wire.SyncFail, 1<<31, "x"), true, wire.ErrMalformed},
		{"an end in the middle of a chunk", "recv", chunk(wire.SyncData, 10, "12345"), false, ErrClosed},
		{"an end between chunks", "recv", chunk(wire.SyncData, 5, "12345"), false, ErrClosed},
		{"an end in a head", "recv", "DATA", false, ErrClosed},
		{"no answer at all", "recv", "", false, ErrClosed},
		{"an end in a reason", "recv", chunk(wire.SyncFail, 10, "cut"), false, ErrClosed},
		{"a size over all sizes", "stat", huge, true, wire.ErrMalformed},
		{"half a stat", "stat", huge[:20], false, ErrClosed},
		{"a name that leads out", "list", dent("../x", 4), true, wire.ErrMalformed},
		{"a name with a NUL", "list", dent("a\x00b", 3), true, wire.ErrMalformed},
		{"a name of nothing", "list", dent("", 0), true, wire.ErrMalformed},
		{"a name without end", "list", dent("x", 1<<31), true, wire.ErrMalformed},
		{"a listing that is cut", "list", dent("a", 1), false, ErrClosed},
		{"an answer before the file", "send", chunk(wire.SyncOkay, 0, ""), true, wire.ErrMalformed},
		{"no answer to a file", "send", "", false, ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := talkative(t, syncBanner, []byte(tt.says), tt.hold)
			err := syncOp(within(t), d, tt.op)
			if !fault.Is(err, fault.Unavailable) || !errors.Is(err, tt.want) {
				t.Errorf("got %v (%v), want %v", err, fault.KindOf(err), tt.want)
			}
			if st := d.State(); !st.Connected {
				t.Errorf("the connection was given up: %v", st.Err)
			}
		})
	}
}

func syncOp(ctx context.Context, d *Device, op string) error {
	switch op {
	case "recv":
		f, err := d.Recv(ctx, "/a")
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		return err
	case "list":
		return d.List(ctx, "/a", func(e Entry) error {
			if e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") {
				return fmt.Errorf("an entry %q", e.Name)
			}
			return nil
		})
	case "send":
		_, err := d.Send(ctx, "/a", 0o644, time.Time{}, io.LimitReader(zeros{}, 64<<20))
		return err
	}
	_, err := d.Stat(ctx, "/a")
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReasonsHaveTheirKinds(t *testing.T) {
	t.Parallel()
	for text, kind := range map[string]fault.Kind{
		"open failed: No such file or directory":            fault.NotFound,
		"couldn't create file: Permission denied":           fault.Forbidden,
		"secure_mkdirs() failed: Read-only file system":     fault.Forbidden,
		"write failed: No space left on device":             fault.Exhausted,
		"couldn't create file: Is a directory":              fault.Invalid,
		"open failed: Too many symbolic links encountered":  fault.Invalid,
		"read failed: I/O error":                            fault.Unavailable,
		"unknown command 32564352":                          fault.Unsupported,
		"No such file or directory was the name; I/O error": fault.NotFound, // cannot be told apart
	} {
		err := failError("s", text)
		if !fault.Is(err, kind) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is %v: %v", text, fault.KindOf(err), err)
		}
		if errors.Is(err, ErrNoSpace) != (kind == fault.Exhausted) {
			t.Errorf("%q and ErrNoSpace", text)
		}
	}
	if text := printable([]byte("a\x1b[2J\n\xff\xe2\x80\xae")); text != "a [2J   " {
		t.Errorf("%q was not cleaned", text)
	}
}

// A device that is full says so at once: the rest of a large file is not sent.
func TestARefusalEndsASendEarly(t *testing.T) {
	t.Parallel()
	const reason = "write failed: No space left on device"
	d := talkative(t, syncBanner, []byte(chunk(wire.SyncFail, uint32(len(reason)), reason)), true)
	n, err := d.Send(within(t), "/a", 0o644, time.Time{}, io.LimitReader(zeros{}, 1<<40))
	if !errors.Is(err, ErrNoSpace) || !fault.Is(err, fault.Exhausted) || n > 16<<20 {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestOneHundredThousandNames(t *testing.T) {
	t.Parallel()
	const count = 100_000
	var says bytes.Buffer
	for i := range count {
		name := fmt.Sprintf("file %d", i)
		says.WriteString(dent(name, uint32(len(name))))
	}
	says.Write(append(wire.AppendSyncHeader(nil, wire.SyncDone, 0), make([]byte, wire.SyncDent2Size-8)...))
	d := talkative(t, syncBanner, says.Bytes(), true)
	i := 0
	err := d.List(within(t), "/a", func(e Entry) error {
		if e.Name != fmt.Sprintf("file %d", i) {
			return fmt.Errorf("entry %d is %q", i, e.Name)
		}
		i++
		return nil
	})
	if i != count || err != nil {
		t.Errorf("%d names, %v", i, err)
	}
}

func FuzzHostileSync(f *testing.F) {
	for _, says := range []string{
		chunk(wire.SyncData, 2, "hi") + chunk(wire.SyncDone, 0, ""), chunk(wire.SyncFail, 3, "why"),
		dent("a", 1), string(wire.SyncFileStat{Mode: 1}.Append(nil, wire.SyncStat2)), chunk(wire.SyncOkay, 0, ""),
	} {
		for op := range uint8(4) {
			f.Add(op, op%2 == 0, []byte(says))
		}
	}
	hello := func(banner string) []byte {
		return wire.AppendPacket(nil, wire.CNXN, wire.Version, wire.MaxPayload, []byte(banner))
	}
	f.Fuzz(func(t *testing.T, op uint8, v2 bool, says []byte) {
		banner := "device::features=shell_v2"
		if v2 {
			banner = syncBanner + ",sendrecv_v2"
		}
		// The answer comes in one payload, to the first stream of whatever connection.
		raw := wire.AppendPacket(hello(banner), wire.OKAY, 9, 1, nil)
		raw = wire.AppendPacket(raw, wire.OKAY, 9, 1, nil)
		raw = wire.AppendPacket(raw, wire.WRTE, 9, 1, says[:min(len(says), wire.MaxPayload)])
		raw = wire.AppendPacket(raw, wire.CLSE, 9, 1, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := Connect(ctx, &recorded{says: bytes.NewReader(raw)}, ConnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		s, err := openSync(ctx, c, c.openLink)
		if err != nil {
			return
		}
		defer s.close()
		switch op % 4 {
		case 0:
			r := &FileReader{ctx: ctx, s: s}
			if r.begin("/a") == nil {
				if n, _ := io.Copy(io.Discard, r); n > int64(len(says)) {
					t.Errorf("%d bytes out of %d", n, len(says))
				}
			}
		case 1:
			_, _ = s.list(ctx, "/a", func(e Entry) error {
				if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") || e.Size < 0 {
					t.Errorf("entry %+v", e)
				}
				return nil
			})
		case 2:
			if st, err := s.stat(ctx, wire.SyncStat2, "/a"); err == nil && st.Size < 0 {
				t.Errorf("stat %+v", st)
			}
		default:
			_, _ = s.send(ctx, time.Time{}, strings.NewReader("content"))
		}
		if ctx.Err() != nil {
			t.Error("it hung")
		}
	})
}
