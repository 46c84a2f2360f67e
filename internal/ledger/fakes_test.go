package ledger_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

func localFiles(t testing.TB) host.Files {
	t.Helper()
	l, err := host.NewLocal(host.LocalOptions{
		User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// faulty are files whose changes go wrong from the n-th on (from 0). A change that goes wrong
// has no effect, or, with late, has its effect before it is reported wrong: that is how a kill
// looks to the next runner.
type faulty struct {
	host.Files
	n    int
	late bool
	err  error
}

var errDead = errors.New("the runner is dead")

func diskFull() error {
	return fault.Wrap(fault.Exhausted, "", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
}

func readOnly() error {
	return fault.Wrap(fault.Unavailable, "", &os.PathError{Op: "write", Path: "x", Err: syscall.EROFS})
}

func (f *faulty) change(act func() error) error {
	if f.n--; f.n >= 0 {
		return act()
	}
	if f.late && f.n == -1 {
		_ = act()
	}
	return f.err
}

func (f *faulty) WriteFile(ctx context.Context, path string, data []byte, perm fs.FileMode) error {
	if f.n == 0 && errors.Is(f.err, errDead) && !f.late { // killed in the midst of it
		temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"4711")
		_ = os.WriteFile(temp, data[:len(data)/2], 0o600)
	}
	return f.change(func() error { return f.Files.WriteFile(ctx, path, data, perm) })
}

func (f *faulty) MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	return f.change(func() error { return f.Files.MkdirAll(ctx, path, perm) })
}

func (f *faulty) Rename(ctx context.Context, from, to string) error {
	return f.change(func() error { return f.Files.Rename(ctx, from, to) })
}

func (f *faulty) RemoveAll(ctx context.Context, path string) error {
	return f.change(func() error { return f.Files.RemoveAll(ctx, path) })
}

// deaf are files of a host that does not answer.
type deaf struct{ host.Files }

func (deaf) ReadFile(context.Context, string, int64) ([]byte, error) {
	return nil, fault.Unavailablef("the host does not answer")
}
