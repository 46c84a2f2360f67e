package guestfiles

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// silent is a device that opens a file, sends a little of it, and then nothing.
type silent struct {
	Device
	first int
}

func (s silent) Stat(context.Context, string) (adb.FileStat, error) {
	return adb.FileStat{Mode: 0o444, Size: 1 << 30}, nil
}

func (s silent) Recv(ctx context.Context, _ string) (io.ReadCloser, error) {
	return &silence{ctx, s.first}, nil
}

type silence struct {
	ctx  context.Context
	left int
}

func (s *silence) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.ctx.Done()
		return 0, fault.Op("read", s.ctx.Err())
	}
	n := min(s.left, len(p))
	s.left -= n
	return n, nil
}

func (s *silence) Close() error { return nil }

// Ensure a device that falls silent is not waited for without end, and that a slow client is no silent device.
func TestSilentDevice(t *testing.T) {
	t.Parallel()
	for _, first := range []int{0, 1000, 3 * block} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			r, err := New(silent{first: first}, nil, "").Open(t.Context(), "/proc/kmsg")
			if first < block {
				if !fault.Is(err, fault.Timeout) || time.Since(begun) != stall {
					t.Errorf("%d bytes: %v after %s", first, err, time.Since(begun))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			slow := writerFunc(func(p []byte) (int, error) {
				time.Sleep(10 * stall)
				return len(p), nil
			})
			err = r.CopyTo(slow, 0, r.Size)
			if took := time.Since(begun); !fault.Is(err, fault.Timeout) || took != 31*stall {
				t.Errorf("%v after %s", err, took)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Ensure reading ends when it is told to.
func TestCancelEndsReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := New(silent{first: 2 * block}, nil, "").Open(t.Context(), "/file")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.AfterFunc(time.Second, r.Cancel)
		if err := r.CopyTo(io.Discard, 0, r.Size); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// answering is a shell that always says the same.
type answering guestshell.Result

func (a answering) Run(context.Context, string, guestshell.Script) (guestshell.Result, error) {
	return guestshell.Result(a), nil
}

// Ensure what toybox complains of has the kind that Daytona's daemon would answer with. The texts were printed by 0.8.9.
func TestComplaints(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]fault.Kind{
		"mv: bad 'f': No such file or directory\n":                    fault.NotFound,
		"mkdir: '/a/b': Not a directory\n":                            fault.Invalid,
		"mkdir: '/a': File exists\n":                                  fault.Invalid,
		"rm: /proc/version: Operation not permitted\n":                fault.Forbidden,
		"rm: x\ny: Permission denied\nrm: z: Operation not permitted": fault.Forbidden,
		"mkdir: '/system/x': Read-only file system\n":                 fault.Forbidden,
		"mv: /x: No space left on device":                             fault.Exhausted,
		"mv: 'dd' is a directory\n":                                   fault.Invalid,
		"mv: bad 'd': Invalid argument\n":                             fault.Invalid,
		"chown: bad user 'nobodyx'\n":                                 fault.Invalid,
		"No such file or directory: x\n":                              fault.Invalid,
		"":                                                            fault.Invalid,
	} {
		f := New(nil, answering{ExitCode: exitFailed, Output: []byte(said)}, "")
		if err := f.MakeDir(t.Context(), "/x", fs.FileMode(0o755)); fault.KindOf(err) != want {
			t.Errorf("%q: %v (%v), want %v", said, err, fault.KindOf(err), want)
		}
	}
}

func TestTheSystemsOwnDirectoriesStay(t *testing.T) {
	t.Parallel()
	f := New(nil, nil, "")
	for _, name := range []string{"/", "/system", "/sdcard", "/data", "/storage/emulated/0", "/data/local/tmp", "/data/data"} {
		if err := f.Remove(t.Context(), name, true); !fault.Is(err, fault.Invalid) {
			t.Errorf("remove %s: %v", name, err)
		}
		if err := f.Move(t.Context(), name, "/sdcard/x"); !fault.Is(err, fault.Invalid) {
			t.Errorf("move %s: %v", name, err)
		}
	}
}
