package guest

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// errCannotFork is the process table being full.
var errCannotFork = errors.New("can't fork - try again")

// process is one row of the process table. Its fields are set before it is in the table, but for
// those that say otherwise.
type process struct {
	pid, ppid, pgid int
	cred            vfs.Cred
	started         time.Time
	session         *Session
	ctx             context.Context // done when the process must end, or has ended
	cancel          context.CancelFunc
	exited          chan struct{} // closed when status is final
	end             sync.Once

	mu      sync.Mutex // guards what follows
	name    string
	args    []string
	holds   bool // keeps the session's output open
	signal  int  // what ended it, or will
	status  int
	ignored map[int]bool
	traps   map[int]string
	pending []int
	// interrupt, when set, takes SIGINT instead of the process: an interactive shell's.
	interrupt func()
	// caught are the signals that the program of the process handles itself.
	caught map[int]func()
	// child is what a background job waits for; it ends with the job.
	child *process
	told  bool // its death was reported
}

// killedBy is the signal that ends the process, 0 if there is none.
func (p *process) killedBy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signal
}

func (p *process) row() toybox.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return toybox.Process{PID: p.pid, PPID: p.ppid, PGID: p.pgid, UID: p.cred.UID, Name: p.name, Args: p.args, Started: p.started}
}

func (p *process) rename(args []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.args = path.Base(args[0]), args
}

// deliver acts on signal sig as the kernel would.
func (p *process) deliver(sig int) {
	p.mu.Lock()
	switch {
	case p.caught[sig] != nil && p.signal == 0:
		handle := p.caught[sig]
		p.mu.Unlock()
		handle()
		return
	case sig == 0, p.signal != 0, isIgnoredByDefault(sig), p.ignored[sig] && sig != toybox.SIGKILL:
		p.mu.Unlock()
		return
	case sig == toybox.SIGINT && p.interrupt != nil:
		interrupt := p.interrupt
		p.mu.Unlock()
		interrupt()
		return
	case p.traps[sig] != "" && sig != toybox.SIGKILL:
		if len(p.pending) < 64 {
			p.pending = append(p.pending, sig)
		}
		p.mu.Unlock()
		return
	}
	p.signal = sig
	child := p.child
	p.mu.Unlock()
	p.cancel()
	if child != nil {
		child.deliver(sig)
	}
}

func isIgnoredByDefault(sig int) bool {
	switch sig {
	case toybox.SIGCHLD, toybox.SIGCONT, toybox.SIGURG, toybox.SIGWINC, 19, 20, 21, 22: // the last four would stop it
		return true
	}
	return false
}

// table is the process table.
type table struct {
	ctx   context.Context
	limit int

	mu   sync.Mutex
	last int
	rows map[int]*process
}

const (
	firstPID = 2000 // what runs since boot has the lower ones
	maxPID   = 32768
)

func newTable(ctx context.Context, limit int) *table {
	return &table{ctx: ctx, limit: limit, last: firstPID, rows: map[int]*process{}}
}

// fork adds a process. Without a parent it leads a new group.
func (t *table) fork(parent *process, cred vfs.Cred, session *Session, args []string, newGroup bool) (*process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) >= t.limit {
		return nil, errCannotFork
	}
	if parent != nil && parent.killedBy() != 0 {
		return nil, errKilled // see signal
	}
	for {
		if t.last++; t.last >= maxPID {
			t.last = firstPID
		}
		if t.rows[t.last] == nil {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.ctx)
	p := &process{
		pid: t.last, ppid: 1, pgid: t.last, cred: cred, started: time.Now(), session: session,
		ctx: ctx, cancel: cancel, exited: make(chan struct{}), name: path.Base(args[0]), args: args,
	}
	if parent != nil {
		p.ppid = parent.pid
		if !newGroup {
			p.pgid = parent.pgid
		}
		parent.mu.Lock()
		p.ignored = maps.Clone(parent.ignored)
		parent.mu.Unlock()
	}
	t.rows[p.pid] = p
	return p, nil
}

// finish ends p with status, or with the signal that hit it. Only the first call counts;
// it returns true.
func (t *table) finish(p *process, status int) (first bool) {
	p.end.Do(func() {
		first = true
		p.mu.Lock()
		p.status = status
		if p.signal != 0 {
			p.status = 128 + p.signal
		}
		p.mu.Unlock()
		t.mu.Lock()
		delete(t.rows, p.pid)
		t.mu.Unlock()
		p.cancel()
		close(p.exited)
		p.hold(false)
	})
	return first
}

// hold notes whether p keeps the session's output open.
func (p *process) hold(yes bool) {
	p.mu.Lock()
	had := p.holds
	p.holds = yes
	p.mu.Unlock()
	switch {
	case yes && !had:
		p.session.hold()
	case had && !yes:
		p.session.release()
	}
}

func (t *table) all() []*process {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.rows), func(a, b *process) int { return a.pid - b.pid })
}

// kill sends sig to process pid, to the sender's group (0), to all (-1) or to group -pid.
func (t *table) kill(from *vfs.View, pid, sig int) error {
	pgid := -pid
	for _, p := range t.all() {
		if pid == 0 && p.pid == from.PID {
			pgid = p.pgid
		}
	}
	wanted := func(p *process) bool {
		return pid > 0 && p.pid == pid || pid <= 0 && pid != -1 && p.pgid == pgid || pid == -1 && p.pid != from.PID
	}
	err := error(syscall.ESRCH)
	t.signal(wanted, func(p *process) {
		switch {
		case from.UID == 0 || p.cred.UID == from.UID:
			p.deliver(sig)
			err = nil
		case err != nil:
			err = syscall.EPERM
		}
	})
	return err
}

// signal delivers to all that are wanted, and then to those that they have forked meanwhile: a
// group that is killed leaves nobody behind. It ends because a killed process cannot fork.
func (t *table) signal(wanted func(*process) bool, deliver func(*process)) {
	hit := map[int]*process{}
	for first := true; ; first = false {
		again := false
		for _, p := range t.all() {
			if hit[p.pid] == p || !wanted(p) {
				continue
			}
			if parent := hit[p.ppid]; !first && (parent == nil || parent.killedBy() == 0) {
				continue // forked later, by one that goes on
			}
			hit[p.pid] = p
			deliver(p)
			again = true
		}
		if !again {
			return
		}
	}
}
