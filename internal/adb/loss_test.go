package adb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
)

// ways runs a test over both ways to a device.
func ways(t *testing.T, test func(t *testing.T, s *simulated, d *adb.Device)) {
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		s := simulate(t, 256, nil)
		test(t, s, s.use(t, nil))
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		addr, _ := realServer(t)
		s := simulate(t, 256, nil)
		test(t, s, s.use(t, func(o *adb.PoolOptions) { o.Mode, o.Server = adb.Server, addr }))
	})
}

// A device that dies in the middle of a file must not leave a shorter file.
func TestALostDeviceIsNoEndOfAFile(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, s *simulated, d *adb.Device) {
		want := noise(8 << 20)
		if _, err := d.Send(within(t), tmp+"big", 0o644, time.Time{}, bytes.NewReader(want)); err != nil {
			t.Fatal(err)
		}
		f, err := d.Recv(within(t), tmp+"big")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s.device.Faults.DropAfter.Store(1) // whatever is written next
		got, err := io.ReadAll(f)
		if !errors.Is(err, adb.ErrClosed) || !fault.Is(err, fault.Unavailable) || !bytes.HasPrefix(want, got) || len(got) == len(want) {
			t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
		}
		if _, again := f.Read(make([]byte, 1)); !errors.Is(again, adb.ErrClosed) {
			t.Errorf("the next read: %v", again)
		}
		_, err = d.Send(within(t), tmp+"lost", 0o644, time.Time{}, bytes.NewReader(want))
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a file to a lost device: %v (%v)", err, fault.KindOf(err))
		}
		s.device.Faults.DropAfter.Store(0)
		eventually(t, "the device is back", func() bool {
			return second(d.Send(within(t), tmp+"back", 0o644, time.Time{}, bytes.NewReader(want))) == nil
		})
		st, err := d.Stat(within(t), tmp+"back")
		if err != nil || st.Size != int64(len(want)) {
			t.Errorf("got %+v, %v", st, err)
		}
	})
}

func TestAProcessOfALostDevice(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, s *simulated, d *adb.Device) {
		p, err := d.StartShell(within(t), adb.ShellStart{Command: "echo up; read x; echo $x; cat"})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, data, err := p.Next(); string(data) != "up\n" || err != nil {
			t.Fatalf("got %q, %v", data, err)
		}
		s.device.Faults.DropAfter.Store(1)
		_, _ = io.WriteString(p, "on\n")
		if exit, err := p.Copy(nil, nil); exit != adb.NoExit || !fault.Is(err, fault.Unavailable) {
			t.Errorf("exit %d, %v", exit, err)
		}
		if exit, err := p.Wait(); exit != adb.NoExit || !fault.Is(err, fault.Unavailable) {
			t.Errorf("Wait: exit %d, %v", exit, err)
		}
	})
}

// Who hangs is left when the caller's patience ends, and the connection stays.
func TestADeviceThatHangs(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, s *simulated, d *adb.Device) {
		s.device.Faults.StallAcks.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := d.Send(ctx, tmp+"stalled", 0o644, time.Time{}, bytes.NewReader(noise(8<<20)))
		if !fault.Is(err, fault.Timeout) {
			t.Errorf("got %v (%v)", err, fault.KindOf(err))
		}
		s.device.Faults.StallAcks.Store(false)
		if got := run(t, d, "echo well"); got != "well\n" {
			t.Errorf("got %q", got)
		}
	})
}

// Output without end is held back at the device, and ends with Close.
func TestOutputWithoutEnd(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, s *simulated, d *adb.Device) {
		p, err := d.StartShell(within(t), adb.ShellStart{Command: "yes"})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, _, err := p.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if got := run(t, d, "echo meanwhile"); got != "meanwhile\n" {
			t.Errorf("got %q", got)
		}
		_ = p.Close()
		eventually(t, "the process is gone", func() bool { return s.device.Guest.Processes() == 0 })
	})
}

// A port that carries something else, one request after another, as net/http uses it.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, _ *simulated, d *adb.Device) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				path, want := tmp+"many"+string(rune('a'+i)), noise(300_000+i)
				if _, err := d.Send(within(t), path, 0o644, time.Time{}, bytes.NewReader(want)); err != nil {
					t.Error(err)
					return
				}
				f, err := d.Recv(within(t), path)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				c, err := d.Dial(within(t), "tcp:7")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				go func(c net.Conn) { _, _ = c.Write(want) }(c)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("echo: %v", err)
				}
			})
		}
		wg.Wait()
	})
}
