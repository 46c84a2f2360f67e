package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// More internal commands; see rewrite.go for the others.
const (
	cmdExit    = "\x01exit"
	cmdStatus  = "\x01status"
	cmdMissing = "\x01missing"
	cmdType    = "\x01type"
	cmdWhich   = "\x01which"
	cmdKill    = "\x01kill"
	cmdWait    = "\x01wait"
	cmdUmask   = "\x01umask"
	cmdApplet  = "\x01applet"
)

// internal is a command that runs inside the shell, for process self.
type internal func(sh *shell, ctx context.Context, hc interp.HandlerContext, self *process, args []string) error

// internalOf finds an internal command; nil means there is none.
func internalOf(name string) internal {
	switch name {
	case cmdExec:
		return func(sh *shell, _ context.Context, hc interp.HandlerContext, self *process, args []string) error {
			return sh.replace(hc, self, args[1:])
		}
	case cmdExit:
		return (*shell).exit
	case cmdStatus:
		return func(_ *shell, _ context.Context, _ interp.HandlerContext, _ *process, args []string) error {
			return exitStatus(number(args, 1))
		}
	case cmdMissing:
		return (*shell).missing
	case cmdType, cmdWhich:
		return (*shell).describe
	case cmdKill:
		return (*shell).kill
	case cmdApplet:
		return (*shell).applet
	case cmdWait:
		return (*shell).wait
	case cmdUmask:
		return (*shell).setUmask
	case cmdEnter:
		return (*shell).enterJob
	case cmdLeave:
		return (*shell).leaveJob
	case cmdStage:
		return (*shell).stage
	case cmdStaged:
		return (*shell).staged
	case cmdCall:
		return (*shell).callDepth
	case cmdFD:
		return (*shell).setDescriptor
	case cmdFDEnd:
		return (*shell).endDescriptors
	}
	return nil
}

func number(args []string, i int) int {
	if i >= len(args) {
		return 0
	}
	n, _ := strconv.Atoi(args[i])
	return n
}

func (sh *shell) exit(ctx context.Context, hc interp.HandlerContext, _ *process, args []string) error {
	return hc.Builtin(ctx, []string{"exit", args[1]})
}

func (sh *shell) missing(_ context.Context, hc interp.HandlerContext, self *process, args []string) error {
	return exitStatus(sh.g.execute(self, sh.child(hc, self, args[1:])))
}

// describe is type (in words) and command -v.
func (sh *shell) describe(_ context.Context, hc interp.HandlerContext, self *process, args []string) error {
	wordy, kind, name := args[0] == cmdType, args[1], args[2]
	say := func(short, long string) error {
		if wordy {
			short = name + " is " + long
		}
		fmt.Fprintln(hc.Stdout, short)
		return nil
	}
	switch {
	case syntax.IsKeyword(name):
		return say(name, "a reserved word")
	case kind == "function":
		return say(name, "a function")
	case isShellBuiltin(name):
		return say(name, "a shell builtin")
	}
	if file, err := lookPath(sh.view(self), hc.Dir, hc.Env.Get("PATH").Str, name); err == nil {
		return say(file, file)
	}
	if wordy {
		fmt.Fprintf(hc.Stdout, "%s not found\n", name)
	}
	return exitStatus(1)
}

// isShellBuiltin knows the builtins of Android's shell.
func isShellBuiltin(name string) bool {
	switch name {
	case ".", ":", "[", "alias", "bg", "break", "builtin", "cd", "command", "continue", "echo", "eval", "exec", "exit",
		"export", "false", "fg", "getopts", "hash", "jobs", "kill", "let", "local", "print", "pwd", "read", "readonly",
		"return", "set", "shift", "source", "test", "times", "trap", "true", "type", "typeset", "ulimit", "umask",
		"unalias", "unset", "wait", "whence":
		return true
	}
	return false
}

// applet runs a command without a process of its own: a builtin, or one too cheap for a fork.
// printf is no builtin of the real shell, so it does not speak in its name.
func (sh *shell) applet(_ context.Context, hc interp.HandlerContext, self *process, args []string) error {
	run := toybox.Lookup(args[1])
	c := sh.child(hc, self, args[1:])
	c.Builtin = args[1] != "printf"
	return exitStatus(run(c))
}

func (sh *shell) kill(_ context.Context, hc interp.HandlerContext, self *process, args []string) error {
	args[0] = "kill"
	c := sh.child(hc, self, args)
	c.Builtin = true
	status := toybox.Lookup("kill")(c)
	if self == sh.p && self.killedBy() != 0 {
		return errKilled
	}
	return exitStatus(status)
}

// wait waits for jobs of this shell: all of them, or those named by pid.
func (sh *shell) wait(ctx context.Context, hc interp.HandlerContext, self *process, args []string) error {
	if len(args) == 1 {
		sh.mu.Lock()
		jobs := make([]*process, 0, len(sh.jobs))
		for _, job := range sh.jobs {
			if job != self {
				jobs = append(jobs, job)
			}
		}
		sh.mu.Unlock()
		for _, job := range jobs {
			if err := sh.await(ctx, self, job); errors.Is(err, errKilled) {
				return err
			}
		}
		return nil
	}
	var last error
	for i := range args[1:] {
		sh.mu.Lock()
		job := sh.jobs[number(args, i+1)]
		sh.mu.Unlock()
		if job == nil || job == self {
			last = exitStatus(127)
			continue
		}
		if last = sh.await(ctx, self, job); errors.Is(last, errKilled) {
			return last
		}
	}
	return last
}

func (sh *shell) setUmask(_ context.Context, hc interp.HandlerContext, _ *process, args []string) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(args) == 1 {
		fmt.Fprintf(hc.Stdout, "%03o\n", sh.umask)
		return nil
	}
	mask, err := strconv.ParseUint(args[1], 8, 32)
	if err != nil || mask > 0o777 {
		fmt.Fprintf(hc.Stderr, "%sumask: bad number\n", sh.where(hc))
		return exitStatus(1)
	}
	sh.umask = uint32(mask)
	return nil
}

// enterJob is the first thing a background job does: its redirections are in force now.
func (sh *shell) enterJob(_ context.Context, hc interp.HandlerContext, self *process, _ []string) error {
	_, out := underlying(hc.Stdout).(*sessionOut)
	_, errs := underlying(hc.Stderr).(*sessionOut)
	if self != sh.p {
		self.hold(out || errs)
	}
	return nil
}

// underlying is the output that a copy of a descriptor leads to.
func underlying(w io.Writer) io.Writer {
	for {
		s, ok := w.(*stream)
		if !ok {
			return w
		}
		w = s.out
	}
}

// leaveJob is the last thing a background job does.
func (sh *shell) leaveJob(_ context.Context, hc interp.HandlerContext, self *process, _ []string) error {
	if self != sh.p {
		sh.endJob(self, hc.LastExitStatus)
	}
	return nil
}

// stage and staged bound how many parts of pipelines run at once, as the process table would.
func (sh *shell) stage(ctx context.Context, hc interp.HandlerContext, _ *process, _ []string) error {
	if int(sh.stages.Add(1)) <= sh.g.options.MaxProcesses {
		return nil
	}
	sh.stages.Add(-1)
	fmt.Fprintf(hc.Stderr, "%s%v\n", sh.where(hc), errCannotFork)
	return hc.Builtin(ctx, []string{"exit", "1"})
}

func (sh *shell) staged(_ context.Context, hc interp.HandlerContext, _ *process, _ []string) error {
	sh.stages.Add(-1)
	return exitStatus(hc.LastExitStatus)
}

// maxCalls is how deep functions may call functions.
const maxCalls = 400

func (sh *shell) callDepth(ctx context.Context, hc interp.HandlerContext, _ *process, _ []string) error {
	if depth, _ := strconv.Atoi(hc.Env.Get(varDepth).Str); depth <= maxCalls {
		return nil
	}
	fmt.Fprintln(hc.Stderr, sh.where(hc)+"functions are nested too deep")
	return hc.Builtin(ctx, []string{"exit", "1"})
}
