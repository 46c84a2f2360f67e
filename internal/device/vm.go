package device

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/host"
)

// measureEvery is how often the memory of a running device is measured: walking the page
// tables of a guest costs the kernel milliseconds.
const measureEvery = time.Minute

// vm is the processes of a running device, as found once and kept until it is gone: reading
// the process table at each look would cost more than everything else of it.
type vm struct {
	connects int  // which ADB connection it was found behind: a new one may lead elsewhere
	ours     bool // it was seen that no stranger is behind this connection
	crosvm   host.ProcessID
	launcher int // pid of run_cvd

	memoryMB int // proportional share (PSS) of crosvm; 0: not measured
	measured time.Time
}

// describeVM says who runs the device and how much memory it holds.
func (l *look) describeVM(ctx context.Context) vm {
	d := l.Device
	d.mu.Lock()
	v := d.vm
	d.mu.Unlock()
	if n := d.connects(); v.crosvm.IsZero() || v.connects != n {
		v = l.findVM(ctx)
		v.connects = n
	}
	if !v.crosvm.IsZero() && time.Since(v.measured) > measureEvery {
		v.memoryMB, v.measured = d.measure(ctx, v.crosvm.PID), time.Now()
	}
	d.mu.Lock()
	d.vm = v
	d.mu.Unlock()
	return v
}

// trusted reports whether it is known that the device, and no stranger, is behind the present
// ADB connection.
func (d *Device) trusted() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.vm.ours
}

func (d *Device) trust() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vm.ours = true
}

// connects counts the ADB connections to the device so far.
func (d *Device) connects() int {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil {
		return 0
	}
	return conn.State().Connects
}

func (l *look) findVM(ctx context.Context) vm {
	t, err := l.processes(ctx)
	if err != nil {
		return vm{}
	}
	found, ok := t.vms[l.paths(ctx, l.rec).CrosvmSocket(l.rec.Instance)]
	if !ok {
		return vm{}
	}
	return vm{crosvm: found.ProcessID, launcher: t.ancestor(found, "run_cvd")}
}

// ancestor returns the pid of the nearest ancestor with that executable; 0 if there is none.
func (t *table) ancestor(p host.Process, exe string) int {
	for range len(t.procs) {
		parent, ok := t.procs[p.PPID]
		if !ok {
			return 0
		}
		if parent.Exe == exe {
			return parent.PID
		}
		p = parent
	}
	return 0
}

// measure returns the PSS of a process in MiB, 0 where the kernel does not tell.
func (d *Device) measure(ctx context.Context, pid int) int {
	data, err := d.o.Host.ReadFile(ctx, fmt.Sprintf("/proc/%d/smaps_rollup", pid), 0)
	if err != nil {
		return 0
	}
	return parsePSS(data)
}

// parsePSS reads the "Pss:" line of smaps_rollup, which is in kB.
func parsePSS(data []byte) int {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "Pss:" && fields[2] == "kB" {
			kb, err := strconv.Atoi(fields[1])
			if err != nil || kb < 0 {
				return 0
			}
			return kb / 1024
		}
	}
	return 0
}
