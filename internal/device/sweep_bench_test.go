package device

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/host"
)

// lightHost runs devices that cost next to nothing: each answers ADB's greeting and refuses whatever is opened, which
// is what a ping waits for; and each has as many processes as a real one, about.
type lightHost struct {
	scriptedHost
	ends sync.WaitGroup
}

func (h *lightHost) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	if network != "tcp" {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	h.ends.Go(func() { answerGreetings(theirs) })
	return ours, nil
}

func answerGreetings(conn net.Conn) {
	defer conn.Close()
	packets := wire.NewReader(conn, wire.MaxPayload)
	for {
		header, err := packets.Next()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, packets)
		answer := wire.AppendPacket(nil, wire.CLSE, 0, header.Arg0, nil)
		if header.Command == wire.CNXN {
			answer = wire.AppendPacket(nil, wire.CNXN, wire.Version, wire.MaxPayload, []byte("device::ro.product.name=light"))
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// helpers is how many processes a device has beside its crosvm.
const helpers = 9

func (h *lightHost) addHelpers() {
	for _, vm := range h.procs {
		for i := range helpers {
			pid := vm.PID*100 + i
			h.procs = append(h.procs, host.Process{ProcessID: host.ProcessID{PID: pid, Start: 1}, PPID: vm.PID, Exe: "helper", Args: []string{"helper"}})
		}
	}
}

// BenchmarkSweep is one look at each device, of which a tenth have no ADB. What one look costs must not depend on how
// many devices there are: it is the metric cpu-ns/look.
func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := &lightHost{}
			b.Cleanup(h.ends.Wait) // after the pool is closed
			devices := devicesOn(b, h, n)
			h.runVMs(devices)
			h.addHelpers()
			connectAll(b, devices[n/10:])
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				lookAll(b, devices)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*n), "cpu-ns/look")
		})
	}
}

// connectAll connects ADB and makes the devices known to have booted, so that a look is a ping.
func connectAll(b *testing.B, devices []*Device) {
	b.Helper()
	for _, d := range devices {
		conn := d.o.ADB.Attach(d.serial(), d.serial(), nil)
		if err := conn.Await(within(b)); err != nil {
			b.Fatal(err)
		}
		d.setBooted(true)
	}
	for _, d := range devices {
		d.Observe(b.Context()) // the first look finds out who runs it
	}
}

func within(b *testing.B) context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	b.Cleanup(cancel)
	return ctx
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
