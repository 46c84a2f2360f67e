package actors

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const (
	orphanGrace = 10 * time.Minute // between two lists that have an orphan, before it is removed
	orphanEvery = time.Minute      // between two readings of cvd's list
	askLimit    = 30 * time.Second // for Daytona's word about them
	// orphanDoubt is how long one is left that Daytona does not list: it lists what is started or stopped and at rest, and
	// not what it has in error, nor what it is changing.
	orphanDoubt = 24 * time.Hour
)

type (
	orphanTick struct{}

	// orphansJudged says what is to become of orphans.
	orphansJudged struct {
		intents map[sandbox.ID]sandbox.Intent
		err     error
	}
)

// orphan is one that is to be judged.
type orphan struct {
	number sandbox.Instance
	age    time.Duration // since the list that had it first
}

// orphans are groups under our names that belong to no sandbox, as a create or destroy that was cut short may leave
// them. Groups of other names are not ours: they are not even looked at.
type orphans struct {
	asked  time.Time                // of the list that was looked at last
	first  map[sandbox.ID]time.Time // when the list was asked for that had it first
	cancel func()
}

func (r *Root) armOrphans() {
	r.orphans.cancel = r.self.TellAfter(orphanEvery, orphanTick{})
}

// onOrphans compares cvd's list with who is on record. What belongs to nobody in two lists that lie the grace period
// apart is asked about, where Daytona can be.
func (r *Root) onOrphans() {
	r.armOrphans()
	groups, asked := r.world.Devices.Groups()
	if r.world.closing.Load() || !asked.After(r.orphans.asked) {
		return
	}
	r.orphans.asked = asked
	seen, due := map[sandbox.ID]time.Time{}, map[sandbox.ID]orphan{}
	for id, number := range groups {
		if r.onRecord(id) {
			continue
		}
		first, before := r.orphans.first[id]
		if !before {
			first = asked
			r.world.metrics.orphans.WithLabelValues("found").Inc()
			// No warning yet: the list may be older than a destroy.
			r.world.Log.Info("cvd has a group of ours that belongs to no sandbox", zap.String(obs.SandboxID, string(id)),
				zap.Duration("judged_after", orphanGrace))
		}
		seen[id] = first
		if age := asked.Sub(first); age >= orphanGrace && !r.inUse(number) {
			due[id] = orphan{number, age}
		}
	}
	r.orphans.first = seen
	if len(due) > 0 {
		r.judgeOrphans(due)
	}
}

func (r *Root) onRecord(id sandbox.ID) bool {
	_, leaving := r.retiring[id]
	return leaving || r.world.directory.find(id) != nil
}

// judgeOrphans finds out what becomes of groups that nobody here knows: what Daytona takes for a sandbox of this runner
// is one, and gets its number back. While Daytona does not answer they are left.
func (r *Root) judgeOrphans(due map[sandbox.ID]orphan) {
	r.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(r.world.life, askLimit)
		defer cancel()
		var judged orphansJudged
		judged.err = kernel.Guarded(r.world.Log, func() (err error) {
			judged.intents, err = r.world.intentsOf(ctx, due)
			return err
		})
		r.self.Tell(judged)
	})
}

// intentsOf says for each orphan whether it is to be destroyed, or is a sandbox that was lost from the record. What
// cannot be taken back is left out.
func (w *world) intentsOf(ctx context.Context, due map[sandbox.ID]orphan) (map[sandbox.ID]sandbox.Intent, error) {
	var beliefs map[sandbox.ID]sandbox.State
	patience := orphanGrace
	if w.Daytona.States != nil {
		var err error
		if beliefs, err = w.Daytona.States.Beliefs(ctx); err != nil {
			return nil, err
		}
		patience = orphanDoubt
	}
	intents := map[sandbox.ID]sandbox.Intent{}
	for id, o := range due {
		believed, known := beliefs[id]
		if !known {
			if o.age >= patience {
				intents[id] = sandbox.IntentDestroyed
			}
			continue
		}
		if _, err := w.allocator.Ask(ctx, messages.ClaimInstance{ID: id, Instance: o.number}); err != nil {
			w.Log.Warn("a sandbox that is not on record does not get its number back", zap.String(obs.SandboxID, string(id)), zap.Error(err))
			continue
		}
		intents[id] = sandbox.IntentStarted
		if believed == sandbox.Stopped {
			intents[id] = sandbox.IntentStopped
		}
	}
	return intents, nil
}

// onOrphansJudged makes sandboxes of them: of those to be destroyed as well, whose actors see to it as to any other.
func (r *Root) onOrphansJudged(ctx actor.Context, msg orphansJudged) {
	if msg.err != nil {
		r.world.Log.Warn("groups that belong to no sandbox are left: Daytona does not say whether it knows them", zap.Error(msg.err))
	}
	for id, intent := range msg.intents {
		if !r.world.closing.Load() && !r.onRecord(id) {
			r.takeOver(ctx, id, intent)
		}
	}
}

// inUse reports whether a sandbox that is to run holds the number: the orphan waits then, because what is
// left under a number is removed with it.
func (r *Root) inUse(number sandbox.Instance) bool {
	for id := range r.world.directory.all() {
		if d := r.world.directory.device(id); d != nil {
			if f := d.Facts(); f.Instance == number && f.Intent != sandbox.IntentStopped {
				return true
			}
		}
	}
	return false
}

func (r *Root) takeOver(ctx actor.Context, id sandbox.ID, intent sandbox.Intent) {
	log := r.world.Log.With(zap.String(obs.SandboxID, string(id)), zap.String("intent", string(intent)))
	if !r.world.Devices.TakeOver(id, intent) {
		log.Warn("a group of ours that belongs to no sandbox is left: cvd does not say enough of it")
		return
	}
	if _, err := r.spawn(ctx, id, r.open(id)); err != nil {
		log.Error("a group of ours that belongs to no sandbox is not taken over", zap.Error(err))
		return
	}
	delete(r.orphans.first, id)
	step := "adopted"
	if intent == sandbox.IntentDestroyed {
		step = "condemned"
	}
	log.Warn("a group of ours that belonged to no sandbox is " + step)
	r.world.metrics.orphans.WithLabelValues(step).Inc()
}

// list names them, for people.
func (o *orphans) list() string {
	var out []string
	for id, first := range o.first {
		out = append(out, string(id)+" since "+first.UTC().Format(time.RFC3339))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
