package actors

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// saveLimit bounds one write of the mappings.
const saveLimit = 10 * time.Second

// claim is what one sandbox holds.
type claim struct {
	number    sandbox.Instance
	resources sandbox.Resources
	running   bool // memory and CPUs are promised, not only disk
	measured  int  // MiB that it was seen to use; 0: not measured
}

// saved tells the allocator that a write of its mappings ended.
type saved struct {
	token kernel.Token
	err   error
}

// Allocator hands out instance numbers, and with them ADB ports, vsock CIDs and taps, and
// what the host may promise. It alone writes the mappings, and answers only after they are
// on disk: a number that was handed out is never forgotten. Writes are done by a worker;
// what is asked meanwhile goes into the next write together.
type Allocator struct {
	kernel.Base
	world  *world
	self   *kernel.Ref
	claims map[sandbox.ID]claim

	// One write is in flight while writing is not nil; changes holds what comes after it.
	writing []change
	token   kernel.Token // of that write
	changes []change
}

// change is one answered-when-saved modification, and how to take it back.
type change struct {
	reply  kernel.Reply
	answer any
	undo   func()
}

func newAllocator(w *world, self *kernel.Ref, held map[sandbox.ID]claim) *Allocator {
	// The claims are taken over by reference: a restarted allocator finds what its predecessor
	// promised. Only turns of the allocator touch them.
	return &Allocator{world: w, self: self, claims: held}
}

// Receive answers; it never waits.
func (a *Allocator) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case messages.ReserveInstance:
		a.onReserve(msg)
	case messages.ClaimInstance:
		a.onClaim(msg)
	case messages.ParkInstance:
		if c, held := a.claims[msg.ID]; held {
			c.running, c.measured = false, 0
			a.claims[msg.ID] = c
		}
		a.Answer(messages.Done{})
	case messages.InstanceMeasured:
		if c, held := a.claims[msg.ID]; held {
			c.measured = msg.MemoryMB
			a.claims[msg.ID] = c
		}
	case messages.ReleaseInstance:
		a.onRelease(msg)
	case saved:
		a.onSaved(msg)
	case messages.Describe:
		a.Answer(a.describe())
	case *actor.Started:
		// What was rebuilt from other sources is on disk again before anything is built on it.
		a.save(change{undo: func() {}})
	case *actor.Stopped:
	case *actor.Stopping, *actor.Restarting:
		for _, c := range append(a.writing, a.changes...) {
			c.reply.Fail(errClosing)
		}
		a.writing, a.changes = nil, nil
	default:
		a.Refuse(fault.Internalf("allocator does not know %T", msg))
	}
}

func (a *Allocator) onReserve(msg messages.ReserveInstance) {
	before, held := a.claims[msg.ID]
	if err := a.admit(msg.ID, before, msg.Resources); err != nil {
		a.world.metrics.admissionRefused.Inc()
		a.Refuse(err)
		return
	}
	next := claim{number: before.number, resources: msg.Resources, running: true}
	if !held || slices.Contains(msg.Avoid, before.number) {
		n, err := a.freeNumber(msg.Avoid)
		if err != nil {
			a.Refuse(err)
			return
		}
		next.number = n
	}
	a.claims[msg.ID] = next
	if held && next.number == before.number { // nothing to write: the mapping stays
		a.Answer(messages.InstanceReserved{Instance: next.number})
		return
	}
	a.save(change{
		reply: a.Take(), answer: messages.InstanceReserved{Instance: next.number},
		undo: func() { a.restore(msg.ID, before, held) },
	})
}

func (a *Allocator) onClaim(msg messages.ClaimInstance) {
	for id, c := range a.claims {
		if c.number == msg.Instance && id != msg.ID {
			a.Refuse(fault.Conflictf("%s is held by sandbox %s", msg.Instance, id))
			return
		}
	}
	before, held := a.claims[msg.ID]
	next := before
	next.number = msg.Instance
	a.claims[msg.ID] = next
	a.save(change{reply: a.Take(), answer: messages.Done{}, undo: func() { a.restore(msg.ID, before, held) }})
}

func (a *Allocator) restore(id sandbox.ID, before claim, held bool) {
	if held {
		a.claims[id] = before
		return
	}
	delete(a.claims, id)
}

// admit asks whether the host can promise what is wanted beside what the others hold.
func (a *Allocator) admit(id sandbox.ID, before claim, want sandbox.Resources) error {
	if before.running && before.resources == want {
		return nil
	}
	others := make([]sandbox.Holding, 0, len(a.claims))
	for other, c := range a.claims {
		if other == id {
			continue
		}
		h := sandbox.Holding{Resources: c.resources, MeasuredMB: c.measured}
		if !c.running {
			h = sandbox.Holding{Resources: sandbox.Resources{DiskGB: c.resources.DiskGB}}
		}
		others = append(others, h)
	}
	return a.world.Admission.Admit(others, want)
}

// freeNumber returns the lowest number that nobody holds.
func (a *Allocator) freeNumber(avoid []sandbox.Instance) (sandbox.Instance, error) {
	taken := map[sandbox.Instance]bool{}
	for _, c := range a.claims {
		taken[c.number] = true
	}
	for _, n := range avoid {
		taken[n] = true
	}
	limit := a.world.Admission.MaxInstance()
	for n := sandbox.Instance(1); n <= limit; n++ {
		if !taken[n] {
			return n, nil
		}
	}
	return 0, fault.Exhaustedf("all %d instance numbers of this host are in use", limit)
}

func (a *Allocator) onRelease(msg messages.ReleaseInstance) {
	before, held := a.claims[msg.ID]
	if !held {
		a.Answer(messages.Done{})
		return
	}
	delete(a.claims, msg.ID)
	a.save(change{
		reply: a.Take(), answer: messages.Done{},
		undo: func() { a.claims[msg.ID] = before },
	})
}

// save puts c into the next write.
func (a *Allocator) save(c change) {
	a.changes = append(a.changes, c)
	a.write()
}

func (a *Allocator) write() {
	if a.writing != nil || len(a.changes) == 0 {
		return
	}
	a.writing, a.changes = a.changes, nil
	token := a.world.tokens.Next()
	a.token = token
	numbers := make(map[sandbox.ID]sandbox.Instance, len(a.claims))
	for id, c := range a.claims {
		numbers[id] = c.number
	}
	a.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(a.world.life, saveLimit)
		defer cancel()
		a.self.Tell(saved{token, kernel.Guarded(a.world.Log, func() error {
			return a.world.Mappings.SaveMappings(ctx, numbers)
		})})
	})
}

func (a *Allocator) onSaved(msg saved) {
	if msg.token != a.token {
		return // of an earlier incarnation
	}
	batch := a.writing
	a.writing = nil
	if msg.err != nil {
		a.world.Log.Error("mappings not saved", zap.Error(msg.err))
		// What came during the failed write was built on it: the newest is taken back first.
		batch = append(batch, a.changes...)
		a.changes = nil
		for _, c := range slices.Backward(batch) {
			c.undo()
			c.reply.Fail(fault.Op("record the instance number", msg.err))
		}
		return
	}
	for _, c := range batch {
		c.reply.Send(c.answer)
	}
	a.write()
}

func (a *Allocator) describe() messages.Node {
	node := nodeOf(a.self.Vitals())
	node.Facts = map[string]string{"numbers_held": strconv.Itoa(len(a.claims))}
	if a.writing != nil {
		node.Operation = "save mappings"
	}
	for _, id := range slices.Sorted(maps.Keys(a.claims)) {
		node.Facts["number."+string(id)] = strconv.Itoa(int(a.claims[id].number))
	}
	return node
}
