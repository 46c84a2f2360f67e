package toybox

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// condition evaluates test(1): | of & of negations of primaries.
type condition struct {
	c    *Call
	args []string
	bad  bool
}

func testApplet(c *Call) int {
	args := c.Args[1:]
	if c.name() == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.fail("missing ]")
			return 2
		}
		args = args[:len(args)-1]
	}
	t := &condition{c: c, args: args}
	ok := len(args) > 0 && t.or()
	if t.bad || len(t.args) > 0 {
		c.fail("bad expression")
		return 2
	}
	if ok {
		return 0
	}
	return 1
}

func (t *condition) is(word string) bool {
	if len(t.args) > 0 && t.args[0] == word {
		t.args = t.args[1:]
		return true
	}
	return false
}

func (t *condition) or() bool {
	v := t.and()
	for t.is("-o") {
		v = t.and() || v
	}
	return v
}

func (t *condition) and() bool {
	v := t.not()
	for t.is("-a") {
		v = t.not() && v
	}
	return v
}

func (t *condition) not() bool {
	if len(t.args) > 1 && t.is("!") {
		return !t.not()
	}
	return t.primary()
}

func (t *condition) primary() bool {
	if len(t.args) >= 3 {
		if v, known := t.binary(t.args[0], t.args[1], t.args[2]); known {
			t.args = t.args[3:]
			return v
		}
	}
	if len(t.args) > 1 && t.is("(") {
		v := t.or()
		t.bad = t.bad || !t.is(")")
		return v
	}
	if len(t.args) >= 2 && len(t.args[0]) == 2 && t.args[0][0] == '-' {
		if v, known := t.unary(t.args[0][1], t.args[1]); known {
			t.args = t.args[2:]
			return v
		}
	}
	if len(t.args) == 0 {
		t.bad = true
		return false
	}
	v := t.args[0] != ""
	t.args = t.args[1:]
	return v
}

func (t *condition) unary(letter byte, arg string) (value, known bool) {
	switch letter {
	case 'z':
		return arg == "", true
	case 'n':
		return arg != "", true
	case 't':
		n, err := strconv.Atoi(arg)
		return err == nil && t.c.Sys != nil && t.c.Sys.IsTerminal(t.c, n), true
	case 'r', 'w', 'x':
		bit := map[byte]uint32{'r': 4, 'w': 2, 'x': 1}[letter]
		return t.c.View.Access(t.c.abs(arg), bit) == nil, true
	case 'h', 'L':
		info, err := t.c.View.Lstat(t.c.abs(arg))
		return err == nil && info.Mode&fs.ModeSymlink != 0, true
	}
	info, err := t.c.View.Stat(t.c.abs(arg))
	kind := map[byte]func(vfs.Info) bool{
		'e': func(vfs.Info) bool { return true },
		'a': func(vfs.Info) bool { return true },
		'f': func(i vfs.Info) bool { return i.Mode.IsRegular() },
		'd': func(i vfs.Info) bool { return i.Mode.IsDir() },
		's': func(i vfs.Info) bool { return i.Size > 0 },
		'c': func(i vfs.Info) bool { return i.Mode&fs.ModeCharDevice != 0 },
		'b': func(vfs.Info) bool { return false },
		'p': func(i vfs.Info) bool { return i.Mode&fs.ModeNamedPipe != 0 },
		'S': func(vfs.Info) bool { return false },
		'u': func(i vfs.Info) bool { return i.Mode&fs.ModeSetuid != 0 },
		'g': func(i vfs.Info) bool { return i.Mode&fs.ModeSetgid != 0 },
		'k': func(i vfs.Info) bool { return i.Mode&fs.ModeSticky != 0 },
		'O': func(i vfs.Info) bool { return i.UID == t.c.View.UID },
		'G': func(i vfs.Info) bool { return i.GID == t.c.View.GID },
	}[letter]
	if kind == nil {
		return false, false
	}
	return err == nil && kind(info), true
}

func (t *condition) binary(a, op, b string) (value, known bool) {
	switch op {
	case "=", "==":
		return a == b, true
	case "!=":
		return a != b, true
	case "<":
		return a < b, true
	case ">":
		return a > b, true
	case "-nt", "-ot", "-ef":
		x, errX := t.c.View.Stat(t.c.abs(a))
		y, errY := t.c.View.Stat(t.c.abs(b))
		switch op {
		case "-nt":
			return errX == nil && (errY != nil || x.ModTime.After(y.ModTime)), true
		case "-ot":
			return errY == nil && (errX != nil || y.ModTime.After(x.ModTime)), true
		}
		p, _ := t.c.View.RealPath(t.c.abs(a))
		q, _ := t.c.View.RealPath(t.c.abs(b))
		return errX == nil && errY == nil && p == q, true
	case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
		// What is no number is a variable for mksh, and those are not set here.
		x, _ := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
		y, _ := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
		return map[string]bool{"-eq": x == y, "-ne": x != y, "-lt": x < y, "-le": x <= y, "-gt": x > y, "-ge": x >= y}[op], true
	}
	return false, false
}
