package doctor_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/doctor"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const gib = 1 << 30

// fakeHost is a fit host with knobs. It is its own cvd and ADB, too.
type fakeHost struct {
	host.Files // nil: a method that no check needs panics

	mu      sync.Mutex
	disks   map[string][2]int64 // by path: total and free
	kvm     fs.FileMode         // 0: no device
	version func(context.Context) error
	adb     func(context.Context) error

	asked atomic.Int64 // for cvd's version
}

var (
	_ host.Files       = (*fakeHost)(nil)
	_ doctor.Versioner = (*fakeHost)(nil)
	_ doctor.Versioner = (*cvd.Client)(nil)
)

func newHost() *fakeHost {
	return &fakeHost{
		disks: map[string][2]int64{
			"/instances": {100 * gib, 50 * gib}, "/artifacts": {100 * gib, 50 * gib}, "/var/tmp": {100 * gib, 50 * gib},
			"/": {100 * gib, 50 * gib},
		},
		kvm: fs.ModeDevice | fs.ModeCharDevice | 0o660,
	}
}

func (h *fakeHost) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *fakeHost) DiskFree(_ context.Context, path string) (total, available int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, ok := h.disks[path]
	if !ok {
		return 0, 0, fault.Wrap(fault.NotFound, "statfs "+path, fs.ErrNotExist)
	}
	return d[0], d[1], nil
}

func (h *fakeHost) Stat(_ context.Context, path string) (host.FileInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if path != "/dev/kvm" || h.kvm == 0 {
		return host.FileInfo{}, fault.NotFoundf("stat %s: no such file", path)
	}
	return host.FileInfo{Name: "kvm", Mode: h.kvm}, nil
}

func (h *fakeHost) Version(ctx context.Context) (cvd.Version, error) {
	h.asked.Add(1)
	h.mu.Lock()
	version := h.version
	h.mu.Unlock()
	if version == nil {
		return cvd.Version{Package: "1.40.0"}, nil
	}
	return cvd.Version{}, version(ctx)
}

func (h *fakeHost) options() doctor.Options {
	return doctor.Options{Host: h, CVD: h, InstancesPath: "/instances", ArtifactsPath: "/artifacts", ADB: h.adb}
}

func silent(ctx context.Context) error {
	<-ctx.Done()
	return fault.Op("ask for cvd's version", ctx.Err())
}

// examine returns the findings by name and sees that they are in order.
func examine(t testing.TB, d *doctor.Doctor) map[string]doctor.Finding {
	t.Helper()
	byName, last := map[string]doctor.Finding{}, ""
	for _, f := range d.Examine(t.Context()) {
		if f.Name <= last {
			t.Errorf("%s comes after %s", f.Name, last)
		}
		if f.Healthy != (f.Reason == "") || f.At.IsZero() || f.Took < 0 {
			t.Errorf("got %+v", f)
		}
		last, byName[f.Name] = f.Name, f
	}
	return byName
}

func TestAFitHostIsHealthy(t *testing.T) {
	t.Parallel()
	h := newHost()
	h.adb = func(context.Context) error { return nil }
	got := examine(t, doctor.New(h.options()))
	if len(got) != 3 || !got[doctor.ADB].Healthy || !got[doctor.CVD].Healthy || !got[doctor.Disk].Healthy {
		t.Errorf("got %+v", got)
	}
}

func TestADBIsAbsentWhereNobodyJudgesIt(t *testing.T) {
	t.Parallel()
	if got := examine(t, doctor.New(newHost().options())); len(got) != 2 {
		t.Errorf("got %+v, want cvd and disk", got)
	}
}

func TestAnUnfitHostSaysWhatToDo(t *testing.T) {
	t.Parallel()
	missing := fault.Wrap(fault.Unavailable, "start /usr/bin/cvd version", fs.ErrNotExist)
	for _, tc := range []struct {
		name, check string
		change      func(h *fakeHost)
		says        []string // none: healthy
	}{
		{"cvd is not installed", doctor.CVD, func(h *fakeHost) { h.version = func(context.Context) error { return missing } },
			[]string{"/usr/bin/cvd", "cuttlefish-base", "CVD_PATH"}},
		{"cvd fails", doctor.CVD, func(h *fakeHost) {
			h.version = func(context.Context) error { return fault.Unavailablef("exit status 255: out of order") }
		}, []string{"out of order", "run 'cvd version'"}},
		{"ADB is judged from outside", doctor.ADB, func(h *fakeHost) {
			h.adb = func(context.Context) error { return errors.New("no device answers") }
		}, []string{"no device answers"}},
		{"2 GiB are enough for a small disk", doctor.Disk, func(h *fakeHost) { h.disks["/instances"] = [2]int64{100 * gib, 2 * gib} }, nil},
		{"less is not", doctor.Disk, func(h *fakeHost) { h.disks["/instances"] = [2]int64{100 * gib, 2*gib - gib/2} },
			[]string{"/instances has 1.5 GiB of 100.0 GiB free, want 2.0 GiB"}},
		{"a large disk needs 2 %", doctor.Disk, func(h *fakeHost) { h.disks["/artifacts"] = [2]int64{1000 * gib, 19 * gib} },
			[]string{"/artifacts has 19.0 GiB of 1000.0 GiB free, want 20.0 GiB"}},
		{"2 % are enough for a large disk", doctor.Disk, func(h *fakeHost) { h.disks["/artifacts"] = [2]int64{1000 * gib, 20 * gib} }, nil},
		{"the runtime directory that lacks counts by its parent", doctor.Disk, func(h *fakeHost) { h.disks["/var/tmp"] = [2]int64{100 * gib, gib} },
			[]string{"/var/tmp/cvd has 1.0 GiB"}},
		{"a runtime directory of its own counts", doctor.Disk, func(h *fakeHost) {
			h.disks["/var/tmp"], h.disks["/var/tmp/cvd"] = [2]int64{100 * gib, gib}, [2]int64{100 * gib, 9 * gib}
		}, nil},
		{"nothing of the runtime path exists", doctor.Disk, func(h *fakeHost) { delete(h.disks, "/var/tmp") }, nil},
		{"everything that is wrong is told", doctor.Disk, func(h *fakeHost) { delete(h.disks, "/instances"); delete(h.disks, "/artifacts") },
			[]string{"instances directory /instances does not exist: create it", "artifacts directory /artifacts does not exist"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			tc.change(h)
			f := examine(t, doctor.New(h.options()))[tc.check]
			if f.Healthy != (len(tc.says) == 0) {
				t.Errorf("got %+v, want healthy %v", f, len(tc.says) == 0)
			}
			for _, says := range tc.says {
				if !strings.Contains(f.Reason, says) {
					t.Errorf("got %q, want %q in it", f.Reason, says)
				}
			}
		})
	}
}

func TestKVMIsLookedAtOnlyOnceABootFailedForIt(t *testing.T) {
	t.Parallel()
	h := newHost()
	h.kvm = 0
	d := doctor.New(h.options())
	if f, there := examine(t, d)[doctor.KVM]; there {
		t.Errorf("got %+v before any suspicion", f)
	}
	for _, step := range []struct {
		mode fs.FileMode
		says string
	}{
		{0, "/dev/kvm does not exist and a boot failed (crosvm said so): load the module"},
		{0o600, "/dev/kvm is not a character device"},
		{fs.ModeDevice | fs.ModeCharDevice | 0o660, ""},
	} {
		h.set(func() { h.kvm = step.mode })
		d.SuspectKVM("crosvm said so") // also looks anew at once
		f, there := examine(t, d)[doctor.KVM]
		if !there || f.Healthy != (step.says == "") || !strings.Contains(f.Reason, step.says) {
			t.Errorf("got %+v, want %q", f, step.says)
		}
	}
}

func TestKVMIsHealthyAgainOnceTheDeviceIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.kvm = 0
		d := doctor.New(h.options())
		d.SuspectKVM("")
		if f := examine(t, d)[doctor.KVM]; f.Healthy {
			t.Errorf("got %+v", f)
		}
		h.set(func() { h.kvm = fs.ModeDevice | fs.ModeCharDevice })
		time.Sleep(15 * time.Second)
		if f, there := examine(t, d)[doctor.KVM]; !there || !f.Healthy {
			t.Errorf("got %+v, %v", f, there)
		}
	})
}

func TestAFindingIsGoodForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		d := doctor.New(h.options())
		first := examine(t, d)[doctor.CVD]
		for range 14 {
			time.Sleep(time.Second)
			if f := examine(t, d)[doctor.CVD]; f != first {
				t.Errorf("got %+v, want %+v", f, first)
			}
		}
		time.Sleep(time.Second)
		if f := examine(t, d)[doctor.CVD]; !f.At.Equal(first.At.Add(15 * time.Second)) {
			t.Errorf("got %+v, want a new one", f)
		}
		if n := h.asked.Load(); n != 2 {
			t.Errorf("cvd was asked %d times, want 2", n)
		}
	})
}

func TestManyWhoAskAtOnceShareOneAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.version = func(context.Context) error { time.Sleep(3 * time.Second); return nil }
		d := doctor.New(h.options())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if f := examine(t, d)[doctor.CVD]; !f.Healthy || f.Took != 3*time.Second {
					t.Errorf("got %+v", f)
				}
			})
		}
		wg.Wait()
		if n := h.asked.Load(); n != 1 {
			t.Errorf("cvd was asked %d times", n)
		}
	})
}

func TestACheckThatIsSlowDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.version, h.adb = silent, silent
		began := time.Now()
		got := examine(t, doctor.New(h.options()))
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v, want the deadline", took)
		}
		if f := got[doctor.CVD]; f.Healthy || !strings.Contains(f.Reason, "no answer within 10s: run 'cvd version'") {
			t.Errorf("got %+v", f)
		}
		if f := got[doctor.Disk]; !f.Healthy || f.Took != 0 {
			t.Errorf("got %+v", f)
		}
	})
}

func TestACheckThatHangsIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		answer := make(chan struct{})
		h.version = func(context.Context) error { <-answer; return nil } // heeds no context
		o := h.options()
		o.Deadline, o.Keep = time.Second, 5*time.Second
		d := doctor.New(o)
		for i := range 10 {
			began := time.Now()
			if f := examine(t, d)[doctor.CVD]; f.Healthy || !strings.Contains(f.Reason, "no answer within 1s") {
				t.Errorf("got %+v", f)
			}
			if took := time.Since(began); i > 0 && took != 0 {
				t.Errorf("it took %v although the deadline is past", took)
			}
			time.Sleep(6 * time.Second)
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("cvd was asked %d times", n)
		}
		close(answer)
		synctest.Wait()
		if f := examine(t, d)[doctor.CVD]; !f.Healthy {
			t.Errorf("got %+v after the answer came", f)
		}
	})
}

func TestWhoeverCannotWaitIsToldWhatWasFoundLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.version = silent
		d := doctor.New(h.options())
		hurried := func() doctor.Finding {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return d.Examine(ctx)[0]
		}
		if f := hurried(); f.Healthy || !strings.Contains(f.Reason, "not known yet") {
			t.Errorf("got %+v", f)
		}
		time.Sleep(30 * time.Second)
		h.set(func() { h.version = nil })
		first := examine(t, d)[doctor.CVD]
		h.set(func() { h.version = silent })
		time.Sleep(15 * time.Second)
		if f := hurried(); f != first || !f.Healthy {
			t.Errorf("got %+v, want %+v", f, first)
		}
		time.Sleep(10 * time.Second) // the question ends by itself
	})
}

func TestAChangeOfHealthIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		core, logs := observer.New(zapcore.InfoLevel)
		o := h.options()
		o.Log = zap.New(core)
		d := doctor.New(o)
		for _, free := range []int64{50, 1, 1, 50, 50} {
			h.set(func() { h.disks["/instances"] = [2]int64{100 * gib, free * gib} })
			examine(t, d)
			time.Sleep(15 * time.Second)
		}
		var said []string
		for _, e := range logs.All() {
			said = append(said, e.Message+" "+e.ContextMap()["check"].(string))
		}
		if got := strings.Join(said, ", "); got != "host became unfit disk, host became fit again disk" {
			t.Errorf("got %q", got)
		}
	})
}
