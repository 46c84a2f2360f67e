package device

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// sweepAge is how old a reading of the process table may be that looks at devices share, where
	// the options do not say.
	sweepAge = time.Second
	// sweepLimit bounds one reading.
	sweepLimit = 5 * time.Second
)

// table is one reading of the process table, with what devices ask of it worked out once. It is shared: nobody
// changes it.
type table struct {
	procs map[int]host.Process        // by pid
	vms   map[string]host.Process     // the main VMs, by control socket
	homes map[sandbox.Instance]string // group home of the run_cvd that runs the number, among our sockets
	cvds  []host.Process              // the cvd processes that belong to this installation
}

// readTable reads the process table now. Operations do; looks share one by way of the sweep.
func (o *Options) readTable(ctx context.Context) (*table, error) {
	procs, err := o.Host.Processes(ctx)
	if err != nil {
		return nil, err
	}
	t := &table{procs: make(map[int]host.Process, len(procs)), vms: cvd.Crosvms(procs), homes: map[sandbox.Instance]string{}}
	for _, p := range procs {
		t.procs[p.PID] = p
		if p.UID != o.Paths.UID || p.Exe != "run_cvd" && p.Exe != "cvd" {
			continue
		}
		env, err := o.Host.Environ(ctx, p.ProcessID)
		switch {
		case p.Exe == "cvd" && (err != nil || o.sharesTmp(env)):
			t.cvds = append(t.cvds, p) // one that cannot be asked is taken for ours, rather than doubled
		case p.Exe == "run_cvd" && err == nil && !p.Zombie && o.sharesTmp(env):
			t.addLauncher(env)
		}
	}
	return t, nil
}

// addLauncher files a run_cvd under the number that its environment names. The first of a number counts.
func (t *table) addLauncher(env []string) {
	n, err := strconv.Atoi(valueOf(env, "CUTTLEFISH_INSTANCE"))
	if _, known := t.homes[sandbox.Instance(n)]; err != nil || known {
		return
	}
	t.homes[sandbox.Instance(n)] = valueOf(env, "HOME")
}

func valueOf(env []string, name string) string {
	at := slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	if at < 0 {
		return ""
	}
	return strings.TrimPrefix(env[at], name+"=")
}

// sharesTmp reports whether a process with that environment keeps its sockets where ours are. One with
// another TMPDIR belongs to another installation on this machine.
func (o *Options) sharesTmp(env []string) bool {
	return path.Clean(cmp.Or(valueOf(env, "TMPDIR"), "/tmp")) == path.Clean(cmp.Or(o.Paths.Tmp, "/tmp"))
}

// launchOf finds the cvd that launches the group.
func (t *table) launchOf(group string) (host.ProcessID, bool) {
	return cvd.FindLaunch(t.cvds, group)
}

// sweep shares readings of the process table among the looks at all devices: one is under way at a time, and
// one that is young enough serves whoever comes.
type sweep struct {
	read   func(ctx context.Context) (*table, error)
	maxAge time.Duration

	mu   sync.Mutex
	now  *reading // under way; nil: none
	last *reading // that ended well; nil: none
}

// reading is one reading, shared by who wait for it.
type reading struct {
	began time.Time
	done  chan struct{} // closed when table and err are set
	table *table
	err   error
}

func newSweep(o *Options) *sweep {
	return &sweep{read: o.readTable, maxAge: cmp.Or(o.SweepAge, sweepAge)}
}

// table returns a reading that began at floor or later and is not used, which the caller has had before: a
// second look is a second witness. The end of ctx ends the wait, not the reading.
func (s *sweep) table(ctx context.Context, floor time.Time, used *reading) (*reading, error) {
	for {
		r := s.join(floor, used)
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, fault.Op("read the process table", ctx.Err())
		}
		if r != used && !r.began.Before(floor) {
			return r, r.err
		}
	}
}

// join returns a finished reading that will do, or the one under way, or a new one.
func (s *sweep) join(floor time.Time, used *reading) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.last; r != nil && r != used && !r.began.Before(floor) && time.Since(r.began) < s.maxAge {
		return r
	}
	if s.now == nil {
		r := &reading{began: time.Now(), done: make(chan struct{})}
		s.now = r
		go s.run(r) // ends within sweepLimit
	}
	return s.now
}

func (s *sweep) run(r *reading) {
	ctx, cancel := context.WithTimeout(context.Background(), sweepLimit)
	defer cancel()
	r.table, r.err = s.read(ctx)
	s.mu.Lock()
	if s.now = nil; r.err == nil {
		s.last = r
	}
	s.mu.Unlock()
	close(r.done)
}
