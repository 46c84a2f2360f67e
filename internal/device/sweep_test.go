package device

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// scriptedHost is a host of which only the process table and the sockets are there.
type scriptedHost struct {
	host.Host
	mu       sync.Mutex
	procs    []host.Process
	readings atomic.Int64
	takes    time.Duration // one reading of the process table
	hangs    bool          // whoever is dialled accepts and says nothing
}

func (h *scriptedHost) Processes(ctx context.Context) ([]host.Process, error) {
	h.readings.Add(1)
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.procs, nil
}

func (h *scriptedHost) Environ(context.Context, host.ProcessID) ([]string, error) { return nil, nil }

func (h *scriptedHost) ReadFile(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("no files here")
}

func (h *scriptedHost) Dial(context.Context, string, string) (net.Conn, error) {
	if !h.hangs {
		return nil, syscall.ECONNREFUSED
	}
	ours, _ := net.Pipe() // nobody reads the other end
	return ours, nil
}

// runVMs has the host run a crosvm of each device.
func (h *scriptedHost) runVMs(devices []*Device) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.procs = nil
	for i, d := range devices {
		h.procs = append(h.procs, host.Process{
			ProcessID: host.ProcessID{PID: 100 + i, Start: 1}, Exe: "crosvm",
			Args: []string{"crosvm", "--socket=" + d.o.Paths.CrosvmSocket(d.rec.Instance)},
		})
	}
}

// devicesOn makes n devices that have booted once, in a synctest bubble.
func devicesOn(t testing.TB, h host.Host, n int) []*Device {
	t.Helper()
	pool := adb.NewPool(adb.PoolOptions{Dial: h.Dial})
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	all := &Devices{
		o:     Options{Host: h, ADB: pool, Log: zap.NewNop(), ADBBasePort: 6520, Paths: cvd.Paths{Tmp: "/t"}, SweepAge: 3 * time.Second},
		slots: newSlots(1), digests: make(chan *Device, n), records: map[sandbox.ID]ledger.Record{}, inventory: newInventory(),
	}
	all.sweep = newSweep(&all.o)
	var devices []*Device
	for i := range n {
		id := sandbox.ID(fmt.Sprintf("dev%d", i))
		all.records[id] = ledger.Record{ID: id, Group: id.Group(), Instance: sandbox.Instance(i + 1), Created: true, Intent: sandbox.IntentStarted}
		devices = append(devices, all.Open(id, func() {}))
	}
	return devices
}

// lookAll looks at all devices at once and returns what was seen and how long it took.
func lookAll(t testing.TB, devices []*Device) (seen []sandbox.Observation, took time.Duration) {
	t.Helper()
	began := time.Now()
	seen = make([]sandbox.Observation, len(devices))
	var looks sync.WaitGroup
	for i, d := range devices {
		looks.Go(func() { seen[i] = d.Observe(t.Context()) })
	}
	looks.Wait()
	return seen, time.Since(began)
}

// Ensure a sweep of a hundred devices reads the process table once.
func TestOneReadingForAHundredLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &scriptedHost{takes: 20 * time.Millisecond}
		devices := devicesOn(t, h, 100)
		seen, _ := lookAll(t, devices)
		for i, o := range seen {
			if o.Life != sandbox.LifeAbsent || o.Layer != "process" || o.Death != sandbox.DeathCrashed {
				t.Fatalf("device %d: %+v", i, o)
			}
		}
		if n := h.readings.Load(); n != 1 {
			t.Errorf("%d readings of the process table; want 1", n)
		}
		// The next look at each is a second witness: none is told what it was told before.
		if lookAll(t, devices); h.readings.Load() != 2 {
			t.Errorf("%d readings after the second sweep; want 2", h.readings.Load())
		}
	})
}

// Ensure devices that hang cost one device's time-outs and no more, and are not taken for dead.
func TestHungDevicesCostOneTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &scriptedHost{takes: 20 * time.Millisecond, hangs: true}
		devices := devicesOn(t, h, 11)
		h.runVMs(devices)
		_, one := lookAll(t, devices[:1])
		seen, ten := lookAll(t, devices[1:])
		if ten > one+h.takes || one > 6*time.Second {
			t.Errorf("one hung device took %s, ten took %s", one, ten)
		}
		for i, o := range seen {
			if o.Life == sandbox.LifeAbsent || o.Life == sandbox.LifeRunning {
				t.Errorf("device %d: %+v", i, o)
			}
		}
		if n := h.readings.Load(); n > 2 {
			t.Errorf("%d readings of the process table", n)
		}
	})
}

// Ensure a reading is given to those only that it is fresh enough for.
func TestFreshnessOfReadings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &scriptedHost{takes: 20 * time.Millisecond}
		devices := devicesOn(t, h, 3)
		look := func(d *Device, want int64, why string) {
			t.Helper()
			if d.Observe(t.Context()); h.readings.Load() != want {
				t.Errorf("%s: %d readings; want %d", why, h.readings.Load(), want)
			}
		}
		look(devices[0], 1, "the first look")
		time.Sleep(2 * time.Second)
		look(devices[1], 1, "a reading of two seconds ago serves another device")
		devices[2].touched()
		look(devices[2], 2, "an operation has changed the device meanwhile")
		time.Sleep(4 * time.Second)
		look(devices[1], 3, "it is too old")
		h.takes = time.Minute
		devices[0].touched()
		if o := devices[0].Observe(t.Context()); o.Life != sandbox.LifeUnknown {
			t.Errorf("a process table that cannot be read: %+v; want unknown", o)
		}
	})
}
