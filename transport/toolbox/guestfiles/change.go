package guestfiles

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Remove removes a file, a link, or with recursive a directory and all in it. Links are removed, not
// followed. Invalid for a directory without recursive and for the system's own; NotFound; Forbidden.
func (f *Files) Remove(ctx context.Context, name string, recursive bool) error {
	if err := guard(name); err != nil {
		return err
	}
	st, err := f.exists(ctx, name)
	if err != nil {
		return err
	}
	if st.Mode.IsDir() && !recursive {
		return fault.Invalidf("cannot delete directory without recursive flag")
	}
	option := "-f"
	if recursive {
		option = "-rf"
	}
	_, err = f.run(ctx, newScript().line("rm "+option+" -- \x00 || exit 101", name))
	return err
}

// Move renames a file or directory; between file systems the guest copies and removes. What has
// the new name already is never overwritten: Conflict. NotFound when source or the new name's directory is missing.
func (f *Files) Move(ctx context.Context, from, to string) error {
	if err := guard(from); err != nil {
		return err
	}
	if _, err := f.device.Stat(ctx, from); err != nil {
		return err
	}
	if _, err := f.device.Stat(ctx, path.Dir(to)); err != nil {
		return err
	}
	switch _, err := f.exists(ctx, to); {
	case err == nil:
		return fault.Conflictf("destination already exists")
	case lost(err):
		return err
	}
	// mv -n says nothing when it does nothing.
	_, err := f.run(ctx, newScript().
		line("mv -n -T -- \x00 \x00 || exit 101", from, to).
		line("if [ -e \x00 ] || [ -L \x00 ]; then exit 102; fi", from, from))
	return err
}

// MakeDir makes a directory and those above it, which get 0755; one that exists is left as it is.
// Where the file system has no modes (/sdcard), mode has no effect. Invalid when a file is in the way.
func (f *Files) MakeDir(ctx context.Context, name string, mode fs.FileMode) error {
	_, err := f.run(ctx, newScript().
		line("[ -d \x00 ] && exit 0", name).
		line("umask 022").
		line("mkdir -p -- \x00 || exit 101", name).
		line(fmt.Sprintf("chmod %o \x00 2>/dev/null", mode), name).
		line("exit 0"))
	return err
}

// Permissions are what Chmod changes. Empty fields stay.
type Permissions struct {
	Mode         *fs.FileMode // the twelve bits of chmod, as Linux counts them
	Owner, Group string       // name or number
}

// account is what a user or group may be called in the guest.
var account = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Chmod changes mode and owner of what name leads to. Invalid for unknown users; Forbidden where that is
// not allowed, on /sdcard for instance.
func (f *Files) Chmod(ctx context.Context, name string, p Permissions) error {
	switch {
	case p.Owner != "" && !account.MatchString(p.Owner):
		return fault.Invalidf("user not found")
	case p.Group != "" && !account.MatchString(p.Group):
		return fault.Invalidf("group not found")
	}
	if _, err := f.device.Stat(ctx, name); err != nil {
		return err
	}
	s := newScript()
	if p.Mode != nil {
		s.line(fmt.Sprintf("chmod %o \x00 || exit 101", *p.Mode), name)
	}
	who := p.Owner
	if p.Group != "" {
		who += ":" + p.Group
	}
	if who != "" {
		s.line("chown \x00 \x00 || exit 101", who, name)
	}
	_, err := f.run(ctx, s.line("exit 0"))
	return err
}
