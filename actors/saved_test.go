package actors_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// fakeSaved has a bucket, if it is shared, to and from which a snapshot takes ten minutes.
type fakeSaved struct {
	mu      sync.Mutex
	shared  bool
	bucket  []string
	pending []string
	removed []string
	settled []string
	taken   []string
	claimed []string // that others send
	damaged []string // of which something has to be fetched
	unused  []string
	pulls   int
	running int // transfers now
	most    int // transfers at a time
	err     error
	images  *fakeImages // where what is pulled appears

	removeTime time.Duration // of the bubble
}

var _ actors.Saved = (*fakeSaved)(nil)

func (f *fakeSaved) Shared() bool { return f.shared }

func (f *fakeSaved) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeSaved) NameOf(ref string) (string, error) {
	if strings.Contains(ref, ":") {
		return "backups/" + strings.ReplaceAll(ref[strings.LastIndex(ref, "/")+1:], ":", "_"), nil
	}
	if !strings.Contains(ref, "/") {
		return "", fault.Invalidf("%s is no snapshot", ref)
	}
	return ref, nil
}

func (f *fakeSaved) Remote(_ context.Context, name string) (sandbox.Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.bucket, name) {
		return sandbox.Image{Name: name, Hash: "def", Bytes: 1 << 30}, nil
	}
	return sandbox.Image{}, fault.NotFoundf("snapshot %s is not in the bucket", name)
}

// transfer takes its time and reports twice.
func (f *fakeSaved) transfer(ctx context.Context, step string, report func(sandbox.Progress)) error {
	f.mu.Lock()
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running--
	}()
	for half := range int64(2) {
		report(sandbox.Progress{Step: step, Done: half << 29, Total: 1 << 30, Moved: half << 28})
		select {
		case <-time.After(5 * time.Minute):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeSaved) Pull(ctx context.Context, name string, report func(sandbox.Progress)) error {
	if whole, _ := f.Use(ctx, name); whole {
		return nil
	}
	if _, err := f.Remote(ctx, name); err != nil {
		return err
	}
	if err := f.transfer(ctx, "download", report); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pulls++
	f.damaged = slices.DeleteFunc(f.damaged, func(n string) bool { return n == name })
	f.images.add(name)
	return nil
}

func (f *fakeSaved) Push(ctx context.Context, name string, report func(sandbox.Progress)) error {
	if err := f.transfer(ctx, "upload", report); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pending = append(f.pending, name)
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = slices.DeleteFunc(f.pending, func(n string) bool { return n == name })
	f.bucket = append(f.bucket, name)
	return nil
}

func (f *fakeSaved) Pending(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.pending), nil
}

func (f *fakeSaved) Free(_ context.Context, name, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.taken, name) {
		return fault.Conflictf("there is one already: remove it first")
	}
	return nil
}

func (f *fakeSaved) Use(ctx context.Context, name string) (bool, error) {
	if there, _ := f.images.Exists(ctx, name); !there {
		return false, fault.NotFoundf("snapshot %s is not here", name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.Contains(f.damaged, name), nil
}

func (f *fakeSaved) RemoveUnused(ctx context.Context, name string, _ time.Duration) (bool, error) {
	return f.Remove(ctx, name)
}

func (f *fakeSaved) Remove(_ context.Context, name string) (bool, error) {
	time.Sleep(f.removeTime)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, name)
	f.pending = slices.DeleteFunc(f.pending, func(n string) bool { return n == name })
	return true, nil
}

func (f *fakeSaved) RemoveRemote(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.claimed, name) {
		return fault.Conflictf("another runner sends a snapshot of that name")
	}
	f.bucket = slices.DeleteFunc(f.bucket, func(n string) bool { return n == name })
	return nil
}

func (f *fakeSaved) SettleBackup(_ context.Context, name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(name, "backups/") {
		f.settled = append(f.settled, name)
	}
	return nil, nil
}

func (f *fakeSaved) Tidy(context.Context) (int, error) { return 0, nil }

func (f *fakeSaved) Unused(_ context.Context, since time.Duration) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since != 24*time.Hour {
		return nil, nil
	}
	return slices.DeleteFunc(slices.Clone(f.unused), func(n string) bool { return slices.Contains(f.removed, n) }), nil
}
