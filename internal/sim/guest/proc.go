package guest

import (
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// ticks is USER_HZ: what the times of /proc/PID/stat count in.
const ticks = 100

// procDir is /proc/PID. What a process has opened and mapped is not shown.
func (g *Guest) procDir(p toybox.Process, text func(func() string) *vfs.Node) map[string]*vfs.Node {
	comm := p.Name[:min(15, len(p.Name))]
	group := p.PGID
	if group == 0 {
		group = p.PID
	}
	return map[string]*vfs.Node{
		"cmdline": text(func() string {
			if len(p.Args) == 0 {
				return ""
			}
			return strings.Join(p.Args, "\x00") + "\x00"
		}),
		"comm": text(func() string { return comm + "\n" }),
		"stat": text(func() string {
			// The 52 fields of proc(5): those from the start of the process on are the 22nd and later.
			return fmt.Sprintf("%d (%s) S %d %d %d 0 -1 4194560 100 0 0 0 1 1 0 0 20 0 1 0 %d 11059200000 800 "+
				"18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
				p.PID, comm, p.PPID, group, group, int64(p.Started.Sub(g.booted).Seconds()*ticks))
		}),
		"statm": text(func() string { return "2700000 800 600 60 0 400 0\n" }),
		"status": text(func() string {
			return fmt.Sprintf("Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n"+
				"Uid:\t%[5]d\t%[5]d\t%[5]d\t%[5]d\nGid:\t%[5]d\t%[5]d\t%[5]d\t%[5]d\nFDSize:\t32\nVmRSS:\t    3200 kB\nThreads:\t1\n",
				comm, p.PID, p.PID, p.PPID, p.UID)
		}),
		"oom_score_adj": text(func() string { return "-950\n" }),
	}
}
