package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// A life of one sandbox beside another that must not notice; each step leaves a lawful state.
func life(t *testing.T, l *ledger.Ledger) []func() error {
	ctx := t.Context()
	fresh, stopped := full("new"), full("new")
	fresh.Instance, stopped.Instance = 4, 4
	stopped.Intent = sandbox.IntentStopped
	return []func() error{
		func() error { _, err := l.Load(ctx); return err },
		func() error { return l.SaveMappings(ctx, numbers{"old": 3, "new": 4}) },
		func() error { return l.SaveRecord(ctx, fresh) },
		func() error { return l.SaveRecord(ctx, stopped) },
		func() error { return l.SaveMappings(ctx, numbers{"old": 3}) },
		func() error { return l.RemoveRecord(ctx, "new") },
	}
}

// before makes a ledger that holds one sandbox.
func before(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l, _ := load(t, dir)
	must(t, l.SaveMappings(t.Context(), numbers{"old": 3}))
	must(t, l.SaveRecord(t.Context(), full("old")))
	return dir
}

// after demands what must hold wherever the life ended.
func after(t *testing.T, dir string) {
	t.Helper()
	_, snap := load(t, dir)
	noProblems(t, snap)
	if n := snap.Mappings()["old"]; n != 3 || snap.Records["old"].Group != sandbox.ID("old").Group() {
		t.Errorf("the sandbox beside it suffered: number %d, %+v", int(n), snap.Records["old"])
	}
	if r, ok := snap.Records["new"]; ok && r.Instance != 4 && r.Instance != 0 {
		t.Errorf("torn: %+v", r)
	}
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, _ error) error {
		if strings.HasPrefix(e.Name(), ".") || strings.Contains(e.Name(), ".bad-") {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

func TestAKillAtAnyStepTearsNothing(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for n := range 20 {
			t.Run(fmt.Sprintf("late %v, change %d", late, n), func(t *testing.T) {
				t.Parallel()
				dir := before(t)
				l := ledger.New(&faulty{Files: localFiles(t), n: n, late: late, err: errDead}, dir)
				for _, step := range life(t, l) {
					if step() != nil {
						break
					}
				}
				after(t, dir)
			})
		}
	}
}

func TestAFullDiskAtAnyStepSaysSoAndTearsNothing(t *testing.T) {
	t.Parallel()
	for n := range 12 {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			dir := before(t)
			l := ledger.New(&faulty{Files: localFiles(t), n: n, err: diskFull()}, dir)
			for _, step := range life(t, l) {
				err := step()
				if err == nil {
					continue
				}
				if !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), "no space left on device") {
					t.Errorf("got %v (%v)", err, fault.KindOf(err))
				}
				break
			}
			after(t, dir)
		})
	}
}

func TestASecondRunnerIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "instances")
	first, err := ledger.Acquire(t.Context(), dir)
	must(t, err)
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = ledger.Acquire(soon, dir)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("got %v, want a Conflict that names the holder", err)
	}
	release := time.AfterFunc(time.Millisecond, func() { _ = first.Release() })
	defer release.Stop()
	again, err := ledger.Acquire(t.Context(), dir)
	must(t, err)
	must(t, again.Release())
	must(t, again.Release())
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":1}`), []byte(`{"version":1,"sandbox_id":"a","instance_num":1,"paths":{"x":1}}`))
	f.Add([]byte(`{"a":1e9}`), []byte(`{"version":3,"sandbox_id":"a","metadata":{"k":"v"},"later":[{}]}`))
	f.Add([]byte(`[`), []byte(`{"instanceNum":1}`))
	f.Add([]byte(``), []byte(`null`))
	f.Fuzz(func(t *testing.T, mappings, record []byte) {
		dir := t.TempDir()
		put(t, string(mappings), dir, "mappings.json")
		put(t, string(record), dir, "a", "instance.json")
		l, snap := load(t, dir)
		want := snap.Mappings()
		must(t, l.SaveMappings(t.Context(), want)) // what was loaded can be saved, no number twice
		for _, r := range snap.Records {
			must(t, l.SaveRecord(t.Context(), r))
		}
		_, again := load(t, dir)
		wantNumbers(t, again, want)
		if len(again.Records) != len(snap.Records) {
			t.Errorf("%d sandboxes became %d", len(snap.Records), len(again.Records))
		}
	})
}

var _ host.Files = (*faulty)(nil)
