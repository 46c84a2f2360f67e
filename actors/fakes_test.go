package actors_test

import (
	"context"
	"io"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// fakeHost is a host in memory. It outlives the systems that run on it, as a real host does.
type fakeHost struct {
	mu      sync.Mutex
	devices map[sandbox.ID]*fakeDevice
	saved   []map[sandbox.ID]sandbox.Instance
	saveErr error
	full    error
	heldMB  int // memory that others held when somebody asked last
	highest sandbox.Instance
	queue   *fakeQueue  // nil: the runner takes no jobs
	states  *fakeStates // nil: nobody is told of crashes
	log     *zap.Logger // nil: silent
	images  *fakeImages
	bucket  *fakeSaved
	collect actors.Collection
	journal fakeJournal
	limits  actors.Limits
	groups  map[sandbox.ID]sandbox.Instance // in cvd's list, which is asked for every five minutes
	vague   bool                            // which says too little
	panics  string                          // name of the method that panics
}

var (
	_ actors.Devices   = (*fakeHost)(nil)
	_ actors.Mappings  = (*fakeHost)(nil)
	_ actors.Admission = (*fakeHost)(nil)
	_ actors.Device    = (*fakeDevice)(nil)
)

func newFakeHost() *fakeHost {
	images := newFakeImages()
	return &fakeHost{devices: map[sandbox.ID]*fakeDevice{}, highest: 4, images: images, bucket: &fakeSaved{images: images}}
}

// set changes knobs under the lock.
func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *fakeHost) panicIn(method string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.panics == method {
		panic("in " + method)
	}
}

// booting counts the devices that boot now.
func (h *fakeHost) booting() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.devices {
		d.mu.Lock()
		if d.life == sandbox.LifeBooting {
			n++
		}
		d.mu.Unlock()
	}
	return n
}

func (h *fakeHost) Known() []sandbox.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []sandbox.ID
	for id, d := range h.devices {
		if d.Facts().Known {
			out = append(out, id)
		}
	}
	return out
}

func (h *fakeHost) Open(id sandbox.ID, changed func()) actors.Device {
	h.panicIn("open")
	d := h.device(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = changed
	return d
}

func (h *fakeHost) Groups() (map[sandbox.ID]sandbox.Instance, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.groups), time.Now().Truncate(5 * time.Minute)
}

func (h *fakeHost) TakeOver(id sandbox.ID, intent sandbox.Intent) bool {
	h.mu.Lock()
	n, vague := h.groups[id], h.vague
	h.mu.Unlock()
	if vague {
		return false
	}
	h.device(id).set(func(d *fakeDevice) {
		d.facts = sandbox.Facts{Known: true, Created: true, Intent: intent, Instance: n}
	})
	return true
}

// device returns the one of the sandbox, made at first use; tests set its knobs.
func (h *fakeHost) device(id sandbox.ID) *fakeDevice {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.devices[id] == nil {
		h.devices[id] = &fakeDevice{bootTime: 90 * time.Second, life: sandbox.LifeAbsent}
	}
	return h.devices[id]
}

func (h *fakeHost) SaveMappings(_ context.Context, numbers map[sandbox.ID]sandbox.Instance) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.saveErr == nil {
		h.saved = append(h.saved, numbers)
	}
	return h.saveErr
}

func (h *fakeHost) mappings() map[sandbox.ID]sandbox.Instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.saved) == 0 {
		return nil
	}
	return h.saved[len(h.saved)-1]
}

func (h *fakeHost) Admit(held []sandbox.Holding, _ sandbox.Resources) error {
	h.panicIn("admit")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heldMB = 0
	for _, other := range held {
		h.heldMB += other.MemoryMB
	}
	return h.full
}

func (h *fakeHost) MaxInstance() sandbox.Instance { return h.highest }

// panicsOnce is a log that panics where it is told a message, the first time.
func panicsOnce(message string) *zap.Logger {
	told := false
	return zap.NewNop().WithOptions(zap.WrapCore(func(zapcore.Core) zapcore.Core {
		return zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zapcore.DebugLevel)
	}), zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == message && !told {
			told = true
			panic("at: " + message)
		}
		return nil
	}))
}

// fakeJournal keeps transitions in memory, as a disk would: beyond the end of a system.
type fakeJournal struct {
	mu     sync.Mutex
	kept   map[sandbox.ID][]sandbox.Transition
	err    error // of every write
	writes int
}

func (j *fakeJournal) Transitions(_ context.Context, id sandbox.ID) ([]sandbox.Transition, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept[id], j.err
}

func (j *fakeJournal) SaveTransitions(_ context.Context, id sandbox.ID, all []sandbox.Transition) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.writes++; j.err != nil {
		return j.err
	}
	if j.kept == nil {
		j.kept = map[sandbox.ID][]sandbox.Transition{}
	}
	j.kept[id] = all
	return nil
}

func (j *fakeJournal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

func (j *fakeJournal) tries() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writes
}

func (j *fakeJournal) of(id sandbox.ID) []sandbox.Transition {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept[id]
}
