package toybox

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
	follow   bool
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
		f.follow = f.args[0] == "-L"
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
	if f.follow {
		look = f.c.View.Stat
	}
	info, err := look(f.c.abs(x.name))
	if err != nil {
		f.out.Flush()
		f.status = f.c.fail("%s: %s", x.name, vfs.Reason(err))
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
			f.status = f.c.fail("%s: %s", x.name, vfs.Reason(err))
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
	case "-delete":
		f.acts, f.depth = true, true
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
		return nil, fmt.Errorf("'%s' needs 1 argument", name)
	}
	return f.valued(name, value)
}

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
	}
	return 'f'
}

// globMatch is fnmatch(3) without flags: * and ? match a slash and a leading dot too.
func globMatch(pattern, name string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			for i := 0; i <= len(name); i++ {
				if globMatch(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		case '[':
			end := strings.IndexByte(pattern[1:], ']') + 1
			if end <= 1 {
				end = strings.IndexByte(pattern[min(2, len(pattern)):], ']') + 2
			}
			if name == "" || end < 2 || end >= len(pattern) {
				return false
			}
			ok, err := path.Match(strings.Replace(pattern[:end+1], "[!", "[^", 1), name[:1])
			if err != nil || !ok {
				return false
			}
			pattern, name = pattern[end+1:], name[1:]
			continue
		case '\\':
			if len(pattern) > 1 {
				pattern = pattern[1:]
			}
			fallthrough
		default:
			if name == "" || pattern[0] != '?' && pattern[0] != name[0] || pattern[0] == '?' && name == "" {
				return false
			}
		}
		pattern, name = pattern[1:], name[1:]
	}
	return name == ""
}

// findFormat fills in the directives and escapes of -printf.
func findFormat(format string, x found) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		switch {
		case format[i] == '\\' && i+1 < len(format):
			i++
			b.WriteString(escape(format[i]))
		case format[i] == '%' && i+1 < len(format):
			i++
			if format[i] == 'T' && i+1 < len(format) {
				i++
				b.WriteString(strconv.FormatInt(x.info.ModTime.Unix(), 10) + fmt.Sprintf(".%09d", x.info.ModTime.Nanosecond()))
				continue
			}
			b.WriteString(findField(format[i], x))
		default:
			b.WriteByte(format[i])
		}
	}
	return b.String()
}

func escape(letter byte) string {
	if at := strings.IndexByte("abfnrtv0\\", letter); at >= 0 {
		return "\a\b\f\n\r\t\v\x00\\"[at : at+1]
	}
	return "\\" + string(letter)
}

func findField(letter byte, x found) string {
	switch letter {
	case 'p':
		return x.name
	case 'f':
		return path.Base(x.name)
	case 'h':
		return path.Dir(x.name)
	case 'P':
		return strings.TrimPrefix(strings.TrimPrefix(x.name, x.start), "/")
	case 'l':
		return x.info.Target
	case 'm':
		return strconv.FormatUint(uint64(vfs.UnixMode(x.info.Mode)&0o7777), 8)
	case 'M':
		return vfs.ModeString(x.info.Mode)
	case 'y':
		return string(typeLetter(x.info))
	case 'Z':
		return "u:object_r:unlabeled:s0"
	}
	return statField(letter, x.name, x.info)
}

// maxArguments bounds one xargs command line, in bytes.
const maxArguments = 128 << 10

func xargs(c *Call) int {
	o, ok := c.parse("+0n:I:rtP:d:")
	if !ok {
		return 1
	}
	command := o.args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	limit := 1 << 30
	if o.flags['n'] {
		limit, _ = strconv.Atoi(o.value['n'])
	}
	items, err := c.items(o)
	if err != nil {
		return c.fail("%s", vfs.Reason(err))
	}
	worst := 0
	run := func(args []string) {
		if status := c.Sys.Run(c, args, Keep); status != 0 {
			worst = 123
			if status == 126 || status == 127 {
				worst = status
			}
		}
	}
	if holder := o.value['I']; holder != "" {
		for _, item := range items {
			args := make([]string, len(command))
			for i, arg := range command {
				args[i] = strings.ReplaceAll(arg, holder, item)
			}
			run(args)
		}
		return worst
	}
	for first := true; len(items) > 0 || first && !o.flags['r'] && len(items) == 0; first = false {
		n, size := 0, 0
		for n < len(items) && n < max(limit, 1) && (n == 0 || size+len(items[n]) < maxArguments) {
			size += len(items[n]) + 1
			n++
		}
		run(slices.Concat(command, items[:n]))
		items = items[n:]
		if c.Ctx.Err() != nil {
			return 1
		}
	}
	return worst
}

// items reads what xargs hands on: NUL-separated with -0, lines with -I, else words.
func (c *Call) items(o options) ([]string, error) {
	text, err := c.readAll(c.In, 64<<20)
	if err != nil {
		return nil, err
	}
	switch {
	case o.flags['0']:
		return slices.DeleteFunc(strings.Split(text, "\x00"), func(s string) bool { return s == "" }), nil
	case o.flags['I']:
		return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" }), nil
	}
	return strings.Fields(text), nil
}

func (c *Call) readAll(r interface{ Read([]byte) (int, error) }, limit int64) (string, error) {
	var b strings.Builder
	_, err := c.copy(&limited{w: &b, left: limit}, r)
	return b.String(), err
}

// limited fails like a full memory once more than left bytes were written.
type limited struct {
	w    *strings.Builder
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, syscall.ENOMEM
	}
	return l.w.Write(p)
}
