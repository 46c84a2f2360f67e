package capacity

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"pgregory.net/rapid"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

var phone = Claim{CPUs: 4, MemoryMB: 4096, DiskGB: 20}

func TestAdmit(t *testing.T) {
	t.Parallel()
	budget := Budget{MemoryMB: 16384, CPUs: 2, CPUOvercommit: 4, DiskGB: 100, MaxInstances: 100}
	for name, c := range map[string]struct {
		change func(*Budget)
		held   []Claim
		want   Claim
		says   []string // none: admitted
	}{
		"an empty host admits":                  {nil, nil, phone, nil},
		"the last that fits is admitted":        {nil, []Claim{{CPUs: 4, MemoryMB: 11264, DiskGB: 80}}, phone, nil},
		"memory counts the overhead":            {nil, []Claim{{MemoryMB: 12672}}, phone, []string{"memory: needs 4608 MB (4096 and 512 beside the guest), 3200 of 16384 MB free"}},
		"memory counts what is really held":     {nil, []Claim{{MemoryMB: 2048, MeasuredMB: 14000}}, phone, []string{"2384 of 16384 MB free"}},
		"CPUs are promised several times":       {nil, []Claim{{CPUs: 5}}, phone, []string{"CPU: needs 4 CPUs (each of 2 promised 4 times), 3 of 8 CPUs free"}},
		"disk is promised once":                 {nil, []Claim{{DiskGB: 81}}, phone, []string{"disk: needs 20 GB, 19 of 100 GB free"}},
		"all that is short is told":             {nil, []Claim{{CPUs: 8, MemoryMB: 16384, DiskGB: 100}}, phone, []string{"memory:", "CPU:", "disk:"}},
		"an overdrawn host has nothing free":    {nil, []Claim{{DiskGB: 500}}, phone, []string{"needs 20 GB, 0 of 100 GB free"}},
		"what holds nothing may be held":        {nil, []Claim{{DiskGB: 500}}, Claim{CPUs: 1}, nil},
		"a stopped sandbox holds only disk":     {nil, []Claim{{DiskGB: 20}, {DiskGB: 20}, {DiskGB: 20}, {DiskGB: 20}}, phone, nil},
		"the instances are bounded":             {func(b *Budget) { b.MaxInstances = 1 }, []Claim{{}}, phone, []string{"instances: needs 1 number, 0 of 1 number free"}},
		"the taps bound the instances":          {func(b *Budget) { b.Taps = 2 }, []Claim{{}, {}}, phone, []string{"0 of 2 number free"}},
		"no taps known is no limit":             {func(b *Budget) { b.Taps = 0 }, make([]Claim, 50), phone, nil},
		"what is not known limits nothing":      {func(b *Budget) { *b = Budget{} }, []Claim{phone}, phone, nil},
		"a quota beyond bounds does not wrap":   {nil, nil, Claim{MemoryMB: math.MaxInt, CPUs: math.MaxInt, DiskGB: math.MaxInt}, []string{"memory:", "CPU:", "disk:"}},
		"claims beyond bounds do not wrap":      {nil, []Claim{{DiskGB: math.MaxInt}, {DiskGB: math.MaxInt}}, phone, []string{"disk:"}},
		"negative claims make no room":          {nil, []Claim{{DiskGB: -1000}}, Claim{DiskGB: 101}, []string{"disk:"}},
		"an overcommit below one counts as one": {func(b *Budget) { b.CPUOvercommit = 0 }, nil, Claim{CPUs: 2}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := budget
			if c.change != nil {
				c.change(&b)
			}
			err := Admit(b, c.held, c.want, 512)
			if len(c.says) == 0 {
				if err != nil {
					t.Errorf("got %v, want it admitted", err)
				}
				return
			}
			if !fault.Is(err, fault.Exhausted) {
				t.Fatalf("got %v, want Exhausted", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
		})
	}
}

// Whatever is asked in whatever order, what was admitted fits; and what fits is admitted.
func TestAdmitNeverPromisesMoreThanThereIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quota := rapid.OneOf(rapid.IntRange(0, 9000), rapid.Just(math.MaxInt))
		b := Budget{
			MemoryMB: rapid.IntRange(1, 64000).Draw(t, "memory"), CPUs: rapid.IntRange(1, 64).Draw(t, "cpus"),
			CPUOvercommit: 4, DiskGB: rapid.IntRange(1, 2000).Draw(t, "disk"),
			MaxInstances: rapid.IntRange(1, 20).Draw(t, "instances"), Taps: rapid.IntRange(0, 20).Draw(t, "taps"),
		}
		overheadMB := rapid.IntRange(0, 1024).Draw(t, "overhead")
		var held []Claim
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			want := Claim{
				CPUs: rapid.IntRange(0, 16).Draw(t, "c"), MemoryMB: quota.Draw(t, "m"),
				DiskGB: rapid.IntRange(0, 200).Draw(t, "d"), MeasuredMB: rapid.IntRange(0, 9000).Draw(t, "pss"),
			}
			next := slices.Concat(held, []Claim{want})
			memory, cpus, disk := 0, 0, 0
			for _, c := range next {
				memory = add(memory, c.Reserved(overheadMB))
				cpus += c.CPUs
				disk += c.DiskGB
			}
			fits := len(next) <= int(b.MaxInstance()) && (want.Reserved(overheadMB) == 0 || memory <= b.MemoryMB) &&
				(want.CPUs == 0 || cpus <= 4*b.CPUs) && (want.DiskGB == 0 || disk <= b.DiskGB)
			err := Admit(b, held, want, overheadMB)
			if (err == nil) != fits {
				t.Fatalf("%+v beside %+v: got %v, fits %v", want, held, err, fits)
			}
			if err == nil {
				held = next
			}
		}
	})
}

func TestGate(t *testing.T) {
	t.Parallel()
	g := Gate{Budget: Budget{MemoryMB: 8000, MaxInstances: 300}, OverheadMB: 512}
	r := sandbox.Resources{CPUs: 4, MemoryMB: 4096, DiskGB: 20}
	if err := g.Admit(nil, r); err != nil {
		t.Error(err)
	}
	if err := g.Admit([]sandbox.Holding{{Resources: r}}, r); !fault.Is(err, fault.Exhausted) {
		t.Errorf("got %v, want Exhausted", err)
	}
	if n := g.MaxInstance(); n != sandbox.MaxInstance {
		t.Errorf("got %v, want Cuttlefish's ceiling", n)
	}
}

// fakeFiles is a host with a disk and network interfaces.
type fakeFiles struct {
	host.Files
	names []string
	err   error
}

func (f fakeFiles) DiskFree(context.Context, string) (total, available int64, err error) {
	return 200 << 30, 50 << 30, f.err
}

func (f fakeFiles) ReadDir(context.Context, string) ([]host.FileInfo, error) {
	var list []host.FileInfo
	for _, name := range f.names {
		list = append(list, host.FileInfo{Name: name, Mode: fs.ModeSymlink})
	}
	return list, nil
}

func TestMeter(t *testing.T) {
	t.Parallel()
	box := machine{
		busy: func(context.Context) (float64, error) { return 12.5, nil },
		cpus: func(context.Context, bool) (int, error) { return 16, nil },
		memory: func(context.Context) (*mem.VirtualMemoryStat, error) {
			return &mem.VirtualMemoryStat{Total: 64 << 30, Available: 8 << 30}, nil
		},
		load: func(context.Context) (*load.AvgStat, error) { return &load.AvgStat{Load15: 1.5}, nil },
	}
	measured := Reading{CPUs: 16, CPUPercent: 12.5, MemoryMB: 65536, MemoryAvailableMB: 8192, DiskGB: 200, DiskAvailableGB: 50, MemoryPercent: 87.5, DiskPercent: 75, Load15: 1.5, Taps: 112}
	taps := []string{"lo", "cvd-mtap-01", "cvd-mtap-10", "cvd-mtap-112", "cvd-etap-120", "cvd-mtap-", "cvd-mtap-x", "cvd-mtap--5"}
	m := NewMeter(fakeFiles{names: taps}, "/i", Overrides{})
	m.machine = box
	if got, err := m.Read(t.Context()); err != nil || got != measured {
		t.Errorf("got %+v, %v, want %+v", got, err, measured)
	}
	m = NewMeter(fakeFiles{}, "/i", Overrides{CPUs: 4, MemoryMB: 1000, DiskGB: 500})
	m.machine = box
	want := Reading{CPUs: 4, CPUPercent: 12.5, MemoryMB: 1000, MemoryAvailableMB: 1000, DiskGB: 500, DiskAvailableGB: 50, MemoryPercent: 87.5, DiskPercent: 75, Load15: 1.5}
	if got, err := m.Read(t.Context()); err != nil || got != want {
		t.Errorf("with overrides: got %+v, %v, want %+v", got, err, want)
	}
	if b := want.Budget(4, 100); b != (Budget{MemoryMB: 1000, CPUs: 4, CPUOvercommit: 4, DiskGB: 500, MaxInstances: 100}) {
		t.Errorf("got budget %+v", b)
	}
	m.files = fakeFiles{err: fault.Wrap(fault.NotFound, "", errors.New("no such directory"))}
	if _, err := m.Read(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestMeterOnThisMachine(t *testing.T) {
	t.Parallel()
	l, err := host.NewLocal(host.LocalOptions{
		User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewMeter(l, t.TempDir(), Overrides{}).Read(t.Context())
	if err != nil || r.CPUs < 1 || r.MemoryMB < 1 || r.MemoryAvailableMB > r.MemoryMB || r.DiskAvailableGB > r.DiskGB {
		t.Errorf("got %+v, %v", r, err)
	}
}
