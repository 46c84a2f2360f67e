package actors_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// fakeImages has one base image, and takes a minute to read it.
type fakeImages struct {
	mu    sync.Mutex
	names map[string]sandbox.Image
	links int
	leads map[string]string // references that lead to snapshots
	panic bool
	err   error // of a link
}

var _ actors.Images = (*fakeImages)(nil)

// add makes a name known.
func (f *fakeImages) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[name] = sandbox.Image{Name: name, Hash: "def", Bytes: 1 << 30}
}

func newFakeImages() *fakeImages {
	return &fakeImages{names: map[string]sandbox.Image{"android-LATEST": {Name: "android-LATEST", Hash: "abc", Bytes: 1 << 30}}}
}

// Leads knows the names of snapshots as such.
func (f *fakeImages) Leads(ctx context.Context, name string) (string, error) {
	switch there, _ := f.Exists(ctx, name); {
	case !there:
		return "", fault.NotFoundf("image %s does not exist", name)
	case f.leads[name] != "":
		return f.leads[name], nil
	case strings.Contains(name, "/") && !strings.Contains(name, ":"):
		return name, nil
	default:
		return "", nil
	}
}

func (f *fakeImages) Exists(_ context.Context, name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, there := f.names[name]
	return there, nil
}

func (f *fakeImages) Inspect(ctx context.Context, name string) (sandbox.Image, error) {
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return sandbox.Image{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, there := f.names[name]; there {
		return i, nil
	}
	return sandbox.Image{}, fault.NotFoundf("image %s does not exist", name)
}

func (f *fakeImages) InspectSource(ctx context.Context, ref string) (sandbox.Image, error) {
	return f.Inspect(ctx, strings.TrimPrefix(ref, "docker.io/"))
}

func (f *fakeImages) Link(ctx context.Context, source, ref string) (sandbox.Image, error) {
	i, err := f.InspectSource(ctx, source)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links++
	if f.panic {
		panic("in link")
	}
	if f.err != nil {
		return i, f.err
	}
	if err == nil {
		i.Name = ref
		f.names[ref] = i
	}
	return i, err
}

func (f *fakeImages) Unlink(_ context.Context, name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.names, name)
	return true, nil
}

func (f *fakeImages) Count(context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.names), nil
}

// Ensure two who pull the same wait for one transfer, and one who pulls something else to the same
// name is refused.
func TestOnePullForEachName(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		first := r.later(messages.PullSnapshot{Source: "android-LATEST", Ref: "r/a:1"})
		second := r.later(messages.PullSnapshot{Source: "android-LATEST", Ref: "r/a:1"})
		if _, err := r.ask(messages.PullSnapshot{Source: "other", Ref: "r/a:1"}); !fault.Is(err, fault.Conflict) {
			r.Errorf("another source for the same name: %v", err)
		}
		if _, err := r.ask(messages.RemoveSnapshot{Name: "r/a:1"}); !fault.Is(err, fault.Conflict) {
			r.Errorf("remove during a pull: %v", err)
		}
		for _, wait := range []func() (any, error){first, second} {
			if got, err := wait(); err != nil || got.(sandbox.Image).Name != "r/a:1" {
				r.Errorf("pull: %v, %v", got, err)
			}
		}
		if n := r.host.images.links; n != 1 {
			r.Errorf("%d transfers", n)
		}
		if got := r.mustAsk(messages.CountSnapshots{}).(messages.SnapshotCount); got.Count != 2 {
			r.Errorf("%d snapshots", got.Count)
		}
		r.mustAsk(messages.RemoveSnapshot{Name: "r/a:1"})
		if got := r.mustAsk(messages.HasSnapshot{Name: "r/a:1"}).(messages.SnapshotPresence); got.Exists {
			r.Error("it is still there after its removal")
		}
	})
}

// Ensure who does not wait for a pull learns of its failure afterwards, for ten minutes.
func TestAFailedPullIsToldForAWhile(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(messages.BeginPullSnapshot{Source: "nothing:1", Ref: "r/b:1"})
		time.Sleep(2 * time.Minute)
		got := r.mustAsk(messages.GetSnapshot{Name: "r/b:1"}).(messages.SnapshotInfo)
		if !strings.Contains(got.Failure, "nothing:1 does not exist") {
			r.Errorf("after the failure: %+v", got)
		}
		time.Sleep(10 * time.Minute)
		if _, err := r.ask(messages.GetSnapshot{Name: "r/b:1"}); !fault.Is(err, fault.NotFound) {
			r.Errorf("ten minutes later: %v", err)
		}
	})
}

// Ensure what is refused, and told to who asked for it, changes nothing of what is known of a name.
func TestARefusedPullLeavesTheNameAsItIs(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(messages.PullSnapshot{Source: "android-LATEST", Ref: "r/a:1"})
		_, err := r.ask(messages.PullSnapshot{Source: "nothing:1", Ref: "r/a:1"})
		wantKind(r.T, err, fault.NotFound)
		if got := r.mustAsk(messages.GetSnapshot{Name: "r/a:1"}).(messages.SnapshotInfo); got.Failure != "" || got.Image.Name != "r/a:1" {
			r.Errorf("afterwards: %+v", got)
		}
		if p := r.progress("r/a:1"); p.Failure != "" || p.Source != "android-LATEST" {
			r.Errorf("the last work on it: %+v", p)
		}
		r.mustAsk(messages.RemoveSnapshot{Name: "r/a:1"})
		if p := r.progress("r/a:1"); p.Failure != "" {
			r.Errorf("the last work on it, once it is removed: %+v", p)
		}
	})
}

// Ensure a panic in a transfer is its failure alone.
func TestAPanicInATransferIsItsFailure(t *testing.T) {
	inBubble(t, func(h *fakeHost) { h.images.panic = true }, func(r *rig) {
		if _, err := r.ask(messages.PullSnapshot{Source: "android-LATEST", Ref: "r/a:1"}); !fault.Is(err, fault.Internal) {
			r.Errorf("got %v", err)
		}
		r.mustAsk(messages.HasSnapshot{Name: "android-LATEST"})
	})
}
