package toybox

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// said is an error that was reported already.
type said int

func (said) Error() string { return "said" }

// targets pairs every source with the name it gets, for cp, mv and ln.
func (c *Call) targets(args []string, noDir bool, each func(from, to string) error) int {
	switch len(args) {
	case 0:
		return c.needs(1)
	case 1:
		return c.fail("Needs 2 arguments")
	}
	dest := args[len(args)-1]
	info, err := c.View.Stat(c.abs(dest))
	into := err == nil && info.Mode.IsDir() && !noDir
	if len(args) > 2 && !into {
		return c.fail("'%s' not directory", dest)
	}
	status := 0
	for _, from := range args[:len(args)-1] {
		to := dest
		if into {
			to = strings.TrimSuffix(dest, "/") + "/" + path.Base(from)
		}
		if err := each(from, to); errors.As(err, new(said)) {
			status = 1
		} else if err != nil {
			status = c.fail("bad '%s': %s", from, vfs.Reason(err))
		}
		if c.Ctx.Err() != nil {
			return 1
		}
	}
	return status
}

func mv(c *Call) int {
	o, ok := c.parse("fnTvi")
	if !ok {
		return 1
	}
	return c.targets(o.args, o.flags['T'], func(from, to string) error {
		if info, err := c.View.Stat(c.abs(to)); err == nil && info.Mode.IsDir() {
			if src, serr := c.View.Lstat(c.abs(from)); serr == nil && !src.Mode.IsDir() {
				return said(c.fail("'%s' is a directory", to))
			}
		}
		if o.flags['n'] {
			if _, err := c.View.Lstat(c.abs(to)); err == nil {
				return nil
			}
		}
		return c.View.Rename(c.abs(from), c.abs(to))
	})
}

func cp(c *Call) int {
	o, ok := c.parse("afnrRpPdTLv")
	if !ok {
		return 1
	}
	how := copyMode{tree: o.has("arR"), keep: o.has("ap"), links: o.has("adP") || o.has("rR") && !o.flags['L']}
	return c.targets(o.args, o.flags['T'], func(from, to string) error {
		if _, err := c.View.Lstat(c.abs(to)); err == nil && o.flags['n'] {
			return nil
		}
		src, _ := c.View.RealPath(c.abs(from))
		dst, _ := c.View.RealPath(c.abs(to))
		if src != "" && (src == dst || strings.HasPrefix(path.Clean(c.abs(to))+"/", src+"/") && how.tree) {
			return syscall.EINVAL
		}
		return c.copyTree(c.abs(from), c.abs(to), how)
	})
}

type copyMode struct{ tree, keep, links bool }

func (c *Call) copyTree(from, to string, how copyMode) error {
	look := c.View.Stat
	if how.links {
		look = c.View.Lstat
	}
	info, err := look(from)
	switch {
	case err != nil:
		return err
	case info.Mode&fs.ModeSymlink != 0:
		c.View.Remove(to)
		return c.View.Symlink(info.Target, to)
	case info.Mode.IsDir() && !how.tree:
		return said(c.fail("Skipped dir '%s': No such file or directory", path.Base(to)))
	case info.Mode.IsDir():
		err = c.copyDir(from, to, how)
	default:
		err = c.copyFile(from, to, info.Mode.Perm())
	}
	if err != nil || !how.keep {
		return err
	}
	c.View.Chown(to, info.UID, info.GID)
	c.View.Chmod(to, info.Mode)
	return c.View.Chtimes(to, info.ModTime)
}

func (c *Call) copyDir(from, to string, how copyMode) error {
	if err := c.makeDir(to, true); err != nil {
		return err
	}
	list, err := c.View.ReadDir(from)
	for _, entry := range list {
		if err := c.Ctx.Err(); err != nil {
			return err
		}
		if err := c.copyTree(from+"/"+entry.Name, to+"/"+entry.Name, how); err != nil {
			return err
		}
	}
	return err
}

func (c *Call) copyFile(from, to string, perm fs.FileMode) error {
	in, err := c.View.Open(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.View.Open(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	if err := c.copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
