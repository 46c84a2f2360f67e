package actors

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const (
	// inspectLimit is for reading a whole image once.
	inspectLimit = 5 * time.Minute
	pullLimit    = time.Hour
	// failureKept is how long a failed pull is told of (daytona: SNAPSHOT_ERROR_CACHE_RETENTION).
	failureKept = 10 * time.Minute
	maxFailures = 256
)

// Snapshots gives names to images. There is one transfer at a time for each name; workers do what
// takes time.
type Snapshots struct {
	kernel.Base
	world *world
	self  *kernel.Ref
	life  context.Context // of this incarnation
	end   context.CancelFunc

	transfers map[string]*transfer // by the name that is being made
	failures  map[string]failure   // of the last pulls that failed, by name
}

// transfer is one pull under way.
type transfer struct {
	token   kernel.Token
	source  string
	since   time.Time
	waiters []kernel.Reply
}

type failure struct {
	reason string
	at     time.Time
}

// pulled is the outcome of a transfer.
type pulled struct {
	ref   string
	token kernel.Token
	image sandbox.Image
	err   error
}

func newSnapshots(w *world, self *kernel.Ref) *Snapshots {
	return &Snapshots{world: w, self: self, transfers: map[string]*transfer{}, failures: map[string]failure{}}
}

// Receive answers; it never waits.
func (s *Snapshots) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case messages.InspectSnapshot:
		s.answerLater(func(ctx context.Context) (any, error) { return s.world.Images.InspectSource(ctx, msg.Name) })
	case messages.HasSnapshot:
		s.answerLater(func(ctx context.Context) (any, error) {
			there, err := s.world.Images.Exists(ctx, msg.Name)
			return messages.SnapshotPresence{Exists: there}, err
		})
	case messages.CountSnapshots:
		s.answerLater(func(ctx context.Context) (any, error) {
			n, err := s.world.Images.Count(ctx)
			return messages.SnapshotCount{Count: n}, err
		})
	case messages.GetSnapshot:
		s.onGet(msg)
	case messages.PullSnapshot:
		s.onPull(msg.Source, msg.Ref, s.Take())
	case messages.BeginPullSnapshot:
		s.onBeginPull(msg)
	case messages.RemoveSnapshot:
		s.onRemove(msg)
	case pulled:
		s.onPulled(msg)
	case messages.Describe:
		s.Answer(s.describe())
	case *actor.Started:
		s.life, s.end = context.WithCancel(s.world.life)
	case *actor.Stopping, *actor.Restarting:
		s.release()
	case *actor.Stopped:
	default:
		s.Refuse(fault.Internalf("snapshots does not know %T", msg))
	}
}

// release answers who waits; what they asked for can be asked for again.
func (s *Snapshots) release() {
	for _, t := range s.transfers {
		failAll(t.waiters, errClosing)
	}
	s.transfers = nil
	s.end()
}

// answerLater answers who asked with what a worker finds out.
func (s *Snapshots) answerLater(find func(context.Context) (any, error)) {
	reply := s.Take()
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(reply.Trace(s.life), inspectLimit)
		defer cancel()
		var found any
		err := kernel.Guarded(s.world.Log, func() (err error) {
			found, err = find(ctx)
			return err
		})
		if err != nil {
			reply.Fail(err)
			return
		}
		reply.Send(found)
	})
}

// onGet tells of a failed pull where there is one: the name may stand for an older image still.
func (s *Snapshots) onGet(msg messages.GetSnapshot) {
	if f, failed := s.failures[msg.Name]; failed && time.Since(f.at) < failureKept {
		s.Answer(messages.SnapshotInfo{Failure: f.reason, FailedAt: f.at})
		return
	}
	s.answerLater(func(ctx context.Context) (any, error) {
		image, err := s.world.Images.Inspect(ctx, msg.Name)
		return messages.SnapshotInfo{Image: image}, err
	})
}

// onBeginPull answers at once; a pull that cannot begin is told of by GetSnapshot, too.
func (s *Snapshots) onBeginPull(msg messages.BeginPullSnapshot) {
	s.onPull(msg.Source, msg.Ref, kernel.Reply{})
	s.Answer(messages.Done{})
}

func (s *Snapshots) onPull(source, ref string, reply kernel.Reply) {
	if t, busy := s.transfers[ref]; busy {
		if t.source != source {
			reply.Fail(fault.Conflictf("snapshot %s is being pulled from %s; ask again when that has ended", ref, t.source))
			return
		}
		t.waiters = append(t.waiters, reply)
		return
	}
	delete(s.failures, ref)
	t := &transfer{token: s.world.tokens.Next(), source: source, since: time.Now(), waiters: []kernel.Reply{reply}}
	s.transfers[ref] = t
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(reply.Trace(s.life), pullLimit)
		defer cancel()
		result := pulled{ref: ref, token: t.token}
		result.err = kernel.Guarded(s.world.Log, func() (err error) {
			result.image, err = s.world.Images.Link(ctx, source, ref)
			return err
		})
		s.self.Tell(result)
	})
}

func (s *Snapshots) onPulled(msg pulled) {
	t := s.transfers[msg.ref]
	if t == nil || t.token != msg.token {
		return // of an earlier incarnation
	}
	delete(s.transfers, msg.ref)
	for _, w := range t.waiters {
		if msg.err != nil {
			w.Fail(msg.err)
		} else {
			w.Send(msg.image)
		}
	}
	if msg.err != nil {
		s.remember(msg.ref, failure{msg.err.Error(), time.Now()})
	}
}

// remember keeps a failure, and drops those that nobody is told of any more, or the oldest.
func (s *Snapshots) remember(ref string, f failure) {
	maps.DeleteFunc(s.failures, func(_ string, old failure) bool { return time.Since(old.at) >= failureKept })
	if len(s.failures) >= maxFailures {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(s.failures)), func(a, b string) int {
			return s.failures[a].at.Compare(s.failures[b].at)
		})
		delete(s.failures, oldest)
	}
	s.failures[ref] = f
}

func (s *Snapshots) onRemove(msg messages.RemoveSnapshot) {
	if t, busy := s.transfers[msg.Name]; busy {
		s.Refuse(fault.Conflictf("snapshot %s is being pulled from %s; remove it when that has ended", msg.Name, t.source))
		return
	}
	delete(s.failures, msg.Name)
	s.answerLater(func(ctx context.Context) (any, error) {
		_, err := s.world.Images.Unlink(ctx, msg.Name)
		return messages.Done{}, err
	})
}

func (s *Snapshots) describe() messages.Node {
	node := nodeOf(s.self.Vitals())
	node.Facts = map[string]string{"transfers": strconv.Itoa(len(s.transfers)), "failed_lately": strconv.Itoa(len(s.failures))}
	for ref, t := range s.transfers {
		node.Facts["pull."+ref] = "from " + t.source + " since " + t.since.UTC().Format(time.RFC3339)
	}
	return node
}
