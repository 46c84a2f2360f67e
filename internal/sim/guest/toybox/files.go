package toybox

import (
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func fileApplets() map[string]Applet {
	return map[string]Applet{
		"cat": cat, "mkdir": mkdir, "rm": rm, "rmdir": rmdir, "mv": mv, "cp": cp, "touch": touch,
		"ln": ln, "readlink": readlink, "realpath": realpath, "chmod": chmod, "chown": chown,
		"chgrp": chgrp, "mkfifo": mkfifo, "truncate": truncate, "mktemp": mktemp, "cmp": compare,
	}
}

func cat(c *Call) int {
	o, ok := c.parse("u")
	if !ok {
		return 1
	}
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		err := c.copy(c.Out, r)
		return err
	})
}

func mkdir(c *Call) int {
	o, ok := c.parse("pvm:", "parents", "p", "mode", "m")
	if !ok {
		return 1
	}
	if len(o.args) == 0 {
		return c.needs(1)
	}
	mode := fs.FileMode(0o777)
	if o.flags['m'] {
		var bad error
		if mode, bad = parseMode(o.value['m'], 0o777, true); bad != nil {
			return c.fail("bad mode '%s'", o.value['m'])
		}
	}
	status := 0
	for _, arg := range o.args {
		err := c.makeDir(c.abs(arg), o.flags['p'])
		if err == nil && o.flags['m'] {
			err = c.View.Chmod(c.abs(arg), mode)
		}
		if err != nil {
			status = c.fail("'%s': %s", arg, vfs.Reason(err))
		}
	}
	return status
}

// makeDir makes directory p, and what leads to it if parents is set.
func (c *Call) makeDir(p string, parents bool) error {
	err := c.View.Mkdir(p, 0o777)
	if !parents || err == nil {
		return err
	}
	switch vfs.Errno(err) {
	case syscall.EEXIST:
		if info, serr := c.View.Stat(p); serr == nil && info.Mode.IsDir() {
			return nil
		}
	case syscall.ENOENT:
		if up := path.Dir(strings.TrimRight(p, "/")); up != p {
			if err := c.makeDir(up, true); err != nil {
				return err
			}
			return c.View.Mkdir(p, 0o777)
		}
	default:
	}
	return err
}

func mkfifo(c *Call) int {
	o, ok := c.parse("m:Z:")
	if !ok {
		return 1
	}
	if len(o.args) == 0 {
		return c.needs(1)
	}
	mode := fs.FileMode(0o666)
	if o.flags['m'] {
		var bad error
		if mode, bad = parseMode(o.value['m'], 0o666, false); bad != nil {
			return c.fail("bad mode '%s'", o.value['m'])
		}
	}
	status := 0
	for _, arg := range o.args {
		if err := c.View.Mkfifo(c.abs(arg), mode); err != nil {
			status = c.failPath(arg, err)
		}
	}
	return status
}

func rm(c *Call) int {
	o, ok := c.parse("fiRrv")
	if !ok {
		return 1
	}
	if len(o.args) == 0 && !o.flags['f'] {
		return c.needs(1)
	}
	status := 0
	for _, arg := range o.args {
		base := path.Base(strings.TrimRight(arg, "/"))
		if p := c.abs(arg); base == "." || base == ".." || path.Clean(p) == "/" {
			status = c.fail("bad path '%s'", arg)
			continue
		}
		err := c.remove(c.abs(arg), o.has("rR"))
		if vfs.Errno(err) == syscall.ENOENT && o.flags['f'] {
			continue
		}
		if err != nil {
			status = c.failPath(arg, err)
		}
	}
	return status
}

func (c *Call) remove(p string, tree bool) error {
	info, err := c.View.Lstat(p)
	if err != nil {
		return err
	}
	if !info.Mode.IsDir() {
		return c.View.Remove(p)
	}
	if !tree {
		return syscall.EISDIR
	}
	list, err := c.View.ReadDir(p)
	if err != nil {
		return err
	}
	for _, entry := range list {
		if err := c.Ctx.Err(); err != nil {
			return err
		}
		if err := c.remove(p+"/"+entry.Name, true); err != nil {
			return err
		}
	}
	return c.View.Remove(p)
}

func rmdir(c *Call) int {
	o, ok := c.parse("p")
	if !ok {
		return 1
	}
	status := 0
	for _, arg := range o.args {
		info, err := c.View.Lstat(c.abs(arg))
		if err == nil && !info.Mode.IsDir() {
			err = syscall.ENOTDIR
		}
		if err == nil {
			err = c.View.Remove(c.abs(arg))
		}
		if err != nil {
			status = c.fail("%s: %s", arg, vfs.Reason(err))
		}
	}
	return status
}

func touch(c *Call) int {
	o, ok := c.parse("cad:mt:r:")
	if !ok {
		return 1
	}
	when := c.Sys.Now()
	var err error
	switch {
	case o.flags['d']:
		when, err = parseDate(o.value['d'])
	case o.flags['t']:
		when, err = time.Parse("200601021504.05", o.value['t'])
		if err != nil {
			when, err = time.Parse("200601021504", o.value['t'])
		}
	case o.flags['r']:
		var info vfs.Info
		info, err = c.View.Stat(c.abs(o.value['r']))
		when = info.ModTime
	}
	if err != nil {
		return c.fail("bad date")
	}
	status := 0
	for _, arg := range o.args {
		p := c.abs(arg)
		err := c.View.Chtimes(p, when)
		if vfs.Errno(err) == syscall.ENOENT && !o.flags['c'] {
			var f vfs.File
			if f, err = c.View.Open(p, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
				f.Close()
				err = c.View.Chtimes(p, when)
			}
		} else if o.flags['c'] && err != nil {
			err = nil
		}
		if err != nil {
			status = c.fail("'%s': %s", arg, vfs.Reason(err))
		}
	}
	return status
}

func ln(c *Call) int {
	o, ok := c.parse("fnsTv")
	if !ok {
		return 1
	}
	if !o.flags['s'] {
		return c.fail("hard links: Operation not permitted")
	}
	if len(o.args) == 1 {
		o.args = append(o.args, ".")
	}
	return c.targets(o.args, o.has("nT"), func(target, link string) error {
		if o.flags['f'] {
			c.View.Remove(c.abs(link))
		}
		if err := c.View.Symlink(target, c.abs(link)); err != nil {
			return said(c.fail("cannot create symbolic link from '%s' to '%s': %s", target, link, vfs.Reason(err)))
		}
		return nil
	})
}

func readlink(c *Call) int {
	o, ok := c.parse("fenqz")
	if !ok {
		return 1
	}
	status := 0
	for _, arg := range o.args {
		look := c.View.Readlink
		if o.has("fe") {
			look = c.View.RealPath
		}
		target, err := look(c.abs(arg))
		if err != nil && o.flags['f'] {
			if dir, derr := c.View.RealPath(path.Dir(c.abs(arg))); derr == nil {
				target, err = path.Join(dir, path.Base(arg)), nil
			}
		}
		if err != nil {
			status = 1
			continue
		}
		c.printf("%s", target)
		if !o.flags['n'] {
			c.printf("\n")
		}
	}
	return status
}

func realpath(c *Call) int {
	o, ok := c.parse("emz")
	if !ok {
		return 1
	}
	status := 0
	for _, arg := range o.args {
		target, err := c.View.RealPath(c.abs(arg))
		if err != nil {
			status = c.failPath(arg, err)
			continue
		}
		c.printf("%s\n", target)
	}
	return status
}

func chmod(c *Call) int {
	// A mode may begin with a minus sign: it is not an option then.
	args := c.Args[1:]
	recursive := false
	for len(args) > 0 && (args[0] == "-R" || args[0] == "--") {
		recursive = recursive || args[0] == "-R"
		args = args[1:]
	}
	if len(args) < 2 {
		return c.needs(2)
	}
	status := 0
	for _, arg := range args[1:] {
		if _, err := c.View.Stat(c.abs(arg)); err != nil {
			status = c.failPath(arg, err)
			continue
		}
		if _, err := parseMode(args[0], 0, false); err != nil {
			return c.fail("bad mode '%s'", args[0])
		}
		err := c.each(c.abs(arg), recursive, func(p string, info vfs.Info) error {
			mode, err := parseMode(args[0], info.Mode, info.Mode.IsDir())
			if err != nil {
				return err
			}
			return c.View.Chmod(p, mode)
		})
		if err != nil {
			status = c.fail("chmod '%s' to %s: %s", arg, args[0], vfs.Reason(err))
		}
	}
	return status
}

// each calls fn for p and, if tree is set, everything below it.
func (c *Call) each(p string, tree bool, fn func(p string, info vfs.Info) error) error {
	info, err := c.View.Stat(p)
	if err != nil {
		return err
	}
	if err := fn(p, info); err != nil || !tree || !info.Mode.IsDir() {
		return err
	}
	list, err := c.View.ReadDir(p)
	for _, entry := range list {
		if err := c.Ctx.Err(); err != nil {
			return err
		}
		if entry.Mode&fs.ModeSymlink != 0 {
			continue
		}
		if err := c.each(p+"/"+entry.Name, true, fn); err != nil {
			return err
		}
	}
	return err
}

func chown(c *Call) int { return c.changeOwner(false) }
func chgrp(c *Call) int { return c.changeOwner(true) }

func (c *Call) changeOwner(groupOnly bool) int {
	o, ok := c.parse("Rhfv")
	if !ok {
		return 1
	}
	if len(o.args) < 2 {
		return c.needs(2)
	}
	owner, group, both := strings.Cut(strings.Replace(o.args[0], ".", ":", 1), ":")
	if groupOnly {
		owner, group, both = "", o.args[0], true
	}
	uid, gid := -1, -1
	var found bool
	if owner != "" {
		if uid, found = userID(owner); !found {
			return c.fail("bad user '%s'", owner)
		}
	}
	if both && group != "" {
		if gid, found = userID(group); !found {
			return c.fail("bad group '%s'", group)
		}
	}
	status := 0
	for _, arg := range o.args[1:] {
		if _, err := c.View.Stat(c.abs(arg)); err != nil {
			status = c.failPath(arg, err)
			continue
		}
		err := c.each(c.abs(arg), o.flags['R'], func(p string, _ vfs.Info) error { return c.View.Chown(p, uid, gid) })
		if err != nil {
			status = c.fail("'%s' to '%s': %s", arg, o.args[0], vfs.Reason(err))
		}
	}
	return status
}

func truncate(c *Call) int {
	o, ok := c.parse("cs:")
	if !ok {
		return 1
	}
	size, good := parseSize(o.value['s'])
	if !good {
		return c.fail("bad size '%s'", o.value['s'])
	}
	status := 0
	for _, arg := range o.args {
		f, err := c.View.Open(c.abs(arg), os.O_WRONLY|os.O_CREATE, 0o666)
		if err == nil {
			if file, ok := f.(vfs.Positioned); ok {
				err = file.Truncate(size)
			} else {
				err = syscall.EINVAL
			}
			f.Close()
		}
		if err != nil {
			status = c.failPath(arg, err)
		}
	}
	return status
}
