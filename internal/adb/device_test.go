package adb

import (
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

// dialer is a port whose answer the test chooses per attempt; times are those of the attempts.
type dialer struct {
	mu    sync.Mutex
	times []time.Time
	last  net.Conn // the device's end of the latest connection
	serve func(attempt int, nc net.Conn) error
}

func (d *dialer) dial(context.Context) (net.Conn, error) {
	host, device := net.Pipe()
	d.mu.Lock()
	d.times = append(d.times, time.Now())
	d.last = device
	n := len(d.times)
	d.mu.Unlock()
	if err := d.serve(n, device); err != nil {
		return nil, err
	}
	return host, nil
}

func (d *dialer) gaps() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []time.Duration
	for i := 1; i < len(d.times); i++ {
		out = append(out, d.times[i].Sub(d.times[i-1]))
	}
	return out
}

func (d *dialer) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.last.Close()
}

// well serves a device that does all it should.
func well(_ int, nc net.Conn) error {
	go shellDevice().talk(nc)
	return nil
}

func refused(int, net.Conn) error { return errors.New("connection refused") }

// started starts a device on d that ends with the test; call it inside a bubble.
func started(t *testing.T, d *dialer, onChange func(State)) *Device {
	dev := NewDevice(DeviceOptions{Serial: "127.0.0.1:6521", Dial: d.dial, OnChange: onChange})
	t.Cleanup(func() { _ = dev.Close() })
	dev.Start()
	dev.Start()
	synctest.Wait()
	return dev
}

// wantGaps checks pauses against the delays before jitter took up to a fifth off.
func wantGaps(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if len(got) < len(want) {
		t.Fatalf("attempts after %v, want %v", got, want)
	}
	for i, w := range want {
		if got[i] > w || got[i] < w*4/5 {
			t.Errorf("attempt %d came after %v, want %v less a fifth at most", i+1, got[i], w)
		}
	}
}

const ms = time.Millisecond

func TestDeviceBacksOffWhileThePortRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: refused}
		dev := started(t, d, func(State) { t.Error("told of a change") })
		time.Sleep(15 * time.Second)
		wantGaps(t, d.gaps(), 250*ms, 500*ms, 1000*ms, 2000*ms, 3000*ms, 3000*ms)
		st := dev.State()
		if st.Connected || st.Connects != 0 || st.Err == nil {
			t.Errorf("state %+v", st)
		}
		_, err := dev.Open(t.Context(), "tcp:1")
		for _, part := range []string{"no adb connection to 127.0.0.1:6521 since 20", "(15s)", "connection refused"} {
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), part) {
				t.Errorf("got %v, want it to say %q", err, part)
			}
		}
		if _, err := dev.Shell(t.Context(), ShellCommand{Command: "true"}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("shell: %v", err)
		}
		if err := dev.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("ping: %v", err)
		}
	})
}

func TestDeviceComesUpAndReconnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []State
		d := &dialer{serve: well}
		dev := started(t, d, func(s State) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, s)
		})
		st := dev.State()
		if !st.Connected || st.Banner.Model != "Cuttlefish" || st.Err != nil || st.Pong.IsZero() {
			t.Fatalf("state %+v", st)
		}
		res, err := dev.Shell(t.Context(), ShellCommand{Command: "exit 4"})
		if err != nil || res.ExitCode != 4 {
			t.Errorf("got %+v, %v", res, err)
		}
		time.Sleep(time.Minute) // a dozen pings
		if st := dev.State(); !st.Connected || time.Since(st.Pong) > 6*time.Second {
			t.Errorf("after a minute: %+v", st)
		}

		s, err := dev.Open(t.Context(), shellService+"hang")
		if err != nil {
			t.Fatal(err)
		}
		lostAt := time.Now()
		d.drop()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
			t.Errorf("a stream of the lost connection: %v", err)
		}
		synctest.Wait()
		if st := dev.State(); st.Connected || !errors.Is(st.Err, ErrClosed) || !st.Since.Equal(lostAt) {
			t.Errorf("after the loss: %+v", st)
		}
		if err := dev.Await(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(lostAt); took > 250*ms || took < 200*ms {
			t.Errorf("came back after %v", took)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 3 || !told[0].Connected || told[1].Connected || !told[2].Connected || told[2].Connects != 2 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestFlappingDeviceIsNotHurriedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: func(_ int, nc net.Conn) error {
			go func() { // says hello and hangs up
				r := wire.NewReader(nc, wire.MaxPayload)
				_, _ = r.Next()
				_, _ = io.Copy(io.Discard, r)
				_, _ = nc.Write(wire.AppendPacket(nil, wire.CNXN, wire.Version, wire.MaxPayload, []byte(fakeBanner)))
				_ = nc.Close()
			}()
			return nil
		}}
		dev := started(t, d, nil)
		time.Sleep(20 * time.Second)
		wantGaps(t, d.gaps(), 250*ms, 500*ms, 1000*ms, 2000*ms, 3000*ms)
		if st := dev.State(); st.Connects < 6 {
			t.Errorf("state %+v", st)
		}
	})
}

func TestDeviceThatStopsAnsweringPingsIsDropped(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reads bool
	}{{"it reads and says nothing", true}, {"it does not even read", false}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &dialer{serve: func(n int, nc net.Conn) error {
					if n > 1 {
						return well(n, nc)
					}
					go func() {
						r := wire.NewReader(nc, wire.MaxPayload)
						_, _ = r.Next()
						_, _ = io.Copy(io.Discard, r)
						_, _ = nc.Write(wire.AppendPacket(nil, wire.CNXN, wire.Version, wire.MaxPayload, []byte(fakeBanner)))
						if tt.reads {
							_, _ = io.Copy(io.Discard, nc)
						}
					}()
					return nil
				}}
				down := make(chan State, 4)
				began := time.Now()
				dev := started(t, d, func(s State) {
					if !s.Connected {
						down <- s
					}
				})
				st := <-down
				if took := time.Since(began); took > 8*time.Second || took < 7*time.Second {
					t.Errorf("noticed after %v, want 5 s (less a fifth) and 3 s", took)
				}
				if !errors.Is(st.Err, errNoPong) || !errors.Is(st.Err, ErrClosed) {
					t.Errorf("reason %v", st.Err)
				}
				if err := dev.Await(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAwaitHurriesTheAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var adbdUp time.Time
		d := &dialer{}
		d.serve = func(n int, nc net.Conn) error {
			if time.Now().Before(adbdUp) {
				return refused(n, nc)
			}
			return well(n, nc)
		}
		adbdUp = time.Now().Add(30 * time.Second)
		dev := started(t, d, nil)
		time.Sleep(20 * time.Second)
		if err := dev.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(adbdUp); late > 250*ms {
			t.Errorf("noticed %v after adbd came up", late)
		}
	})
}

func TestAwaitSaysWhyNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: func(_ int, nc net.Conn) error {
			go func() {
				go func() { _, _ = io.Copy(io.Discard, nc) }()
				_, _ = nc.Write(wire.AppendPacket(nil, wire.AUTH, wire.AuthToken, 0, make([]byte, 20)))
			}()
			return nil
		}}
		dev := started(t, d, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := dev.Await(ctx); !fault.Is(err, fault.Timeout) || !errors.Is(err, ErrAuthRequired) {
			t.Errorf("got %v (%v)", err, fault.KindOf(err))
		}
		go func() {
			time.Sleep(time.Second)
			_ = dev.Close()
		}()
		if err := dev.Await(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("closed: got %v", err)
		}
	})
}

func TestClosedDeviceIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: well}
		dev := started(t, d, nil)
		if err := errors.Join(dev.Close(), dev.Close()); err != nil {
			t.Error(err)
		}
		dev.Start()
		time.Sleep(time.Minute)
		if n := len(d.gaps()); n != 0 {
			t.Errorf("%d further attempts", n)
		}
		if st := dev.State(); st.Connected || st.Err == nil {
			t.Errorf("state %+v", st)
		}
		never := NewDevice(DeviceOptions{Serial: "s", Dial: d.dial})
		if err := never.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSlowListenerIsToldTheLatest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve: well}
		gate := make(chan struct{})
		told := make(chan State, 10)
		started(t, d, func(s State) {
			told <- s
			<-gate
		})
		for range 3 {
			time.Sleep(10 * time.Second)
			d.drop()
		}
		time.Sleep(10 * time.Second)
		close(gate)
		synctest.Wait()
		first, second := <-told, <-told
		if first.Connects != 1 || !second.Connected || second.Connects != 4 || len(told) != 0 {
			t.Errorf("told %+v, %+v and %d more", first, second, len(told))
		}
	})
}

func TestPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var addrs []string
		p := NewPool(PoolOptions{Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			addrs = append(addrs, network+" "+addr)
			mu.Unlock()
			host, device := net.Pipe()
			return host, well(1, device)
		}})
		if _, err := p.Get("127.0.0.1:6521"); !fault.Is(err, fault.Unavailable) ||
			!strings.Contains(err.Error(), "no adb connection to 127.0.0.1:6521") {
			t.Errorf("got %v", err)
		}
		one := p.Attach("a", "127.0.0.1:6520", nil)
		if got, err := p.Get("a"); got != one || err != nil || got.Serial() != "a" {
			t.Errorf("got %v, %v", got, err)
		}
		synctest.Wait()

		told := make(chan State, 1)
		if again := p.Attach("a", "127.0.0.1:6520", func(s State) { told <- s }); again != one {
			t.Error("the same address made another device")
		}
		if st := <-told; !st.Connected || st.Connects != 1 {
			t.Errorf("the new listener was told %+v", st)
		}
		other := p.Attach("a", "127.0.0.1:6530", nil)
		if other == one || one.State().Connected {
			t.Error("another address kept the old device")
		}
		synctest.Wait()
		p.Attach("b", "127.0.0.1:6540", nil)
		synctest.Wait()
		p.Detach("a")
		p.Detach("unknown")
		if _, err := p.Get("a"); err == nil || other.State().Connected {
			t.Error("a detached device is still there")
		}
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
		late := p.Attach("c", "127.0.0.1:6550", nil)
		if err := late.Await(t.Context()); err == nil {
			t.Error("a closed pool connects")
		}
		mu.Lock()
		defer mu.Unlock()
		if want := "tcp 127.0.0.1:6520,tcp 127.0.0.1:6530,tcp 127.0.0.1:6540"; strings.Join(addrs, ",") != want {
			t.Errorf("dialled %v", addrs)
		}
	})
}
