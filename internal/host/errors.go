package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/daytonaio/runner-android/internal/fault"
)

// kinds says what the receiver of a system error should do next. An error of the medium or
// of permissions is Internal: no caller can mend it, a person has to read it.
var kinds = []struct {
	errno error
	kind  fault.Kind
}{
	{syscall.ENOSPC, fault.Exhausted},
	{syscall.EDQUOT, fault.Exhausted},
	{syscall.ENOMEM, fault.Exhausted},
	{syscall.EMFILE, fault.Exhausted},
	{syscall.ENFILE, fault.Exhausted},
	{syscall.ENAMETOOLONG, fault.Invalid},
	{syscall.ELOOP, fault.Invalid},
	{syscall.ENOTDIR, fault.NotFound},
	{syscall.ENOTEMPTY, fault.Conflict},
	{syscall.EFBIG, fault.TooLarge},
	{fs.ErrNotExist, fault.NotFound},
	{fs.ErrExist, fault.Conflict},
	{os.ErrDeadlineExceeded, fault.Timeout},
}

func kindOf(err error) fault.Kind {
	for _, k := range kinds {
		if errors.Is(err, k.errno) {
			return k.kind
		}
	}
	return fault.KindOf(err)
}

// wrap gives a system error its kind. The error of package os names operation and path, so
// op is left empty where it would repeat them.
func wrap(op string, err error) error { return fault.Wrap(kindOf(err), op, err) }

// ended is the error of a context that is over.
func ended(ctx context.Context, op string) error {
	return fault.Wrap(fault.KindOf(ctx.Err()), op, ctx.Err())
}
