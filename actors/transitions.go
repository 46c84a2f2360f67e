package actors

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// maxTransitions is how many transitions of a sandbox are kept.
	maxTransitions = 50
	// maxReason is how many bytes of a reason are kept; that of a failed boot quotes a log.
	maxReason = 2 << 10
	// journalDelay keeps the writing of a transition that begins an operation out of that operation's way, and
	// lets transitions gather. What an operation came to, or a death, is written at once.
	journalDelay = time.Second
	// journalLimit bounds one write, or the reading.
	journalLimit = 5 * time.Second
)

// What the workers of the journal, and its timer, tell a sandbox.
type (
	// recalled is what earlier incarnations and runners went through.
	recalled struct{ past []sandbox.Transition }

	journalTick struct{}

	// journalSaved is the outcome of a write.
	journalSaved struct{ err error }
)

// journal is the last transitions of a sandbox. It is written beside everything else: what cannot be
// written is shown all the same and tried again at the next transition.
type journal struct {
	all      []sandbox.Transition // oldest first; replaced, never changed
	recalled bool                 // what is on disk is in all; nothing is written before
	dirty    bool                 // all has what is not on disk
	writing  bool
	ticking  bool
	cancel   func() // the pending tick; nil: none
}

// list returns all transitions that are kept.
func (j *journal) list() []sandbox.Transition { return j.all }

// last returns the newest n.
func (j *journal) last(n int) []sandbox.Transition { return j.all[max(0, len(j.all)-n):] }

// leaving reports whether the sandbox is being destroyed: what is on disk of it is then not touched.
func (j *journal) leaving() bool {
	if len(j.all) == 0 {
		return false
	}
	to := j.all[len(j.all)-1].To
	return to == sandbox.Destroying || to == sandbox.Destroyed
}

func (j *journal) add(more ...sandbox.Transition) {
	all := slices.Concat(j.all, more)
	j.all = all[max(0, len(all)-maxTransitions):]
}

// recall reads what is on disk.
func (s *Sandbox) recall() {
	if s.world.Journal == nil || !s.device.Facts().Known {
		s.journal.recalled = true
		return
	}
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, journalLimit)
		defer cancel()
		past, err := s.world.Journal.Transitions(ctx, s.id)
		if err != nil {
			s.log.Warn("what the sandbox went through could not be read", zap.Error(err))
		}
		s.self.Tell(recalled{past})
	})
}

func (s *Sandbox) onRecalled(msg recalled) {
	if s.journal.recalled {
		return // of an earlier incarnation
	}
	since := s.journal.all
	s.journal.all, s.journal.recalled = nil, true
	s.journal.add(msg.past...)
	s.journal.add(since...)
	s.armTerm()
	s.armJournal()
}

// record keeps a transition.
func (s *Sandbox) record(t sandbox.Transition) {
	if len(t.Reason) > maxReason {
		t.Reason = strings.ToValidUTF8(t.Reason[:maxReason], "") + "…"
	}
	s.journal.add(t)
	s.journal.dirty = true
	s.armJournal()
}

// armJournal sets the next write, unless there is nothing to write or one is under way or set.
func (s *Sandbox) armJournal() {
	j := &s.journal
	if s.world.Journal == nil || !j.dirty || !j.recalled || j.writing {
		return
	}
	if last := j.all[len(j.all)-1]; !last.To.Busy() {
		if j.cancel != nil {
			j.cancel()
		}
		s.saveJournal()
		return
	}
	if j.ticking {
		return
	}
	j.ticking = true
	j.cancel = s.self.TellAfter(journalDelay, journalTick{})
}

// saveJournal writes what is new. While the sandbox is being destroyed its directory is not touched.
func (s *Sandbox) saveJournal() {
	j := &s.journal
	j.ticking = false
	if !j.dirty || j.writing || j.leaving() {
		return
	}
	j.writing, j.dirty = true, false
	all := j.all
	s.world.workers.Go(func() { s.self.Tell(journalSaved{s.writeJournal(s.life, all)}) })
}

func (s *Sandbox) writeJournal(ctx context.Context, all []sandbox.Transition) error {
	ctx, cancel := context.WithTimeout(ctx, journalLimit)
	defer cancel()
	return s.world.Journal.SaveTransitions(ctx, s.id, all)
}

func (s *Sandbox) onJournalSaved(msg journalSaved) {
	s.journal.writing = false
	switch {
	case fault.Is(msg.err, fault.NotFound): // not on record yet, or no more
		s.journal.dirty = true
	case msg.err != nil:
		s.journal.dirty = true
		s.log.Warn("what the sandbox went through could not be written", zap.Error(msg.err))
	default:
		s.armJournal() // what came meanwhile
	}
}

// closeJournal writes what is not on disk when the actor ends.
func (s *Sandbox) closeJournal() {
	j := &s.journal
	if j.cancel != nil {
		j.cancel()
	}
	if s.world.Journal == nil || !j.recalled || !j.dirty && !j.writing || j.leaving() {
		return
	}
	all := j.all
	s.world.workers.Go(func() {
		if err := s.writeJournal(context.WithoutCancel(s.life), all); err != nil && !fault.Is(err, fault.NotFound) {
			s.log.Warn("what the sandbox went through could not be written", zap.Error(err))
		}
	})
}
