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

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// onCall sees every simple command before it runs and may put another in its place. It keeps the
// interpreter's builtins from the host and makes them behave as Android's shell.
func (sh *shell) onCall(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	self := sh.self(hc)
	_ = sh.g.options.Gate.Wait(self.ctx) // a killed one learns that next
	if sig := self.killedBy(); sig != 0 {
		if self == sh.p {
			return nil, errKilled
		}
		sh.endJob(self, 1)
		return []string{cmdExit, strconv.Itoa(128 + sig)}, nil
	}
	if callback, ok := self.takeTrap(); ok {
		return []string{"eval", callback + "\n" + quoteAll(args)}, nil
	}
	tail := args[0] == cmdTail
	if tail {
		if args = args[1:]; len(args) == 0 {
			return []string{":"}, nil
		}
	}
	replaced := sh.substitute(hc, self, args)
	if tail && &replaced[0] == &args[0] && !interp.IsBuiltin(args[0]) && !sh.isFunction(args[0]) {
		return append([]string{"exec", cmdExec}, args...), nil
	}
	return replaced, nil
}

func (p *process) takeTrap() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return "", false
	}
	callback := p.traps[p.pending[0]]
	p.pending = p.pending[1:]
	return callback, callback != ""
}

func quoteAll(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// substitute is the command that runs instead of args; args itself if it is harmless.
func (sh *shell) substitute(hc interp.HandlerContext, self *process, args []string) []string {
	name := args[0]
	switch name {
	case "eval":
		return sh.eval(hc, args[1:])
	case ".", "source":
		return sh.source(hc, self, args)
	case "command", "builtin":
		return sh.commandBuiltin(hc, self, args)
	case "type", "whence":
		return lookups(cmdType, args[1:])
	case "pwd":
		if len(args) > 1 {
			return append([]string{"/system/bin/pwd"}, args[1:]...)
		}
		return args
	case "exec":
		return execBuiltin(args)
	case "unset":
		if slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, "[") }) {
			return sh.complain(hc, 1, "unset: elements cannot be unset in the simulated shell")
		}
		return args
	case "trap":
		return sh.trap(hc, self, args)
	case cmdFork:
		return sh.fork(hc, self)
	}
	if sh.isFunction(name) {
		return args
	}
	switch name {
	case "echo":
		return sh.echo(hc, args)
	case "printf":
		if brokenPipe(hc) {
			return []string{cmdExit, strconv.Itoa(128 + toybox.SIGPIPE)}
		}
		return append([]string{cmdApplet}, args...)
	case "test", "[":
		return append([]string{cmdApplet}, args...)
	case "cd":
		return sh.cd(hc, self, args)
	case "kill", "wait", "umask":
		return append([]string{"\x01" + name}, args[1:]...)
	case "ulimit":
		return []string{"builtin", "printf", "%s\n", "unlimited"}
	case "jobs", "fg", "bg", "hash", "alias", "unalias":
		return []string{":"}
	case "shopt", "pushd", "popd", "dirs", "mapfile", "readarray", "help", "history", "complete", "compgen",
		"compopt", "caller", "bind", "enable", "suspend", "logout", "disown", "newgrp", "fc":
		return []string{cmdMissing, name}
	}
	return args
}

func (sh *shell) isFunction(name string) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.functions[name]
}

// complain prints a message and leaves status behind.
func (sh *shell) complain(hc interp.HandlerContext, status int, format string, a ...any) []string {
	fmt.Fprintf(hc.Stderr, "%s%s\n", sh.where(hc), fmt.Sprintf(format, a...))
	return []string{cmdStatus, strconv.Itoa(status)}
}

func brokenPipe(hc interp.HandlerContext) bool {
	f, ok := hc.Stdout.(*os.File)
	return ok && readerGone(f)
}

// echo is Android's: backslashes count unless -E is given. In a pipe that nobody reads it ends
// the shell as SIGPIPE would; the interpreter would go on for ever.
func (sh *shell) echo(hc interp.HandlerContext, args []string) []string {
	if brokenPipe(hc) {
		return []string{cmdExit, strconv.Itoa(128 + toybox.SIGPIPE)}
	}
	var b strings.Builder
	toybox.Lookup("echo")(&toybox.Call{Args: args, Out: &b})
	return []string{"builtin", "printf", "%s", b.String()}
}

func (sh *shell) eval(hc interp.HandlerContext, args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	text, err := sh.rewritten(strings.Join(args, " "))
	if err != nil {
		return sh.complain(hc, 1, "eval: %v", err)
	}
	return []string{"eval", text}
}

// rewritten is source, remembering the functions the text defines.
func (sh *shell) rewritten(text string) (string, error) {
	out, err := source(text)
	if err == nil && strings.Contains(text, "()") || strings.Contains(text, "function") {
		if file, perr := newParser().Parse(strings.NewReader(text), ""); perr == nil {
			sh.noteFunctions(file)
		}
	}
	return out, err
}

// maxSourced bounds a sourced file.
const maxSourced = 8 << 20

// source hands the interpreter a rewritten copy of the file, under a name that exists nowhere.
func (sh *shell) source(hc interp.HandlerContext, self *process, args []string) []string {
	if len(args) < 2 {
		return sh.complain(hc, 1, ".: missing argument")
	}
	v := sh.view(self)
	path := vfs.Abs(hc.Dir, args[1])
	if !strings.Contains(args[1], "/") {
		for dir := range strings.SplitSeq(hc.Env.Get("PATH").Str, ":") {
			file := vfs.Abs(hc.Dir, dir) + "/" + args[1]
			if info, err := v.Stat(file); err == nil && info.Mode.IsRegular() {
				path = file
				break
			}
		}
	}
	in, _ := hc.Stdin.(*os.File)
	if in != nil {
		v.Descriptor = descriptors(in, hc.Stdout, hc.Stderr)
	}
	f, err := v.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return sh.complain(hc, 1, ".: %s: %s", args[1], vfs.Reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSourced))
	if err != nil {
		return sh.complain(hc, 1, ".: %s: %s", args[1], vfs.Reason(err))
	}
	out, err := sh.rewritten(string(text))
	if err != nil {
		return sh.complain(hc, 1, "%s: syntax error: %v", args[1], err)
	}
	return append([]string{".", sh.putSource(out)}, args[2:]...)
}

// commandBuiltin runs or describes a command without looking at functions.
func (sh *shell) commandBuiltin(hc interp.HandlerContext, self *process, args []string) []string {
	kind, rest := args[0], args[1:]
	for kind == "command" && len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		flag := rest[0]
		rest = rest[1:]
		switch flag {
		case "-p", "--":
			continue
		case "-v":
			return lookups(cmdWhich, rest)
		case "-V":
			return lookups(cmdType, rest)
		}
		return sh.complain(hc, 1, "command: %s: unknown option", flag)
	}
	if len(rest) == 0 {
		return []string{":"}
	}
	if next := sh.substitute(hc, self, rest); &next[0] != &rest[0] {
		return next
	}
	if interp.IsBuiltin(rest[0]) {
		return append([]string{"builtin"}, rest...)
	}
	if kind == "builtin" {
		return sh.complain(hc, 1, "builtin: %s: not a builtin", rest[0])
	}
	return append([]string{"command"}, rest...)
}

// lookups asks the interpreter which names are functions and the guest about the others.
func lookups(how string, names []string) []string {
	var b strings.Builder
	b.WriteString(how + "begin")
	for _, name := range names {
		q := quoteAll([]string{name})
		if syntax.ValidName(name) {
			fmt.Fprintf(&b, "\nif declare -f %s >/dev/null; then %s function %s; else %s other %s; fi", name, how, q, how, q)
		} else {
			fmt.Fprintf(&b, "\n%s other %s", how, q)
		}
	}
	text := strings.TrimPrefix(b.String(), how+"begin")
	if text == "" {
		text = ":"
	}
	return []string{"eval", text}
}

func execBuiltin(args []string) []string {
	rest := args[1:]
	for len(rest) > 0 && (rest[0] == "--" || rest[0] == "-c") {
		rest = rest[1:]
	}
	if len(rest) > 1 && rest[0] == "-a" {
		rest = rest[2:]
	}
	if len(rest) == 0 {
		return []string{"exec"}
	}
	return append([]string{"exec", cmdExec}, rest...)
}

// cd words its errors, and knows its options, as Android's shell does.
func (sh *shell) cd(hc interp.HandlerContext, self *process, args []string) []string {
	rest := args[1:]
	physical := false
	for len(rest) > 0 && (rest[0] == "-P" || rest[0] == "-L" || rest[0] == "--") {
		physical = rest[0] == "-P"
		rest = rest[1:]
	}
	if len(rest) == 0 || rest[0] == "-" {
		return append([]string{"cd"}, rest...)
	}
	dir := rest[0]
	v := sh.view(self)
	info, err := v.Stat(vfs.Abs(hc.Dir, dir))
	switch {
	case err != nil:
		return sh.complain(hc, 2, "cd: %s: %s", dir, vfs.Reason(err))
	case !info.Mode.IsDir():
		return sh.complain(hc, 2, "cd: %s: Not a directory", dir)
	}
	if err := v.Access(vfs.Abs(hc.Dir, dir), 1); err != nil {
		return sh.complain(hc, 2, "cd: %s: %s", dir, vfs.Reason(err))
	}
	if physical {
		dir, _ = v.RealPath(vfs.Abs(hc.Dir, dir))
	}
	return []string{"cd", dir}
}

// trap keeps traps on signals in the process; EXIT and ERR are the interpreter's.
func (sh *shell) trap(hc interp.HandlerContext, self *process, args []string) []string {
	rest := args[1:]
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) < 2 {
		return append([]string{"trap"}, rest...)
	}
	callback, err := sh.rewritten(rest[0])
	if rest[0] == "-" {
		callback, err = "", nil
	}
	if err != nil {
		return sh.complain(hc, 1, "trap: %v", err)
	}
	keep := []string{}
	for _, name := range rest[1:] {
		name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
		if name == "EXIT" || name == "0" {
			sh.mu.Lock()
			sh.exitTrap = true
			sh.mu.Unlock()
			keep = append(keep, "EXIT")
			continue
		}
		if name == "ERR" {
			keep = append(keep, "ERR")
			continue
		}
		sig, ok := toybox.SignalNumber(name)
		if !ok {
			return sh.complain(hc, 1, "trap: bad signal %s", name)
		}
		self.setTrap(sig, callback, rest[0] == "")
	}
	if len(keep) == 0 {
		return []string{":"}
	}
	if callback == "" {
		callback = "-"
	}
	return append([]string{"trap", "--", callback}, keep...)
}

func (p *process) setTrap(sig int, callback string, ignore bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.traps == nil {
		p.traps = map[int]string{}
	}
	if p.ignored == nil {
		p.ignored = map[int]bool{}
	}
	p.traps[sig] = callback
	p.ignored[sig] = ignore
}

// fork makes the process of a background job.
func (sh *shell) fork(hc interp.HandlerContext, self *process) []string {
	job, err := sh.g.table.fork(self, self.cred, self.session, []string{"sh"}, sh.interactive.Load())
	if errors.Is(err, errKilled) {
		return []string{cmdExit, strconv.Itoa(128 + self.killedBy())}
	}
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s%v\n", sh.where(hc), err)
		return []string{cmdExit, "1"}
	}
	job.hold(true)
	sh.mu.Lock()
	if sh.closed {
		// One of two parts of a killed job was about to start a job when the other has ended the
		// shell's last one, and so its interpreter: nobody would ever run this one, nor end it.
		sh.mu.Unlock()
		sh.g.table.finish(job, 1)
		return []string{cmdExit, "1"}
	}
	sh.users++
	for pid, old := range sh.jobs {
		if len(sh.jobs) > sh.g.options.MaxProcesses && isDone(old) {
			delete(sh.jobs, pid)
		}
	}
	sh.jobs[job.pid] = job
	sh.mu.Unlock()
	return []string{"eval", varJob + "=" + strconv.Itoa(job.pid)}
}

// endJob ends a background job, once.
func (sh *shell) endJob(job *process, status int) {
	if sh.g.table.finish(job, status) {
		sh.unuse()
	}
}

func isDone(p *process) bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}
