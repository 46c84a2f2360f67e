package device

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// crosvmHost is a host with real files whose crosvm says what it is told to.
type crosvmHost struct {
	host.Host
	says map[string]error // by verb
	told []string
}

func (h *crosvmHost) Run(_ context.Context, cmd host.Command) (host.Result, error) {
	verb := cmd.Args[1]
	h.told = append(h.told, verb)
	return host.Result{}, h.says[verb]
}

// Ensure a device is only taken to go on where its crosvm said so, or never let it stand still; that what may stand still
// stays on record; and that a pause that failed is undone.
func TestPauses(t *testing.T) {
	t.Parallel()
	refuses, hangs := error(&host.ExitError{Code: 1, Stderr: []byte("virtio_sleep not implemented")}), fault.Timeoutf("no answer")
	for name, tc := range map[string]struct {
		suspend, resume error
		how             snapshot.Consistency
		fails, left     bool // pausing and resuming; standing still on record at the end
	}{
		"both work":                        {nil, nil, snapshot.Paused, false, false},
		"it stands still and does not end": {nil, refuses, snapshot.Paused, true, true},
		"it can do neither":                {refuses, refuses, snapshot.Crash, false, false},
		"it refuses, and goes on":          {refuses, nil, snapshot.Crash, false, false},
		"it hangs, and goes on":            {hangs, nil, snapshot.Crash, false, false},
		"it hangs, and refuses to go on":   {hangs, refuses, snapshot.Crash, true, true},
		"it hangs both times":              {hangs, hangs, snapshot.Crash, true, true},
	} {
		local, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
		if err != nil {
			t.Fatal(err)
		}
		h := &crosvmHost{Host: local, says: map[string]error{"suspend": tc.suspend, "resume": tc.resume}}
		d := devicesOn(t, h, 1)[0]
		d.o.CVD, d.o.Ledger = cvd.New(h, cvd.Options{}), ledger.New(h, t.TempDir())
		how, err := d.pause(t.Context())
		if how != tc.how {
			t.Errorf("%s: %s, %v; want %s", name, how, err, tc.how)
		}
		if tc.suspend == nil && !d.record().Paused {
			t.Errorf("%s: that it stands still is not on record", name)
		}
		if err = errors.Join(err, d.unpause(t.Context())); (err != nil) != tc.fails {
			t.Errorf("%s: got %v", name, err)
		}
		if got := d.record().Paused; got != tc.left {
			t.Errorf("%s: standing still on record: %v", name, got)
		}
		if tc.suspend != nil && (len(h.told) < 2 || h.told[1] != "resume") {
			t.Errorf("%s: crosvm was told %q", name, h.told)
		}
	}
}
