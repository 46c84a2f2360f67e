package capacity

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

const (
	interfacesDir = "/sys/class/net"
	tapPrefix     = "cvd-mtap-" // one for each instance number, two digits or more
)

// Reading is what the host has now.
type Reading struct {
	CPUs              int
	CPUPercent        float64 // busy, mean of the last five minutes; since boot before the first sample
	MemoryMB          int
	MemoryAvailableMB int
	DiskGB            int // of the file system that holds the instances
	DiskAvailableGB   int
	MemoryPercent     float64 // in use, of what the machine has, whatever may be handed out of it
	DiskPercent       float64
	Load15            float64 // processes that ran or wanted to, mean of the last 15 minutes
	Taps              int     // highest instance number with network interfaces; 0: none seen, no limit known
}

// Overrides replace what would be measured; 0 measures.
type Overrides struct {
	CPUs     int // CVD_HOST_CPUS
	MemoryMB int // CVD_HOST_MEMORY_MB
	DiskGB   int // CVD_HOST_DISK_GB
}

// Meter measures a host. CPUs, memory and load are those of the machine that the runner stands
// on; disk and taps are the host's. It is safe for concurrent use.
type Meter struct {
	files     host.Files
	instances string
	overrides Overrides
	machine   machine

	mu      sync.Mutex
	samples []float64 // of busy CPUs, a ring
	next    int       // in the ring
}

// As Daytona's runner measures (daytona: COLLECTOR_WINDOW_SIZE, CPU_USAGE_SNAPSHOT_INTERVAL).
const (
	sampleEvery = 5 * time.Second
	sampleCount = 60
)

// machine is where CPUs, memory and load are read.
type machine struct {
	cpus   func(ctx context.Context, logical bool) (int, error)
	busy   func(context.Context) (float64, error)
	memory func(context.Context) (*mem.VirtualMemoryStat, error)
	load   func(context.Context) (*load.AvgStat, error)
}

// NewMeter makes a meter for the host whose instances live in the directory instances, which
// must exist when it is read.
func NewMeter(files host.Files, instances string, o Overrides) *Meter {
	return &Meter{
		files: files, instances: instances, overrides: o,
		machine: machine{
			cpus: cpu.CountsWithContext, busy: busySinceLast,
			memory: mem.VirtualMemoryWithContext, load: load.AvgWithContext,
		},
	}
}

// Read measures once, in a few milliseconds. Overrides bound what is available, too.
func (m *Meter) Read(ctx context.Context) (Reading, error) {
	r, err := m.read(ctx)
	if err != nil {
		return Reading{}, fault.Op("measure the host", err)
	}
	r.MemoryPercent = percent(r.MemoryMB-r.MemoryAvailableMB, r.MemoryMB)
	r.DiskPercent = percent(r.DiskGB-r.DiskAvailableGB, r.DiskGB)
	if o := m.overrides.CPUs; o > 0 {
		r.CPUs = o
	}
	if o := m.overrides.MemoryMB; o > 0 {
		r.MemoryMB, r.MemoryAvailableMB = o, min(o, r.MemoryAvailableMB)
	}
	if o := m.overrides.DiskGB; o > 0 {
		r.DiskGB, r.DiskAvailableGB = o, min(o, r.DiskAvailableGB)
	}
	return r, nil
}

func percent(part, whole int) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

func (m *Meter) read(ctx context.Context) (r Reading, err error) {
	if r.CPUs, err = m.machine.cpus(ctx, true); err != nil {
		return r, fault.Op("count CPUs", err)
	}
	if r.CPUPercent, err = m.cpuPercent(ctx); err != nil {
		return r, fault.Op("read CPU times", err)
	}
	memory, err := m.machine.memory(ctx)
	if err != nil {
		return r, fault.Op("read memory", err)
	}
	r.MemoryMB, r.MemoryAvailableMB = int(memory.Total>>20), int(memory.Available>>20)
	avg, err := m.machine.load(ctx)
	if err != nil {
		return r, fault.Op("read load", err)
	}
	r.Load15 = avg.Load15
	total, available, err := m.files.DiskFree(ctx, m.instances)
	if err != nil {
		return r, err
	}
	r.DiskGB, r.DiskAvailableGB = int(total>>30), int(available>>30)
	r.Taps, err = taps(ctx, m.files)
	return r, err
}

// Run samples how busy the CPUs are until ctx ends. A sample that cannot be taken is left out.
func (m *Meter) Run(ctx context.Context) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	_, _ = m.machine.busy(ctx) // from here on the first sample counts
	for {
		select {
		case <-tick.C:
			if percent, err := m.machine.busy(ctx); err == nil {
				m.addSample(percent)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *Meter) addSample(percent float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) < sampleCount {
		m.samples = append(m.samples, percent)
		return
	}
	m.samples[m.next] = percent
	m.next = (m.next + 1) % sampleCount
}

// cpuPercent is the mean of the samples; without any, whatever the machine says now.
func (m *Meter) cpuPercent(ctx context.Context) (float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) == 0 {
		return m.machine.busy(ctx)
	}
	sum := 0.0
	for _, s := range m.samples {
		sum += s
	}
	return sum / float64(len(m.samples)), nil
}

func busySinceLast(ctx context.Context) (float64, error) {
	percent, err := cpu.PercentWithContext(ctx, 0, false)
	if err != nil || len(percent) == 0 {
		return 0, err
	}
	return percent[0], nil
}

// taps finds the highest instance number whose mobile network interface exists. They are made
// ahead of time by the service cuttlefish-host-resources, num_cvd_accounts of them; a device
// beyond that does not boot.
func taps(ctx context.Context, files host.Files) (int, error) {
	entries, err := files.ReadDir(ctx, interfacesDir)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	highest := 0
	for _, e := range entries {
		highest = max(highest, tapNumber(e.Name, e.Mode))
	}
	return highest, nil
}

// tapNumber is 0 for what is no tap of an instance.
func tapNumber(name string, mode fs.FileMode) int {
	digits, ok := strings.CutPrefix(name, tapPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || len(digits) < 2 || mode.IsRegular() {
		return 0
	}
	return n
}

// Budget is what may be handed out of the reading.
func (r Reading) Budget(overcommit float64, maxInstances int) Budget {
	return Budget{
		MemoryMB: r.MemoryMB, CPUs: r.CPUs, CPUOvercommit: overcommit,
		DiskGB: r.DiskGB, MaxInstances: maxInstances, Taps: r.Taps,
	}
}
