package guestfiles

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// tidyTime bounds the removal of a part.
	tidyTime = 10 * time.Second
	// leftoverMinutes is how long a part has not been written to when it is a leftover: each piece of an
	// upload has a minute to arrive.
	leftoverMinutes = 15
)

// ErrPartLeft says, beside why an upload failed, that its part could not be removed either.
var ErrPartLeft = errors.New("the part is still there")

// Put writes a file from r, to its end, and returns how long it is. Missing directories are made (0755). A
// file of that name keeps its mode, a new one gets 0644; a link is followed. The name leads
// to the old content until all of the new is there; on any error nothing of it is left, or ErrPartLeft says
// so.
//
// Errors: those of r; Invalid for a directory or what is no file; NotFound, Forbidden, Exhausted as the device says;
// Unavailable when it is lost.
func (f *Files) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	name, mode, err := f.target(ctx, name)
	if err != nil {
		return 0, err
	}
	dir := path.Dir(name)
	if _, err := f.run(ctx, prepare(dir)); err != nil {
		return 0, err
	}
	part := partName(name, rand.Text()[:10])
	n, err := f.device.Send(ctx, part, mode, time.Time{}, r)
	if err == nil {
		_, err = f.run(ctx, publish(part, name, n, mode))
	}
	if err != nil {
		if left := f.discard(ctx, part); left != nil {
			err = fmt.Errorf("%w (%w)", err, left)
		}
		return n, err
	}
	return n, nil
}

// target is the file that name leads to, be it there or not, and the mode that it has or gets.
func (f *Files) target(ctx context.Context, name string) (string, fs.FileMode, error) {
	st, err := f.device.Lstat(ctx, name)
	if err == nil && st.Mode&fs.ModeSymlink != 0 {
		if name, err = f.resolve(ctx, name); err != nil {
			return "", 0, err
		}
		st, err = f.device.Lstat(ctx, name)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return name, 0o644, nil
	case err != nil:
		return "", 0, err
	case st.Mode.IsDir():
		return "", 0, fault.Invalidf("%s: is a directory", printable(name))
	case !st.Mode.IsRegular():
		return "", 0, fault.Invalidf("%s: is no regular file", printable(name))
	}
	return name, st.Mode.Perm(), nil
}

// resolve follows a link to its end, which need not be there.
func (f *Files) resolve(ctx context.Context, name string) (string, error) {
	said, err := f.run(ctx, newScript().line("readlink -f -n \x00 || exit 101", name))
	if err != nil {
		return "", err
	}
	if !path.IsAbs(string(said)) {
		return "", fault.Invalidf("%s: a link that leads nowhere", printable(name))
	}
	return Clean("/", string(said))
}

// prepare makes a directory, and removes leftovers in it. The shell's pattern costs no look at the files.
func prepare(dir string) *script {
	return newScript().
		line("umask 022").
		line("[ -d \x00 ] || mkdir -p -- \x00 || exit 101", dir, dir).
		line("cd \x00 && set -- "+partPattern, dir).
		line(fmt.Sprintf(`[ -f "$1" ] && find "$@" -maxdepth 0 -type f -mmin +%d -exec rm -f {} + >/dev/null 2>&1`, leftoverMinutes)).
		line("exit 0")
}

// publish checks a part's size and gives it its name. The device has made the mode wider (see
// adb.Device.Send); /sdcard has none.
func publish(part, name string, size int64, mode fs.FileMode) *script {
	return newScript().
		line("n=$(stat -c %s \x00) || exit 101", part).
		line("[ \"$n\" = \x00 ] || { echo \"$n bytes of\" \x00; exit 103; }", strconv.FormatInt(size, 10), strconv.FormatInt(size, 10)).
		line(fmt.Sprintf("chmod %o \x00 2>/dev/null", mode.Perm()), part).
		line("mv -f -T -- \x00 \x00 || exit 101", part, name)
}

// discard removes a part, also after ctx has ended, and returns ErrPartLeft when that did not work.
func (f *Files) discard(ctx context.Context, part string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	text := newScript().line("rm -f -- \x00", part).end(true)
	res, err := f.shell.Run(ctx, f.serial, guestshell.Script{Text: text, MaxOutput: maxSaid})
	if err != nil || res.ExitCode != 0 {
		return ErrPartLeft
	}
	return nil
}
