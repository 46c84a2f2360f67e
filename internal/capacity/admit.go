package capacity

import (
	"fmt"
	"math"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Budget is what may be handed out. A zero field is not known and limits nothing.
type Budget struct {
	MemoryMB      int
	CPUs          int
	CPUOvercommit float64 // times that a CPU may be promised; below 1 counts as 1
	DiskGB        int
	MaxInstances  int
	Taps          int // highest instance number that has network interfaces
}

// Claim is what one sandbox holds or wants. A stopped sandbox holds only disk: its MemoryMB and
// CPUs are 0.
type Claim struct {
	CPUs       int
	MemoryMB   int
	DiskGB     int
	MeasuredMB int // memory that the device's processes hold (PSS); 0: not measured
}

// Reserved is the memory that counts for the claim: what the guest was promised plus what its
// processes on the host need beside it, or what they all really hold if that is more.
func (c Claim) Reserved(overheadMB int) int {
	if c.MemoryMB <= 0 {
		return max(0, c.MeasuredMB)
	}
	return max(add(c.MemoryMB, overheadMB), c.MeasuredMB)
}

// MaxInstance is the highest instance number that the host has room for.
func (b Budget) MaxInstance() sandbox.Instance {
	n := sandbox.MaxInstance
	for _, limit := range []int{b.MaxInstances, b.Taps} {
		if limit > 0 {
			n = min(n, limit)
		}
	}
	return sandbox.Instance(n)
}

// Admit says whether the host can promise want beside claims. The error is Exhausted and has
// the sums of everything that falls short. A claim of nothing in one respect is never refused
// for it, even where the host is overdrawn.
func Admit(b Budget, claims []Claim, want Claim, overheadMB int) error {
	held := Claim{}
	for _, c := range claims {
		held.CPUs = add(held.CPUs, c.CPUs)
		held.MemoryMB = add(held.MemoryMB, c.Reserved(overheadMB))
		held.DiskGB = add(held.DiskGB, c.DiskGB)
	}
	short := []string{
		lack("memory", "MB", want.Reserved(overheadMB), held.MemoryMB, b.MemoryMB, overhead(want, overheadMB)),
		lack("CPU", "CPUs", want.CPUs, held.CPUs, b.virtualCPUs(), b.overcommit()),
		lack("disk", "GB", want.DiskGB, held.DiskGB, b.DiskGB, ""),
		lack("instances", "number", 1, len(claims), int(b.MaxInstance()), ""),
	}
	var sums []string
	for _, s := range short {
		if s != "" {
			sums = append(sums, s)
		}
	}
	if len(sums) == 0 {
		return nil
	}
	return fault.Exhaustedf("the host is full: %s", strings.Join(sums, "; "))
}

// lack says what is short, or nothing.
func lack(what, unit string, need, held, total int, how string) string {
	if total <= 0 || need <= 0 || add(held, need) <= total {
		return ""
	}
	return fmt.Sprintf("%s: needs %d %s%s, %d of %d %s free", what, need, unit, how, max(0, total-held), total, unit)
}

func overhead(c Claim, overheadMB int) string {
	if overheadMB <= 0 || c.Reserved(overheadMB) != add(c.MemoryMB, overheadMB) {
		return ""
	}
	return fmt.Sprintf(" (%d and %d beside the guest)", c.MemoryMB, overheadMB)
}

func (b Budget) virtualCPUs() int {
	v := float64(b.CPUs) * max(1, b.CPUOvercommit)
	if v >= math.MaxInt32 {
		return math.MaxInt32
	}
	return int(v)
}

func (b Budget) overcommit() string {
	if b.CPUOvercommit <= 1 {
		return ""
	}
	return fmt.Sprintf(" (each of %d promised %g times)", b.CPUs, b.CPUOvercommit)
}

// add adds what is not negative and stops at the largest int: a quota beyond all bounds must
// not wrap around into one that fits.
func add(a, b int) int {
	a, b = max(0, a), max(0, b)
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

// Gate is admission by one budget, in the words of sandboxes.
type Gate struct {
	Budget     Budget
	OverheadMB int
}

// Admit is [Admit] for sandboxes.
func (g Gate) Admit(held []sandbox.Holding, want sandbox.Resources) error {
	claims := make([]Claim, len(held))
	for i, h := range held {
		claims[i] = claim(h.Resources)
		claims[i].MeasuredMB = h.MeasuredMB
	}
	return Admit(g.Budget, claims, claim(want), g.OverheadMB)
}

// MaxInstance is the highest instance number that the host has room for.
func (g Gate) MaxInstance() sandbox.Instance { return g.Budget.MaxInstance() }

func claim(r sandbox.Resources) Claim {
	return Claim{CPUs: r.CPUs, MemoryMB: r.MemoryMB, DiskGB: r.DiskGB}
}
