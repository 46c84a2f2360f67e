package toybox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func findApplets() map[string]Applet { return map[string]Applet{"find": find, "xargs": xargs} }

// found is a file that find looks at.
type found struct {
	name, start string
	info        vfs.Info
	depth       int
}

// test is one term of find's expression; it may act and it decides whether to go on.
type test func(f found) bool

// finder holds one run of find: its expression is compiled once and applied to each file.
type finder struct {
	c        *Call
	out      *bufio.Writer
	args     []string
	min, max int
	acts     bool
	follow   bool // links
	followH  bool // those that are named on the command line
	depth    bool
	prune    bool
	status   int
	batches  []*batch
}

// batch collects the names of -exec … {} +.
type batch struct{ args, names []string }

func find(c *Call) int {
	f := &finder{c: c, out: c.buffered(), max: 1 << 30, args: c.Args[1:]}
	defer f.out.Flush()
	for len(f.args) > 0 && (f.args[0] == "-L" || f.args[0] == "-H" || f.args[0] == "-P") {
		f.follow, f.followH = f.args[0] == "-L", f.args[0] == "-H"
		f.args = f.args[1:]
	}
	var starts []string
	for len(f.args) > 0 && !strings.HasPrefix(f.args[0], "-") && f.args[0] != "(" && f.args[0] != "!" {
		starts = append(starts, f.args[0])
		f.args = f.args[1:]
	}
	if len(starts) == 0 {
		starts = []string{"."}
	}
	expr, err := f.or()
	if err == nil && len(f.args) > 0 {
		err = fmt.Errorf("bad arg '%s'", f.args[0])
	}
	if err != nil {
		return c.fail("%v", err)
	}
	if !f.acts {
		inner := expr
		expr = func(x found) bool { return inner(x) && f.print(x, "\n") }
	}
	for _, start := range starts {
		f.visit(found{name: start, start: start}, expr)
	}
	for _, b := range f.batches {
		f.runBatch(b)
	}
	return f.status
}

func (f *finder) visit(x found, expr test) {
	look := f.c.View.Lstat
	if f.follow || f.followH && x.depth == 0 {
		look = f.c.View.Stat
	}
	info, err := look(f.c.abs(x.name))
	if err != nil {
		f.out.Flush()
		f.status = f.c.fail("'%s': %s", x.name, vfs.Reason(err))
		return
	}
	x.info = info
	f.prune = false
	if !f.depth && x.depth >= f.min {
		expr(x)
	}
	if info.Mode.IsDir() && x.depth < f.max && !f.prune {
		list, err := f.c.View.ReadDir(f.c.abs(x.name))
		if err != nil {
			f.out.Flush()
			f.status = f.c.fail("'%s': %s", x.name, vfs.Reason(err))
		}
		for _, entry := range list {
			if f.c.Ctx.Err() != nil {
				return
			}
			f.visit(found{name: strings.TrimSuffix(x.name, "/") + "/" + entry.Name, start: x.start, depth: x.depth + 1}, expr)
		}
	}
	if f.depth && x.depth >= f.min {
		expr(x)
	}
}

func (f *finder) print(x found, end string) bool {
	f.out.WriteString(x.name)
	f.out.WriteString(end)
	return true
}

func (f *finder) next() (string, error) {
	if len(f.args) == 0 {
		return "", fmt.Errorf("missing argument")
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg, nil
}

func (f *finder) or() (test, error) {
	left, err := f.and()
	for err == nil && len(f.args) > 0 && (f.args[0] == "-o" || f.args[0] == "-or") {
		f.args = f.args[1:]
		l := left
		var r test
		if r, err = f.and(); err == nil {
			left = func(x found) bool { return l(x) || r(x) }
		}
	}
	return left, err
}

func (f *finder) and() (test, error) {
	all := func(found) bool { return true }
	for len(f.args) > 0 && f.args[0] != "-o" && f.args[0] != "-or" && f.args[0] != ")" {
		if f.args[0] == "-a" || f.args[0] == "-and" {
			f.args = f.args[1:]
			continue
		}
		r, err := f.term()
		if err != nil {
			return nil, err
		}
		l := all
		all = func(x found) bool { return l(x) && r(x) }
	}
	return all, nil
}

func (f *finder) term() (test, error) {
	name, _ := f.next()
	switch name {
	case "!", "-not":
		inner, err := f.term()
		return func(x found) bool { return !inner(x) }, err
	case "(":
		inner, err := f.or()
		if end, _ := f.next(); err == nil && end != ")" {
			err = fmt.Errorf("missing )")
		}
		return inner, err
	case "-print":
		f.acts = true
		return func(x found) bool { return f.print(x, "\n") }, nil
	case "-print0":
		f.acts = true
		return func(x found) bool { return f.print(x, "\x00") }, nil
	case "-delete": // toybox goes on to print the name
		f.depth = true
		return f.remove, nil
	case "-depth":
		f.depth = true
		return func(found) bool { return true }, nil
	case "-prune":
		return func(found) bool { f.prune = true; return true }, nil
	case "-true", "-xdev", "-mount":
		return func(found) bool { return true }, nil
	case "-false":
		return func(found) bool { return false }, nil
	case "-empty":
		return f.empty, nil
	case "-exec", "-ok":
		return f.exec()
	}
	value, err := f.next()
	if err != nil {
		if !slices.Contains(valuedTerms, name) {
			return nil, errors.New("bad arg '(null)'") // what toybox makes of its own NULL
		}
		return nil, fmt.Errorf("'%s' needs 1 arg", name)
	}
	return f.valued(name, value)
}

// valuedTerms are the terms that take one argument.
var valuedTerms = strings.Fields("-name -iname -path -ipath -wholename -type -mindepth -maxdepth -printf -size -mtime -mmin -newer -user -group -perm")

// valued compiles a term that takes one argument.
func (f *finder) valued(name, value string) (test, error) {
	switch name {
	case "-name", "-iname", "-path", "-ipath", "-wholename":
		fold := strings.HasPrefix(name, "-i")
		whole := strings.HasSuffix(name, "path") || name == "-wholename"
		return func(x found) bool {
			subject := path.Base(x.name)
			if whole {
				subject = x.name
			}
			if fold {
				return globMatch(strings.ToLower(value), strings.ToLower(subject))
			}
			return globMatch(value, subject)
		}, nil
	case "-type":
		return func(x found) bool { return strings.IndexByte(value, typeLetter(x.info)) >= 0 }, nil
	case "-mindepth", "-maxdepth":
		n, err := strconv.Atoi(value)
		if name == "-mindepth" {
			f.min = n
		} else {
			f.max = n
		}
		return func(found) bool { return true }, err
	case "-printf":
		f.acts = true
		if bad := badDirective(value); bad != 0 {
			return nil, fmt.Errorf("bad -printf %%%c", bad)
		}
		return func(x found) bool { f.out.WriteString(findFormat(value, x)); return true }, nil
	case "-size":
		return sizeTest(value)
	case "-mtime", "-mmin":
		unit := 24 * time.Hour
		if name == "-mmin" {
			unit = time.Minute
		}
		return compareTest(value, func(x found) int64 { return int64(age(f.c.Sys.Now(), x.info.ModTime) / unit) })
	case "-newer":
		ref, err := f.c.View.Stat(f.c.abs(value))
		return func(x found) bool { return x.info.ModTime.After(ref.ModTime) }, err
	case "-user", "-group":
		id, ok := userID(value)
		if !ok {
			return nil, fmt.Errorf("bad %s '%s'", name, value)
		}
		return func(x found) bool { return name == "-user" && x.info.UID == id || name == "-group" && x.info.GID == id }, nil
	case "-perm":
		bits, err := strconv.ParseUint(strings.TrimLeft(value, "-/"), 8, 32)
		if err != nil {
			return nil, fmt.Errorf("bad -perm '%s'", value)
		}
		return func(x found) bool {
			have, want := vfs.UnixMode(x.info.Mode)&0o7777, uint32(bits)
			switch value[0] {
			case '-':
				return have&want == want
			case '/':
				return want == 0 || have&want != 0
			}
			return have == want
		}, nil
	}
	return nil, fmt.Errorf("bad arg '%s'", name)
}

func compareTest(value string, of func(found) int64) (test, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(value, "+-"), 10, 64)
	if err != nil || value == "" {
		return nil, fmt.Errorf("bad number '%s'", value)
	}
	return func(x found) bool {
		switch have := of(x); value[0] {
		case '+':
			return have > n
		case '-':
			return have < n
		default:
			return have == n
		}
	}, nil
}

func sizeTest(value string) (test, error) {
	unit := int64(512)
	number := strings.TrimRight(value, "bckMG")
	switch value[len(number):] {
	case "c":
		unit = 1
	case "k":
		unit = 1 << 10
	case "M":
		unit = 1 << 20
	case "G":
		unit = 1 << 30
	}
	return compareTest(number, func(x found) int64 { return (x.info.Size + unit - 1) / unit })
}

func (f *finder) empty(x found) bool {
	if !x.info.Mode.IsDir() {
		return x.info.Mode.IsRegular() && x.info.Size == 0
	}
	list, err := f.c.View.ReadDir(f.c.abs(x.name))
	return err == nil && len(list) == 0
}

func (f *finder) remove(x found) bool {
	if x.name == "." {
		return true
	}
	if err := f.c.View.Remove(f.c.abs(x.name)); err != nil {
		f.status = f.c.failPath(x.name, err)
		return false
	}
	return true
}

func (f *finder) exec() (test, error) {
	f.acts = true
	var args []string
	for {
		arg, err := f.next()
		if err != nil {
			return nil, fmt.Errorf("-exec needs a ;")
		}
		if arg == ";" {
			break
		}
		if n := len(args); arg == "+" && n > 1 && args[n-1] == "{}" {
			b := &batch{args: args[:n-1]}
			f.batches = append(f.batches, b)
			return func(x found) bool {
				b.names = append(b.names, x.name)
				if len(b.names) >= 1000 {
					f.runBatch(b)
				}
				return true
			}, nil
		}
		args = append(args, arg)
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("-exec needs a command")
	}
	return func(x found) bool {
		run := make([]string, len(args))
		for i, arg := range args {
			run[i] = strings.ReplaceAll(arg, "{}", x.name)
		}
		f.out.Flush()
		return f.c.Sys.Run(f.c, run, Keep) == 0
	}, nil
}

func (f *finder) runBatch(b *batch) {
	if len(b.names) == 0 {
		return
	}
	f.out.Flush()
	if f.c.Sys.Run(f.c, slices.Concat(b.args, b.names), Keep) != 0 {
		f.status = 1
	}
	b.names = nil
}

func typeLetter(info vfs.Info) byte {
	switch {
	case info.Mode.IsDir():
		return 'd'
	case info.Mode&fs.ModeSymlink != 0:
		return 'l'
	case info.Mode&fs.ModeCharDevice != 0:
		return 'c'
	case info.Mode&fs.ModeNamedPipe != 0:
		return 'p'
	}
	return 'f'
}
