package actors

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// inspectLimit is for reading a whole image once.
const inspectLimit = 5 * time.Minute

// Snapshots gives names to images, and has devices' data saved, sent to the bucket and fetched from it. There is one
// transfer at a time for each name; workers do what takes time.
type Snapshots struct {
	kernel.Base
	world *world
	self  *kernel.Ref
	life  context.Context // of this incarnation
	end   context.CancelFunc

	transfers map[string]*transfer // by the name that is being made
	past      map[string]past      // how the last ones ended, by name
	unused    []string             // copies that would be collected
	tidied    time.Time            // when they were looked for
	bucket    string               // what is wrong with the bucket; empty: nothing, or there is none, or it was not asked yet
	network   chan struct{}        // holds a value for each transfer that uses the network
	takings   chan struct{}        // and for each that saves a device's data
	sending   kernel.Token         // of the pending tick
	cancel    func()               // the pending tick
}

func newSnapshots(w *world, self *kernel.Ref) *Snapshots {
	return &Snapshots{
		world: w, self: self, transfers: map[string]*transfer{}, past: map[string]past{},
		network: make(chan struct{}, maxOverNetwork), takings: make(chan struct{}, maxTakings), cancel: func() {},
	}
}

// Receive answers; it never waits.
func (s *Snapshots) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case messages.InspectSnapshot:
		s.answerLater(func(ctx context.Context) (any, error) { return s.inspect(ctx, msg.Name) })
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
	case messages.GetSnapshotProgress:
		s.onProgress(msg)
	case messages.PullSnapshot:
		s.onPull(msg.Source, msg.Ref, s.Take())
	case fetchSnapshot:
		s.onFetch(msg)
	case backUp:
		s.onBackUp(msg)
	case messages.BeginPullSnapshot:
		s.onBeginPull(msg)
	case messages.TakeSnapshot:
		s.onTake(msg)
	case messages.RemoveSnapshot:
		s.onRemove(msg)
	case transferred:
		s.onTransferred(msg)
	case sendTick:
		s.onSendTick(msg)
	case unsent:
		s.onUnsent(msg)
	case messages.Describe:
		s.Answer(s.describe())
	case *actor.Started:
		s.life, s.end = context.WithCancel(s.world.life)
		s.armSend(0)
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
	s.cancel()
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
	_, busy := s.transfers[msg.Name]
	if p, known := s.past[msg.Name]; known && !busy && (p.Work == workLink || p.Work == workFetch) && p.Failure != "" && time.Since(p.Ended) < pastKept {
		s.Answer(messages.SnapshotInfo{Failure: p.Failure, FailedAt: p.Ended})
		return
	}
	s.answerLater(func(ctx context.Context) (any, error) {
		image, err := s.world.Images.Inspect(ctx, msg.Name)
		return messages.SnapshotInfo{Image: image}, err
	})
}

// onRemove takes a name away while nothing else is done with it, or with what it stands for.
func (s *Snapshots) onRemove(msg messages.RemoveSnapshot) {
	from := "this host"
	if msg.Everywhere {
		from = "everywhere"
	}
	snapshot := s.snapshotOf(msg.Name)
	s.transfer(task{work: workRemove, name: msg.Name, uses: snapshot, source: from, do: func(ctx context.Context, _ *pace) (any, error) {
		return messages.Done{}, s.remove(ctx, msg, snapshot)
	}}, s.Take())
}

// remove takes a name away, and what it stands for where that is a snapshot of ours. What is refused in the bucket is not
// removed here either.
func (s *Snapshots) remove(ctx context.Context, msg messages.RemoveSnapshot, snapshot string) error {
	if snapshot != "" && msg.Everywhere && s.world.Saved.Shared() {
		if err := s.world.Saved.RemoveRemote(ctx, snapshot); err != nil {
			return err
		}
	}
	if _, err := s.world.Images.Unlink(ctx, msg.Name); err != nil || snapshot == "" {
		return err // a base image is its owner's
	}
	_, err := s.world.Saved.Remove(ctx, snapshot)
	return err
}

// inspect identifies what a reference stands for: here, or else in the bucket.
func (s *Snapshots) inspect(ctx context.Context, ref string) (sandbox.Image, error) {
	image, err := s.world.Images.InspectSource(ctx, ref)
	if !fault.Is(err, fault.NotFound) {
		return image, err
	}
	name := s.snapshotOf(ref)
	if name == "" {
		return image, err
	}
	image, missing := s.world.Saved.Remote(ctx, name)
	if fault.Is(missing, fault.NotFound) {
		return image, fault.NotFoundf("%v; %v", err, missing)
	}
	image.Name = ref
	return image, missing
}

func (s *Snapshots) describe() messages.Node {
	node := nodeOf(s.self.Vitals())
	failed := 0
	for _, p := range s.past {
		if p.Failure != "" {
			failed++
		}
	}
	node.Facts = map[string]string{"transfers": strconv.Itoa(len(s.transfers)), "failed_lately": strconv.Itoa(failed)}
	if s.bucket != "" {
		node.Facts["bucket"] = s.bucket
	}
	if len(s.unused) > 0 {
		node.Facts["unused"] = strings.Join(s.unused, " ")
	}
	for name, t := range s.transfers {
		node.Facts[t.work+"."+name] = t.describe()
	}
	return node
}
