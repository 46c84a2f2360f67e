package actors

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// rootMailbox bounds the creates and lists that may wait for root, which only forwards.
const rootMailbox = 1024

// sandboxMailbox is as many messages as the doors have connections: a question about a healthy
// sandbox is never refused for want of room.
const sandboxMailbox = 4096

// gatherLimit is how long root waits for a child's answer before it shows it as busy.
const gatherLimit = time.Second

// What the tree tells root.
type (
	populate struct{} // asked once, by Start: spawn who is on record
	drain    struct{} // asked once, by Stop: end what is in flight; children are asked the same

	// retired is told by a sandbox of which nothing is left. Who waits is answered when the tree
	// no longer shows it, and before its actor ends: with err, or Done if that is nil.
	retired struct {
		id      sandbox.ID
		waiters []kernel.Reply
		err     error
	}

	// ended is told to root by itself when a retired actor is gone.
	ended struct{ id sandbox.ID }
)

// Root knows which sandboxes there are and forwards to their actors. It is never restarted.
type Root struct {
	kernel.Base
	world    *world
	self     *kernel.Ref
	orphans  orphans
	retiring map[sandbox.ID][]pending // creates of a name whose actor is ending, held until it is free
}

// pending is a message that is held back together with who asked.
type pending struct {
	msg   any
	reply kernel.Reply
}

func newRoot(w *world, self *kernel.Ref) *Root {
	return &Root{world: w, self: self, retiring: map[sandbox.ID][]pending{}, orphans: orphans{cancel: func() {}}}
}

// Receive forwards; nothing here waits.
func (r *Root) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case populate:
		r.onPopulate(ctx)
	case messages.CreateSandbox:
		r.onCreate(ctx, msg)
	case messages.ListSandboxes:
		r.gather(r.Take(), gatherLimit, func(id sandbox.ID) any { return messages.GetSandbox{ID: id} }, listed)
	case messages.Describe:
		r.gather(r.Take(), gatherLimit, func(sandbox.ID) any { return messages.Describe{} }, r.described(r.orphans.list()))
	case retired:
		r.onRetired(msg)
	case ended:
		r.onEnded(ctx, msg)
	case orphanTick:
		r.onOrphans()
	case orphansJudged:
		r.onOrphansJudged(ctx, msg)
	case drain:
		r.gather(r.Take(), 0, func(sandbox.ID) any { return msg }, drained)
	case *actor.Stopping:
		r.orphans.cancel()
	case *actor.Started, *actor.Stopped, *actor.Restarting, *actor.Terminated:
	default:
		r.Refuse(fault.Internalf("root does not know %T", msg))
	}
}

func (r *Root) onPopulate(ctx actor.Context) {
	known := r.world.Devices.Known()
	devices := make(map[sandbox.ID]Device, len(known))
	held := map[sandbox.ID]claim{}
	for _, id := range known {
		d := r.open(id)
		devices[id] = d
		if f := d.Facts(); f.Instance != 0 {
			held[id] = claim{number: f.Instance, resources: f.Resources, running: f.Intent != sandbox.IntentStopped || f.Halted}
		}
	}
	ref, err := r.world.kernel.Spawn(ctx, kernel.Spec{
		Name: "allocator", Kind: "allocator",
		New: func(self *kernel.Ref) actor.Actor { return newAllocator(r.world, self, held) },
	})
	if err != nil {
		r.Refuse(err)
		return
	}
	r.world.allocator = ref
	if r.world.snapshots, err = r.world.kernel.Spawn(ctx, kernel.Spec{
		Name: "snapshots", Kind: "snapshots",
		New: func(self *kernel.Ref) actor.Actor { return newSnapshots(r.world, self) },
	}); err != nil {
		r.Refuse(err)
		return
	}
	if err := r.spawnCrashes(ctx); err != nil {
		r.Refuse(err)
		return
	}
	for id, d := range devices {
		if _, err := r.spawn(ctx, id, d); err != nil {
			r.Refuse(err)
			return
		}
	}
	if err := r.spawnJobs(ctx); err != nil {
		r.Refuse(err)
		return
	}
	close(r.world.populated)
	r.armOrphans()
	r.Answer(messages.Done{})
}

// spawnCrashes comes before the sandboxes, which tell it what happens to them.
func (r *Root) spawnCrashes(ctx actor.Context) (err error) {
	if r.world.Daytona.States == nil {
		return nil
	}
	r.world.crashes, err = r.world.kernel.Spawn(ctx, kernel.Spec{
		Name: "crashes", Kind: "crashes", Mailbox: sandboxMailbox,
		New: func(self *kernel.Ref) actor.Actor { return newCrashes(r.world, self) },
	})
	return err
}

// spawnJobs comes last: whom jobs are for is there.
func (r *Root) spawnJobs(ctx actor.Context) (err error) {
	if r.world.Daytona.Queue == nil {
		return nil
	}
	r.world.jobs, err = r.world.kernel.Spawn(ctx, kernel.Spec{
		Name: "jobs", Kind: "jobs",
		New: func(self *kernel.Ref) actor.Actor { return newJobs(r.world, self) },
	})
	return err
}

// open returns the device of a sandbox; its news reach whichever actor the sandbox has then.
func (r *Root) open(id sandbox.ID) Device {
	w := r.world
	return w.Devices.Open(id, func() {
		if ref := w.directory.find(id); ref != nil {
			ref.Tell(adbChanged{})
		}
	})
}

func (r *Root) spawn(ctx actor.Context, id sandbox.ID, d Device) (*kernel.Ref, error) {
	ref, err := r.world.kernel.Spawn(ctx, kernel.Spec{
		Name: "sb-" + string(id), Kind: "sandbox", Mailbox: sandboxMailbox,
		New:  func(self *kernel.Ref) actor.Actor { return newSandbox(r.world, self, id, d) },
		Lost: func(reason string) { r.world.noteLost(id, reason) },
	})
	if err != nil {
		return nil, err
	}
	r.world.directory.add(id, ref, d)
	return ref, nil
}

func (r *Root) onCreate(ctx actor.Context, msg messages.CreateSandbox) {
	if held, leaving := r.retiring[msg.ID]; leaving {
		r.retiring[msg.ID] = append(held, pending{msg, r.Take()})
		return
	}
	r.forwardCreate(ctx, msg, r.Take())
}

func (r *Root) forwardCreate(ctx actor.Context, msg messages.CreateSandbox, reply kernel.Reply) {
	ref := r.world.directory.find(msg.ID)
	if ref == nil {
		var err error
		if ref, err = r.spawn(ctx, msg.ID, r.open(msg.ID)); err != nil {
			reply.Fail(err)
			return
		}
	}
	ref.Forward(msg, reply)
}

func (r *Root) onRetired(msg retired) {
	ref := r.world.directory.find(msg.id)
	if ref == nil {
		return
	}
	r.world.directory.remove(msg.id)
	for _, w := range msg.waiters {
		if msg.err != nil {
			w.Fail(msg.err)
		} else {
			w.Send(messages.Done{})
		}
	}
	r.retiring[msg.id] = nil
	ref.End()
	r.world.workers.Go(func() {
		select {
		case <-ref.Gone():
			r.self.Tell(ended{msg.id})
		case <-r.world.life.Done():
		}
	})
}

func (r *Root) onEnded(ctx actor.Context, msg ended) {
	held := r.retiring[msg.id]
	delete(r.retiring, msg.id)
	for _, p := range held {
		if create, ok := p.msg.(messages.CreateSandbox); ok {
			r.forwardCreate(ctx, create, p.reply)
		}
	}
}

// answers are what the sandboxes said; those that did not answer in time are absent.
type answers struct {
	refs map[sandbox.ID]*kernel.Ref
	said map[sandbox.ID]any
}

// gather asks every sandbox in a worker, within limit (0: as long as the tree lives), and
// sends what combine makes of the answers.
func (r *Root) gather(reply kernel.Reply, limit time.Duration, question func(sandbox.ID) any, combine func(answers) any) {
	refs := r.world.directory.all()
	r.world.workers.Go(func() {
		ctx, cancel := context.WithCancel(r.world.life)
		if limit > 0 {
			ctx, cancel = context.WithTimeout(r.world.life, limit)
		}
		defer cancel()
		err := kernel.Guarded(r.world.Log, func() error {
			reply.Send(combine(answers{refs, askAll(ctx, refs, question)}))
			return nil
		})
		if err != nil {
			reply.Fail(err)
		}
	})
}

// askAll posts to all first and then collects: a slow child costs its own time only.
func askAll(ctx context.Context, refs map[sandbox.ID]*kernel.Ref, question func(sandbox.ID) any) map[sandbox.ID]any {
	slots := make(map[sandbox.ID]kernel.Reply, len(refs))
	for id, ref := range refs {
		slots[id] = ref.Post(ctx, question(id))
	}
	said := make(map[sandbox.ID]any, len(refs))
	for id, slot := range slots {
		if v, err := refs[id].Await(ctx, slot); err == nil {
			said[id] = v
		}
	}
	return said
}

// listed turns answers into the list of sandboxes; the silent ones are unknown.
func listed(a answers) any {
	out := make([]sandbox.Info, 0, len(a.refs))
	for id, ref := range a.refs {
		info, ok := a.said[id].(sandbox.Info)
		if !ok {
			health, since, _, lastError := ref.Vitals().Report()
			info = sandbox.Info{
				ID: id, State: sandbox.Unknown, Since: since,
				Reason: "its actor is " + string(health) + " and did not answer: " + lastError,
			}
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b sandbox.Info) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return messages.SandboxList{Sandboxes: out}
}

func drained(answers) any { return messages.Done{} }
