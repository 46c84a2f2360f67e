package guest_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newDisk() *guestfstest.Disk { return guestfstest.NewDisk(64 << 20) }

// boot starts a guest on a fresh disk, or on the given one, and shuts it down with the test.
func boot(t testing.TB, o guest.Options, disks ...*guestfstest.Disk) *guest.Guest {
	t.Helper()
	if len(disks) == 0 {
		disks = append(disks, newDisk())
	}
	fsys, err := guestfs.Open(disks[0], guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guest.Boot(vfs.OnDisk(fsys), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Shutdown()
		fsys.Close()
	})
	return g
}

// result is what a session printed and how it ended.
type result struct {
	out, err string
	status   int
}

// limit is how long a test waits for something that should take milliseconds.
const limit = 20 * time.Second

func run(t testing.TB, g *guest.Guest, spec guest.Spec) result {
	t.Helper()
	var out, errs lockedBuffer
	spec.Stdout, spec.Stderr = &out, &errs
	s, err := g.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(limit):
		t.Fatalf("session did not end; script %.200q, out %.200q, err %.200q", spec.Script, out.String(), errs.String())
	}
	return result{out.String(), errs.String(), s.Wait()}
}

func sh(t testing.TB, g *guest.Guest, script string) result {
	t.Helper()
	return run(t, g, guest.Spec{Script: script})
}

func shStdin(t testing.TB, g *guest.Guest, script string) result {
	t.Helper()
	return run(t, g, guest.Spec{Stdin: strings.NewReader(script)})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eventually waits for a condition and fails with what was seen last.
func eventually(t testing.TB, what string, ok func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		seen, good := ok()
		if good {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: last seen %s", what, seen)
		}
		time.Sleep(time.Millisecond)
	}
}
