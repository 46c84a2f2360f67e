package adb

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// echoing serves shells, and echoes on all other services.
func echoing() *fakeDevice {
	shells := shellDevice()
	return &fakeDevice{serve: func(s *fakeStream) {
		if s.service != "tcp:7" {
			shells.serve(s)
			return
		}
		for p := s.read(); p != nil && s.write(p); {
			p = s.read()
		}
	}}
}

func TestTheSecondConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: func(_ int, nc net.Conn) error {
			go echoing().talk(nc)
			return nil
		}}
		dev := started(t, d, nil)
		dials := func() int { return len(d.gaps()) + 1 }
		if _, err := dev.Shell(t.Context(), ShellCommand{Command: "true"}); err != nil || dials() != 1 {
			t.Errorf("a shell: %v, %d connections", err, dials())
		}
		var wg sync.WaitGroup
		for range 8 { // who come at once share one
			wg.Go(func() {
				s, err := dev.OpenBulk(t.Context(), "tcp:7")
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = s.Close() }()
				_, _ = s.Write([]byte("hello"))
				if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if dials() != 2 {
			t.Errorf("%d connections", dials())
		}

		s, err := dev.OpenBulk(t.Context(), "tcp:7")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute) // open, though nothing moves
		_, _ = s.Write([]byte("still"))
		if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
			t.Errorf("a quiet stream was cut: %v", err)
		}
		bulk := dev.liveBulk()
		_ = s.Close()
		time.Sleep(61 * time.Second)
		if dev.liveBulk() != nil || !errors.Is(bulk.Err(), errIdle) {
			t.Errorf("an idle connection is kept: %v", bulk.Err())
		}
		if st := dev.State(); !st.Connected || st.Connects != 1 {
			t.Errorf("state %+v", st)
		}

		// It goes with the first.
		if s, err = dev.OpenBulk(t.Context(), "tcp:7"); err != nil || dials() != 3 {
			t.Fatal(err, dials())
		}
		first, _ := dev.current()
		first.fail(errNoPong)
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("a stream of a lost device: %v", err)
		}
		_ = dev.Await(t.Context())
		if s, err = dev.OpenBulk(t.Context(), "tcp:7"); err != nil {
			t.Fatal(err)
		}
		_ = dev.Close()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
			t.Errorf("a stream of a closed device: %v", err)
		}
		if _, err := dev.OpenBulk(t.Context(), "tcp:7"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a closed device: %v", err)
		}
	})
}

func TestTheSecondConnectionFailsForItsCallerOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: func(n int, nc net.Conn) error {
			switch n {
			case 2:
				return refused(n, nc)
			case 3: // accepts, and says nothing
				go func() { _, _ = io.Copy(io.Discard, nc) }()
				return nil
			}
			go echoing().talk(nc)
			return nil
		}}
		dev := started(t, d, nil)
		if _, err := dev.OpenBulk(t.Context(), "tcp:7"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("refused: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waited := make(chan error)
		go func() {
			time.Sleep(time.Millisecond)
			_, err := dev.OpenBulk(t.Context(), "tcp:7") // has its turn when the one before gave up
			waited <- err
		}()
		if _, err := dev.OpenBulk(ctx, "tcp:7"); err == nil {
			t.Error("a silent port was taken for a device")
		}
		if err := <-waited; err != nil {
			t.Errorf("the next in the queue: %v", err)
		}
		if st := dev.State(); !st.Connected || st.Connects != 1 {
			t.Errorf("state %+v", st)
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		s := dev.open(c, 9)
		buf := make([]byte, 8)
		until := func(do func() error) (time.Duration, error) {
			began := time.Now()
			err := do()
			return time.Since(began), err
		}
		_ = s.SetReadDeadline(time.Now().Add(time.Second))
		if took, err := until(func() error { return second(s.Read(buf)) }); took != time.Second || !fault.Is(err, fault.Timeout) {
			t.Errorf("after %v: %v", took, err)
		}
		if err := second(s.Read(buf)); !fault.Is(err, fault.Timeout) {
			t.Errorf("a deadline that passed holds: %v", err)
		}
		// Moving it works on a read under way, both ways.
		_ = s.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			_ = s.SetReadDeadline(time.Now().Add(3 * time.Second))
			time.Sleep(time.Second)
			_ = s.SetReadDeadline(time.Now().Add(time.Second))
		}()
		if took, err := until(func() error { return second(s.Read(buf)) }); took != 3*time.Second || err == nil {
			t.Errorf("after %v: %v", took, err)
		}
		_ = s.SetReadDeadline(time.Time{})
		go dev.send(9, 9, 9, "") // nonsense, for the reader to pass over
		_ = s.SetWriteDeadline(time.Now().Add(time.Second))
		wrote := make(chan error)
		go func() {
			_, err := s.Write(make([]byte, 3))
			wrote <- errors.Join(err, second(s.Write([]byte("more")))) // waits for an OKAY
		}()
		dev.expect(0x45545257) // WRTE
		if err := <-wrote; !fault.Is(err, fault.Timeout) {
			t.Errorf("a write in vain: %v", err)
		}
		_ = s.SetWriteDeadline(time.Time{})
		dev.send(0x59414b4f, 9, s.id, "") // OKAY
		go func() { _, _ = s.Write([]byte("more")) }()
		if h := dev.expect(0x45545257); h.Length != 4 {
			t.Errorf("after the deadline: %+v", h)
		}
	})
}

func second[T any](_ T, err error) error { return err }
