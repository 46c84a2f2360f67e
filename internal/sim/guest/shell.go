package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// shell is one run of sh. Its handlers run on the interpreter's goroutines, of which background
// jobs and pipelines have several.
type shell struct {
	g           *Guest
	p           *process
	call        *toybox.Call
	ctx         context.Context // done when the shell was killed, or it and its jobs have ended
	runner      *interp.Runner
	status      int
	stages      atomic.Int32
	interactive atomic.Bool
	prompt      func(status int)            // of an interactive shell
	size        [2]int                      // of the terminal, as LINES and COLUMNS have it
	origin      struct{ name, file string } // what messages begin with; file is "" for sh -c

	mu          sync.Mutex
	closed      bool // nothing of the shell runs any more, or it was killed: no job starts
	users       int  // the shell and its running jobs
	jobs        map[int]*process
	functions   map[string]bool
	sources     map[string]string
	descriptors map[int]*descriptor // those above 2
	umask       uint32
	exitTrap    bool
	cancel      context.CancelFunc
}

// runShell is the sh command as process p.
func (g *Guest) runShell(p *process, c *toybox.Call, tty bool) int {
	v, err := parseInvocation(c.Args)
	if err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", c.Args[0], err)
		return 1
	}
	if args := v.onlyProgram(); args != nil {
		next := *c
		next.Args, next.Origin = args, v.name+": "
		call, done := g.prepare(p, &next)
		defer done()
		return g.execute(p, call)
	}
	sh := &shell{g: g, p: p, call: c, users: 1, jobs: map[int]*process{}, functions: map[string]bool{},
		sources: map[string]string{}, umask: uint32(c.View.Umask)}
	var detach func()
	sh.ctx, sh.cancel, detach = untilKilled(g.table.ctx, p)
	defer sh.close(detach)
	sh.origin.name = v.name
	switch {
	case v.file != "":
		sh.origin.file = v.file
	case !v.isCommand:
		sh.origin.file = "<stdin>"
	}
	if err := sh.build(v); err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", c.Args[0], err)
		return 1
	}
	switch {
	case v.isCommand:
		sh.command(v.command)
	case v.file != "":
		return sh.file(v.file)
	default:
		r := &scriptReader{ctx: sh.ctx, file: stdinFile(c.In)}
		if p.session != nil && r.file == p.session.stdin {
			r.tty = p.session.terminal
		}
		sh.script(r, r.tty != nil && (tty || v.interactive || p.session.terminal != nil))
	}
	return sh.status
}

// close ends the shell's own use of what it shares with its jobs.
func (sh *shell) close(detach func()) {
	detach() // from here on it counts whether the shell was killed, not whether it will be
	if sh.p.killedBy() != 0 {
		sh.mu.Lock()
		jobs := sh.jobs
		sh.jobs = map[int]*process{}
		sh.closed = true
		sh.mu.Unlock()
		for _, job := range jobs {
			job.deliver(sh.p.killedBy())
			sh.endJob(job, 1)
		}
		sh.cancel()
	}
	sh.unuse()
}

func (sh *shell) unuse() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.users--; sh.users == 0 {
		sh.closed = true
		sh.cancel()
		for _, d := range sh.descriptors {
			if d.close != nil {
				d.close()
			}
		}
		sh.descriptors = nil
	}
}

func stdinFile(in io.Reader) *os.File {
	switch in := in.(type) {
	case *os.File:
		return in
	case *pipeEnd:
		return in.file
	}
	return nil
}

// build makes the interpreter. Its options are set so that it never looks at the host: the
// working directory directly (interp.Dir would stat it), every variable it has a default for,
// and a directory for named pipes that cannot exist.
func (sh *shell) build(v invocation) error {
	c := sh.call
	env := sh.environ(v)
	var in io.Reader
	if f := stdinFile(c.In); f != nil {
		in = f
	}
	out := func(w io.Writer) io.Writer {
		if o, ok := w.(*sessionOut); ok {
			return &sessionOut{ctx: sh.ctx, w: o.w, pipe: o.pipe}
		}
		return w
	}
	outW, errW := out(c.Out), out(c.Err)
	if c.Out == c.Err {
		errW = outW
	}
	runner, err := interp.New(
		func(r *interp.Runner) error {
			r.Dir = c.Dir
			r.Vars = make(map[string]expand.Variable, len(env.variables)+8) // where Run puts them all
			return nil
		},
		interp.Env(env),
		interp.StdIO(in, outW, errW),
		interp.CallHandler(sh.onCall),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return sh.onExec }),
		interp.OpenHandler(sh.onOpen),
		interp.StatHandler(sh.onStat),
		interp.AccessHandler(sh.onAccess),
		interp.ReadDirHandler2(sh.onReadDir),
	)
	if err != nil {
		return err
	}
	runner.Reset()
	env.ready = true
	if err := interp.Params(append(v.flags, append([]string{"--"}, v.params...)...)...)(runner); err != nil {
		return err
	}
	sh.runner = runner
	return nil
}

// command runs the text of sh -c. Its last simple command takes the shell's place, as mksh has it:
// a signal to the shell's pid then reaches that command.
func (sh *shell) command(text string) {
	file, err := newParser().Parse(strings.NewReader(text), "")
	if err != nil {
		// What stands before the mistake runs, line by line.
		sh.run(strings.NewReader(text+"\n"), nil)
		return
	}
	hasFunctions := false
	syntax.Walk(file, func(n syntax.Node) bool {
		_, is := n.(*syntax.FuncDecl)
		hasFunctions = hasFunctions || is
		return !hasFunctions
	})
	for i, st := range file.Stmts {
		call, simple := st.Cmd.(*syntax.CallExpr)
		last := i == len(file.Stmts)-1 && simple && len(call.Args) > 0 && !st.Background && !st.Negated && !hasFunctions
		if last && !sh.exitTrap {
			call.Args = slices.Insert(call.Args, 0, literal(cmdTail))
		}
		if sh.stop(st) {
			return
		}
	}
	sh.end()
}

func (sh *shell) file(path string) int {
	f, err := sh.call.View.Open(vfs.Abs(sh.call.Dir, path), os.O_RDONLY, 0)
	if err != nil {
		fmt.Fprintf(sh.call.Err, "%s: %s: %s\n", sh.call.Args[0], path, vfs.Reason(err))
		return 127
	}
	defer f.Close()
	sh.run(io.MultiReader(f, strings.NewReader("\n")), nil)
	return sh.status
}

// script runs commands from a descriptor.
func (sh *shell) script(r *scriptReader, tty bool) {
	if !tty {
		sh.run(r, nil)
		return
	}
	sh.interactive.Store(true)
	sh.origin.file = "" // messages to a person have no line
	continued := false
	sh.prompt = func(status int) {
		text := "> "
		if !continued {
			mark := map[bool]string{true: "#", false: "$"}[sh.p.cred.UID == 0]
			text = sh.g.props.get("ro.product.device") + ":" + sh.runner.Dir + " " + mark + " "
			if status != 0 {
				text = strconv.Itoa(status) + "|" + text
			}
		}
		io.WriteString(sh.call.Out, text)
	}
	sh.atPrompt()
	r.prompt = func() {
		sh.prompt(sh.status)
	}
	sh.run(r, func(more bool) { continued = more })
	if sh.ctx.Err() == nil && !sh.runner.Exited() {
		io.WriteString(sh.call.Out, "\n")
	}
}

// atPrompt makes ctrl-C start a new line.
func (sh *shell) atPrompt() {
	sh.p.mu.Lock()
	defer sh.p.mu.Unlock()
	sh.p.interrupt = func() {
		io.WriteString(sh.call.Out, "\n")
		sh.prompt(128 + toybox.SIGINT)
	}
}

// run parses and runs text as it comes. more is told whether a statement goes on.
func (sh *shell) run(text io.Reader, more func(bool)) {
	parser := newParser()
	stopped := false
	src := readerFunc(func(p []byte) (int, error) {
		if stopped {
			return 0, io.EOF
		}
		return text.Read(p)
	})
	for stmts, err := range parser.InteractiveSeq(src) {
		// The loop is never left early: the parser could not bear it in the middle of a line.
		switch {
		case stopped:
		case err != nil:
			fmt.Fprintf(sh.call.Err, "%s%s\n", sh.whereAt(errorLine(err)), syntaxReason(err))
			sh.status = 1
			stopped = more == nil
		case parser.Incomplete():
			if more != nil {
				more(true)
			}
		default:
			if more != nil {
				more(false)
			}
			stopped = sh.stop(stmts...)
		}
	}
	if !stopped {
		sh.end()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// stop runs the statements of a line and reports whether the shell must end.
func (sh *shell) stop(stmts ...*syntax.Stmt) bool {
	ctx, cancel := sh.interruptible()
	defer cancel()
	for _, st := range stmts {
		if _, err := rewrite(st); err != nil {
			fmt.Fprintf(sh.call.Err, "%s%v\n", sh.whereAt(st.Position.Line()), err)
			sh.status = 1
			return true
		}
		sh.noteFunctions(st)
		err := sh.runner.Run(ctx, st)
		var exit interp.ExitStatus
		switch {
		case ctx.Err() != nil && sh.ctx.Err() == nil:
			sh.status = 128 + toybox.SIGINT
			return false
		case err == nil:
			sh.status = 0
		case errors.As(err, &exit):
			sh.status = int(exit)
		default:
			sh.status = 1
		}
		if sh.runner.Exited() || sh.ctx.Err() != nil {
			return true
		}
	}
	return false
}

// interruptible lets ctrl-C end what an interactive shell runs, but not the shell.
func (sh *shell) interruptible() (context.Context, context.CancelFunc) {
	if !sh.interactive.Load() {
		return sh.ctx, func() {}
	}
	sh.followSize()
	ctx, cancel := context.WithCancel(sh.ctx)
	sh.p.mu.Lock()
	defer sh.p.mu.Unlock()
	sh.p.interrupt = func() {
		io.WriteString(sh.call.Out, "\n")
		cancel()
	}
	return ctx, func() {
		if !sh.hasJobs() {
			cancel() // else the jobs of this line go on in it, until the shell ends
		}
		sh.atPrompt()
	}
}

// hasJobs tells whether background jobs are running.
func (sh *shell) hasJobs() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, job := range sh.jobs {
		if !isDone(job) {
			return true
		}
	}
	return false
}

// followSize keeps LINES and COLUMNS as the terminal is.
func (sh *shell) followSize() {
	t := sh.p.session.terminal
	if t == nil {
		return
	}
	rows, cols := t.Size()
	if size := [2]int{rows, cols}; size != sh.size {
		sh.size = size
		file, err := newParser().Parse(strings.NewReader(fmt.Sprintf("LINES=%d COLUMNS=%d", rows, cols)), "")
		if err == nil {
			sh.runner.Run(sh.ctx, file.Stmts[0])
		}
	}
}

// end runs the trap on EXIT after a script's last statement.
func (sh *shell) end() {
	sh.mu.Lock()
	trap := sh.exitTrap
	sh.mu.Unlock()
	if !trap || sh.ctx.Err() != nil {
		return
	}
	var exit interp.ExitStatus
	if err := sh.runner.Run(sh.ctx, &syntax.File{}); errors.As(err, &exit) {
		sh.status = int(exit)
	}
}

func (sh *shell) noteFunctions(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		if f, ok := n.(*syntax.FuncDecl); ok && f.Name != nil {
			sh.mu.Lock()
			sh.functions[f.Name.Value] = true
			sh.mu.Unlock()
		}
		return true
	})
}
