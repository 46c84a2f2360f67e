package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// mend is a kind of thing that the runner sets right by itself, beside restarts and orphans.
type mend string

// The kinds.
const (
	mendAdopted  mend = "adopted"           // a device that lives, whatever cvd's list calls it
	mendADB      mend = "adb_renewed"       // its ADB connection hung
	mendTidied   mend = "leftovers_removed" // of a device that died
	mendUntidied mend = "leftovers_stayed"
)

func mends() []mend { return []mend{mendAdopted, mendADB, mendTidied, mendUntidied} }

const (
	// tidyLimit bounds the clean-up behind a dead device: processes may have to be killed, and the operator to forget them.
	tidyLimit = time.Minute
	// mendedShown is how long the evidence tells of what was mended.
	mendedShown = time.Hour
	maxMended   = 4
)

// tidied is the outcome of the clean-up behind a dead device.
type tidied struct {
	removed []string
	err     error
}

// mending is what was mended lately, and what is needed to do each thing once.
type mending struct {
	done     []sandbox.Evidence // oldest first
	misnamed string             // what cvd's list called the running device when it was last adopted
	renewals int                // of the ADB connection, that were counted
}

// mended counts, logs and shows it.
func (s *Sandbox) mended(kind mend, format string, args ...any) {
	fact := fmt.Sprintf(format, args...)
	s.world.metrics.mends.WithLabelValues(string(kind)).Inc()
	s.log.Info("mended", zap.String("what", string(kind)), zap.String("fact", fact))
	s.mending.done = append(s.mending.done, sandbox.Evidence{Layer: "runner", Fact: fact, At: time.Now()})
	if over := len(s.mending.done) - maxMended; over > 0 {
		s.mending.done = slices.Delete(s.mending.done, 0, over)
	}
}

// notice finds in a look what was mended below: a connection that was renewed, a label that nobody believed.
func (s *Sandbox) notice(seen sandbox.Observation) {
	if seen.Renewals > s.mending.renewals && s.state != sandbox.Unknown { // else an earlier incarnation has counted them
		s.mended(mendADB, "its ADB connection hung and was made anew")
	}
	s.mending.renewals = seen.Renewals
	if seen.Misnamed != "" && seen.Misnamed != s.mending.misnamed {
		s.mended(mendAdopted, "it runs although cvd's list says %s", seen.Misnamed)
	}
	if seen.Life == sandbox.LifeRunning {
		s.mending.misnamed = seen.Misnamed
	}
}

// evidence is what was seen last, and what was mended lately.
func (s *Sandbox) evidence() []sandbox.Evidence {
	done := &s.mending.done
	if len(*done) == 0 { // nearly always; what follows makes the stack grow, at each GET
		return s.seen.Evidence
	}
	*done = slices.DeleteFunc(*done, func(e sandbox.Evidence) bool { return time.Since(e.At) > mendedShown })
	return slices.Concat(s.seen.Evidence, *done)
}

// tidy cleans up behind a device that died, beside the mailbox: whatever begins on the device meanwhile waits for it.
func (s *Sandbox) tidy() {
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, tidyLimit)
		defer cancel()
		var out tidied
		err := kernel.Guarded(s.log, func() (err error) {
			out.removed, err = s.device.Tidy(ctx)
			return err
		})
		out.err = err
		s.self.Tell(out)
	})
}

func (s *Sandbox) onTidied(msg tidied) {
	if len(msg.removed) > 0 {
		s.mended(mendTidied, "removed what the dead device left: %s", strings.Join(msg.removed, ", "))
	}
	if msg.err != nil && s.life.Err() == nil {
		s.mended(mendUntidied, "not all that the dead device left could be removed: %v", msg.err)
	}
}
