package toybox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/tty"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Call is one run of an applet.
type Call struct {
	Ctx      context.Context
	Args     []string // the command's name first
	Dir      string   // working directory, absolute
	Env      []string // NAME=value
	View     *vfs.View
	In       io.Reader
	Out, Err io.Writer
	Sys      System
	// Origin is what an error about starting the command begins with: "sh: <stdin>[1]: ".
	Origin string
	// Builtin makes Origin the beginning of all messages: the shell itself runs the applet.
	Builtin bool
}

// Applet runs a command and returns its exit status.
type Applet func(*Call) int

// Process is one row of ps.
type Process struct {
	PID, PPID, UID int
	PGID           int // 0: its own
	Name           string
	Args           []string
	Started        time.Time
}

// System is the device below the applets. It is safe for concurrent use.
type System interface {
	Property(name string) string
	Properties() map[string]string
	SetProperty(name, value string) error
	Setting(space, key string) (string, bool)
	PutSetting(space, key, value string)
	Settings(space string) map[string]string
	Processes() []Process
	// Signal sends signal number sig (0 only asks) to process pid, or to group -pid.
	Signal(from *vfs.View, pid, sig int) error
	// Catch lets the program of the caller's process handle signals, none of them SIGKILL, until it calls release.
	// handle does not wait for anything.
	Catch(handle func(), signals ...int) (release func())
	// Run runs args as a child of c's process and returns its exit status; how changes the child.
	Run(c *Call, args []string, how RunOptions) int
	Now() time.Time
	Booted() time.Time
	CPUs() int
	// Terminal is the session's, nil if it has none.
	Terminal() *tty.Terminal
	// IsTerminal tells whether descriptor fd of c is the session's terminal.
	IsTerminal(c *Call, fd int) bool
	// Power ends the device: "" or "shutdown" switches it off, everything else restarts it.
	Power(how string)
}

// RunOptions are what sets a child apart from its parent.
type RunOptions struct {
	Ctx       context.Context // when done, the child gets Signal; nil means the parent's
	Signal    int
	UID       int  // -1 keeps the user
	NewGroup  bool // own session and process group
	IgnoreHUP bool
}

// Keep is a child like its parent.
var Keep = RunOptions{UID: -1}

// applets are all commands by name; the map is never changed.
var applets = sync.OnceValue(func() map[string]Applet {
	all := map[string]Applet{}
	for _, group := range []map[string]Applet{
		basicApplets(), fileApplets(), listApplets(), findApplets(), textApplets(), grepApplets(), moreTextApplets(), sedApplets(),
		dataApplets(), runApplets(), androidApplets(), processApplets(),
	} {
		maps.Copy(all, group)
	}
	all["which"] = which
	return all
})

// Names lists every applet's name.
func Names() []string { return slices.Sorted(maps.Keys(applets())) }

// Lookup finds an applet by name; nil means there is none.
func Lookup(name string) Applet { return applets()[name] }

func (c *Call) name() string              { return path.Base(c.Args[0]) }
func (c *Call) abs(p string) string       { return vfs.Abs(c.Dir, p) }
func (c *Call) printf(f string, a ...any) { fmt.Fprintf(c.Out, f, a...) }

// fail says what is wrong and returns the status for it.
func (c *Call) fail(format string, a ...any) int {
	origin := ""
	if c.Builtin {
		origin = c.Origin
	}
	fmt.Fprintf(c.Err, "%s%s: %s\n", origin, c.name(), fmt.Sprintf(format, a...))
	return 1
}

// needs says that arguments are missing.
func (c *Call) needs(n int) int {
	if n == 1 {
		return c.fail("Needs 1 argument (see \"%s --help\")", c.name())
	}
	return c.fail("Need %d arguments (see \"%s --help\")", n, c.name())
}

// plain is an applet without options; it needs so many arguments.
func plain(least int, run func(c *Call, args []string) int) Applet {
	return func(c *Call) int {
		o, ok := c.parse("")
		if !ok {
			return 1
		}
		if len(o.args) < least {
			return c.needs(least)
		}
		return run(c, o.args)
	}
}

// failPath says that p could not be used, and why.
func (c *Call) failPath(p string, err error) int { return c.fail("%s: %s", p, vfs.Reason(err)) }

func (c *Call) getenv(name string) string {
	for _, kv := range c.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// options are the parsed flags of a call.
type options struct {
	flags map[byte]bool
	value map[byte]string
	args  []string
}

func (o options) has(letters string) bool {
	for i := range len(letters) {
		if o.flags[letters[i]] {
			return true
		}
	}
	return false
}

// parse reads options in getopt's notation ("ab:c": b takes a value). Long options are given as
// pairs of name and letter. It says so when one is unknown.
func (c *Call) parse(spec string, long ...string) (options, bool) {
	o := options{flags: map[byte]bool{}, value: map[byte]string{}}
	args := c.Args[1:]
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			args = args[1:]
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			// Options end at the first operand for commands that run others, else they may follow.
			if strings.HasPrefix(spec, "+") {
				break
			}
			o.args = append(o.args, arg)
			args = args[1:]
			continue
		}
		args = args[1:]
		letters := arg[1:]
		var inline string
		hasInline := false
		if name, ok := strings.CutPrefix(arg, "--"); ok {
			name, inline, hasInline = strings.Cut(name, "=")
			letters = longLetter(long, name)
			if letters == "" {
				c.fail("Unknown option '%s' (see \"%s --help\")", name, c.name())
				return o, false
			}
		}
		for i := 0; i < len(letters); i++ {
			at := strings.IndexByte(spec, letters[i])
			if at < 0 || letters[i] == ':' || letters[i] == '+' {
				c.fail("Unknown option '%c' (see \"%s --help\")", letters[i], c.name())
				return o, false
			}
			o.flags[letters[i]] = true
			if at+1 >= len(spec) || spec[at+1] != ':' {
				continue
			}
			before, again := o.value[letters[i]]
			switch rest := letters[i+1:]; {
			case hasInline:
				o.value[letters[i]] = inline
			case rest != "":
				o.value[letters[i]] = rest
			case len(args) > 0:
				o.value[letters[i]], args = args[0], args[1:]
			default:
				c.fail("Missing argument to -%c (see \"%s --help\")", letters[i], c.name())
				return o, false
			}
			if again && letters[i] == 'e' { // the one option that counts more than once
				o.value['e'] = before + "\n" + o.value['e']
			}
			break
		}
	}
	o.args = append(o.args, args...)
	return o, true
}

func longLetter(long []string, name string) string {
	for i := 0; i+1 < len(long); i += 2 {
		if long[i] == name {
			return long[i+1]
		}
	}
	return ""
}

// open opens p for reading; "-" is standard input.
func (c *Call) open(p string) (io.ReadCloser, error) {
	if p == "-" {
		return io.NopCloser(c.In), nil
	}
	return c.View.Open(c.abs(p), os.O_RDONLY, 0)
}

// inputs calls each with every named file in turn, or standard input when there are none.
func (c *Call) inputs(names []string, each func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		r, err := c.open(name)
		if err == nil {
			err = each(name, r)
			r.Close()
		}
		if c.Ctx.Err() != nil {
			return 1
		}
		if err != nil {
			status = c.failPath(name, err)
		}
	}
	return status
}

// copy moves r to w until the end, or until the process must end.
func (c *Call) copy(w io.Writer, r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		if err := c.Ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// maxLine bounds what an applet keeps of one line.
const maxLine = 16 << 20

// lines calls each with every line of r, without its end; out is flushed before r may block.
func (c *Call) lines(r io.Reader, out *bufio.Writer, each func(line []byte) bool) error {
	return c.wholeLines(r, out, func(line []byte) bool { return each(bytes.TrimSuffix(line, []byte{'\n'})) })
}

// wholeLines is lines with their ends; the last one may have none.
func (c *Call) wholeLines(r io.Reader, out *bufio.Writer, each func(line []byte) bool) error {
	in := bufio.NewReaderSize(&flushFirst{r: r, out: out}, 32<<10)
	var line []byte
	for {
		if err := c.Ctx.Err(); err != nil {
			return err
		}
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLine {
			continue
		}
		if len(line) > 0 && !each(line) {
			return nil
		}
		line = line[:0]
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// flushFirst lets a reader downstream see what was made so far before waiting for more.
type flushFirst struct {
	r   io.Reader
	out *bufio.Writer
}

func (f *flushFirst) Read(p []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	return f.r.Read(p)
}

func (c *Call) buffered() *bufio.Writer { return bufio.NewWriterSize(c.Out, 16<<10) }
