package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Lock is the right to write the ledgers below one directory. The kernel takes it back when
// the process ends, however it ends.
type Lock struct{ file *flock.Flock }

// lockRetry is how often a lock that is held is tried again.
const lockRetry = 20 * time.Millisecond

// Acquire takes the lock of dir, which is made when it is missing. It waits for one that is held until
// ctx ends: a runner that was killed can leave a child between fork and exec, which has it a moment
// longer. Then it is a Conflict, with the holder's pid. The lock file stays for ever: removing it would let two
// runners hold locks on two files of one name.
func Acquire(ctx context.Context, dir string) (*Lock, error) {
	path := filepath.Join(dir, lockName)
	op := "lock " + path
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, fault.Wrap(fault.Internal, op, err)
	}
	file := flock.New(path, flock.SetPermissions(0o644))
	got, err := file.TryLockContext(ctx, lockRetry)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fault.Wrap(fault.Internal, op, err)
	}
	if !got {
		return nil, fault.Conflictf("%s is held by another runner%s: stop it first, or use another instances directory",
			path, holder(path))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return nil, fault.Wrap(fault.Internal, op, errors.Join(err, file.Unlock()))
	}
	return &Lock{file: file}, nil
}

// Release gives the lock back. Releasing twice is harmless.
func (l *Lock) Release() error {
	return fault.Wrap(fault.Internal, "release "+l.file.Path(), l.file.Unlock())
}

// holder reads the pid that the holder wrote; it has none for a moment after it took the lock.
func holder(path string) string {
	data, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(data))
	if _, bad := strconv.Atoi(pid); err != nil || bad != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %s)", pid)
}
