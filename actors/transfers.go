package actors

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const (
	// transferLimit bounds one transfer: the API gives pulls and backups up after two hours.
	transferLimit = 115 * time.Minute
	// maxOverNetwork is how many transfers use the network at a time.
	maxOverNetwork = 2
	// maxTakings is how many devices' data are copied at a time: all of it is read.
	maxTakings = 2
	// pastKept is how long it is told how a transfer ended (daytona: SNAPSHOT_ERROR_CACHE_RETENTION).
	pastKept = 10 * time.Minute
	maxPast  = 256
)

// The works that transfers are.
const (
	workLink   = "link"
	workTake   = "take"
	workFetch  = "fetch"
	workSend   = "send"
	workBackUp = "back up"

	workRemove  = "remove"
	workCollect = "collect"
)

// task is what a transfer has to do.
type task struct {
	work   string
	name   string // that is made, sent or removed
	uses   string // the snapshot that it stands for, or is made from; empty: the same, or a base image
	source string // for people; who asks for the same work from the same source shares it
	do     func(context.Context, *pace) (any, error)
}

// takesAway reports whether nothing else may be done with its names meanwhile.
func (t task) takesAway() bool { return t.work == workRemove || t.work == workCollect }

// meets reports whether both work on one snapshot.
func (t task) meets(other task) bool {
	return t.name == other.name || t.uses != "" && (t.uses == other.name || t.uses == other.uses) || t.name == other.uses
}

// transfer is one task under way.
type transfer struct {
	task
	token   kernel.Token
	since   time.Time
	waiters []kernel.Reply
	pace    *pace
}

// past is a transfer that has ended.
type past = messages.SnapshotProgress

// transferred is the outcome of a transfer.
type transferred struct {
	name   string
	token  kernel.Token
	answer any
	err    error
}

// transfer does a task off the mailbox. There is one for each name at a time, and beside one that takes a snapshot away there
// is no other of it; who asks for the same waits for it.
func (s *Snapshots) transfer(what task, reply kernel.Reply) {
	if t := s.inTheWay(what); t != nil {
		if t.name != what.name || t.work != what.work || t.source != what.source {
			reply.Fail(fault.Conflictf("snapshot %s is busy (%s %s); ask again when that has ended", t.name, t.work, t.source))
			return
		}
		t.waiters = append(t.waiters, reply)
		return
	}
	t := &transfer{
		task: what, token: s.world.tokens.Next(), since: time.Now(), waiters: []kernel.Reply{reply},
		pace: newPace(s.world.Log, what.work+" snapshot "+what.name),
	}
	s.transfers[what.name] = t
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeoutCause(reply.Trace(s.life), transferLimit, fault.Timeoutf("%s took longer than %s", what.work, transferLimit))
		defer cancel()
		result := transferred{name: what.name, token: t.token}
		result.err = kernel.Guarded(s.world.Log, func() (err error) {
			result.answer, err = what.do(ctx, t.pace)
			return cutShort(ctx, err)
		})
		s.self.Tell(result)
	})
}

// inTheWay is the transfer under way beside which a task is not begun; nil: none.
func (s *Snapshots) inTheWay(what task) *transfer {
	if t, busy := s.transfers[what.name]; busy {
		return t
	}
	for _, t := range s.transfers {
		if (t.takesAway() || what.takesAway()) && t.meets(what) {
			return t
		}
	}
	return nil
}

func (s *Snapshots) onTransferred(msg transferred) {
	t := s.transfers[msg.name]
	if t == nil || t.token != msg.token {
		return // of an earlier incarnation
	}
	delete(s.transfers, msg.name)
	for _, w := range t.waiters {
		if msg.err != nil {
			w.Fail(msg.err)
		} else {
			w.Send(msg.answer)
		}
	}
	ended := t.progress(msg.name)
	ended.Ended = time.Now()
	if msg.err != nil {
		ended.Failure = msg.err.Error()
	}
	s.world.metrics.transferred(t.work, msg.err, ended.Moved)
	refused := t.refused(msg.err)
	t.pace.end(msg.err, refused)
	if !refused {
		s.remember(ended)
	}
}

// refused reports whether it came to nothing because of what was asked for, which who asked has been told: that leaves
// what is known of the name as it was.
func (t *transfer) refused(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Unsupported:
		return err != nil && slices.ContainsFunc(t.waiters, kernel.Reply.Wanted)
	default:
		return false
	}
}

// remember keeps how a transfer ended, and drops what nobody is told of any more, or the oldest.
func (s *Snapshots) remember(p past) {
	maps.DeleteFunc(s.past, func(_ string, old past) bool { return time.Since(old.Ended) >= pastKept })
	if len(s.past) >= maxPast {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(s.past)), func(a, b string) int {
			return s.past[a].Ended.Compare(s.past[b].Ended)
		})
		delete(s.past, oldest)
	}
	s.past[p.Name] = p
}

// inTurn does something when there is room for it in slots.
func inTurn(ctx context.Context, slots chan struct{}, p *pace, do func() error) error {
	p.report(sandbox.Progress{Step: "wait for other transfers"})
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-slots }()
	return do()
}

func (t *transfer) progress(name string) messages.SnapshotProgress {
	p := messages.SnapshotProgress{Name: name, Work: t.work, Source: t.source, Since: t.since}
	p.Progress, p.Rate, p.Left = t.pace.now()
	return p
}

func (t *transfer) describe() string {
	text := "from " + t.source + " since " + t.since.UTC().Format(time.RFC3339)
	if said := t.pace.describe(); said != "" {
		text += ": " + said
	}
	return text
}

// snapshotOf is the snapshot that a name stands for; empty where that is a base image.
func (s *Snapshots) snapshotOf(name string) string {
	snapshot, err := s.world.Saved.NameOf(name)
	if err != nil {
		return ""
	}
	return snapshot
}

// namesOf are the names under which work on a snapshot is found: its own, and that of what it stands for.
func (s *Snapshots) namesOf(name string) []string {
	if snapshot := s.snapshotOf(name); snapshot != "" && snapshot != name {
		return []string{name, snapshot}
	}
	return []string{name}
}

// onProgress tells how far a transfer is, or how the last one ended.
func (s *Snapshots) onProgress(msg messages.GetSnapshotProgress) {
	names := s.namesOf(msg.Name)
	for _, name := range names {
		if t, busy := s.transfers[name]; busy {
			s.Answer(t.progress(name))
			return
		}
	}
	for _, name := range names {
		if p, known := s.past[name]; known && time.Since(p.Ended) < pastKept {
			s.Answer(p)
			return
		}
	}
	s.Refuse(fault.NotFoundf("nothing was done with snapshot %s in the last %s", msg.Name, pastKept))
}
