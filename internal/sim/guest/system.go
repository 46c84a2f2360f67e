package guest

import (
	"context"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/tty"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// system is the guest as the applets of process p see it.
type system struct {
	g *Guest
	p *process
}

var _ toybox.System = (*system)(nil)

func (s *system) Property(name string) string          { return s.g.props.get(name) }
func (s *system) Properties() map[string]string        { return s.g.props.all() }
func (s *system) Processes() []toybox.Process          { return s.g.processes() }
func (s *system) Now() time.Time                       { return time.Now() }
func (s *system) Booted() time.Time                    { return s.g.booted }
func (s *system) CPUs() int                            { return s.g.options.CPUs }
func (s *system) Power(how string)                     { s.g.RequestPower(how) }
func (s *system) Settings(sp string) map[string]string { return s.g.config.list(sp) }

func (s *system) SetProperty(name, value string) error { return s.g.props.set(name, value) }

func (s *system) Setting(space, key string) (string, bool) { return s.g.config.get(space, key) }

func (s *system) PutSetting(space, key, value string) {
	if err := s.g.config.put(space, key, value); err != nil {
		s.g.Logf("SettingsProvider", "cannot keep %s/%s: %s", space, key, vfs.Reason(err))
	}
}

// Catch implements toybox.System.
func (s *system) Catch(handle func(), signals ...int) (release func()) {
	set := func(h func()) {
		s.p.mu.Lock()
		defer s.p.mu.Unlock()
		if s.p.caught == nil {
			s.p.caught = map[int]func(){}
		}
		for _, sig := range signals {
			if s.p.caught[sig] = h; h == nil {
				delete(s.p.caught, sig)
			}
		}
	}
	set(handle)
	return func() { set(nil) }
}

func (s *system) Signal(from *vfs.View, pid, sig int) error {
	for _, service := range s.g.services() {
		if pid == service.PID {
			if from.UID != 0 {
				return syscall.EPERM
			}
			return nil // init and what it keeps alive: nothing to see
		}
	}
	return s.g.table.kill(from, pid, sig)
}

// Terminal is the session's, nil if it has none.
func (s *system) Terminal() *tty.Terminal {
	if s.p.session == nil {
		return nil
	}
	return s.p.session.terminal
}

// IsTerminal: a session with a terminal has it on its own streams, wherever they were passed on to.
func (s *system) IsTerminal(c *toybox.Call, fd int) bool {
	session := s.p.session
	if session == nil || session.terminal == nil {
		return false
	}
	switch fd {
	case 0:
		in := stdinFile(c.In)
		return in != nil && in == session.stdin
	case 1, 2:
		w := c.Out
		if fd == 2 {
			w = c.Err
		}
		_, is := underlying(w).(*sessionOut)
		return is
	}
	return false
}

func (s *system) Run(c *toybox.Call, args []string, how toybox.RunOptions) int {
	cred := s.p.cred
	if how.UID >= 0 {
		cred = vfs.Cred{UID: how.UID, GID: how.UID, Groups: shellGroups()}
	}
	child, err := s.g.enter(func() (*process, error) { return s.g.table.fork(s.p, cred, s.p.session, args, how.NewGroup) })
	if err != nil {
		io.WriteString(c.Err, c.Args[0]+": "+err.Error()+"\n")
		return 126
	}
	if how.IgnoreHUP {
		child.mu.Lock()
		child.ignored = map[int]bool{toybox.SIGHUP: true}
		child.mu.Unlock()
	}
	s.p.mu.Lock()
	s.p.child = child
	s.p.mu.Unlock()
	next := *c
	next.Args = args
	next.Origin = c.Args[0] + byApplet
	next.View = s.g.view(child)
	next.View.Umask = c.View.Umask
	s.g.start(child, &next)
	if how.Ctx == nil {
		how.Ctx = c.Ctx
	}
	select {
	case <-child.exited:
	case <-how.Ctx.Done():
		if c.Ctx.Err() == nil {
			child.deliver(how.Signal)
			select {
			case <-child.exited:
			case <-c.Ctx.Done():
			}
		} else if sig := s.p.killedBy(); sig != 0 {
			// The parent is gone; a shell's child would live on, a helper's (timeout, env) has its place.
			child.deliver(sig)
		}
	}
	select {
	case <-child.exited:
		return child.status
	default:
		return 1
	}
}

// start runs c as process p in a goroutine of its own.
func (g *Guest) start(p *process, c *toybox.Call) {
	next, done := g.prepare(p, c)
	go func() {
		defer g.leave()
		status := g.execute(p, next)
		done()
		g.table.finish(p, status)
	}()
}

// prepare makes c process p's own: its context, its view and streams that end with it. The
// caller calls done when the command has ended.
func (g *Guest) prepare(p *process, c *toybox.Call) (next *toybox.Call, done func()) {
	sigpipe := func() { p.deliver(toybox.SIGPIPE) }
	var ends []*pipeEnd
	pipe := func(f *os.File) *pipeEnd {
		e := &pipeEnd{ctx: p.ctx, file: f, pipe: sigpipe}
		ends = append(ends, e)
		return e
	}
	own := *c
	own.Ctx = p.ctx
	own.Sys = &system{g, p}
	switch in := c.In.(type) {
	case nil:
		own.In = discard{}
	default:
		if file := stdinFile(in); file != nil {
			end := pipe(file)
			if p.session != nil && file == p.session.stdin {
				end.tty = p.session.terminal
			}
			own.In = end
		}
	}
	holds := false
	output := func(w io.Writer) io.Writer {
		switch w := w.(type) {
		case *sessionOut:
			holds = true
			return &sessionOut{ctx: p.ctx, w: w.w, pipe: sigpipe}
		case *os.File:
			return pipe(w)
		case *pipeEnd:
			return pipe(w.file)
		}
		return w
	}
	same := c.Out == c.Err
	own.Out = output(c.Out)
	if own.Err = own.Out; !same {
		own.Err = output(c.Err)
	}
	p.hold(holds)
	own.View.PID = p.pid
	own.View.Descriptor = p.descriptors(own.In, own.Out, own.Err)
	return &own, func() {
		for _, e := range ends {
			e.Close()
		}
	}
}

// descriptors serves /dev/fd from three streams, and as number -1 the session's terminal.
func (p *process) descriptors(in io.Reader, out, errs io.Writer) func(int) (io.ReadWriter, error) {
	three := descriptors(in, out, errs)
	return func(n int) (io.ReadWriter, error) {
		if n >= 0 {
			return three(n)
		}
		if p.session == nil || p.session.terminal == nil {
			return nil, syscall.ENXIO
		}
		t := p.session.terminal
		keys := &pipeEnd{ctx: p.ctx, file: p.session.stdin, tty: t}
		return struct {
			io.Reader
			io.Writer
		}{keys, &sessionOut{ctx: p.ctx, w: t}}, nil
	}
}

// descriptors serves /dev/fd from three streams.
func descriptors(in io.Reader, out, errs io.Writer) func(int) (io.ReadWriter, error) {
	return func(n int) (io.ReadWriter, error) {
		switch {
		case n == 0 && in != nil:
			return readOnly{in}, nil
		case n == 1:
			return writeOnly{out}, nil
		case n == 2:
			return writeOnly{errs}, nil
		}
		return nil, syscall.EBADF
	}
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, syscall.EBADF }

type writeOnly struct{ io.Writer }

func (writeOnly) Read([]byte) (int, error) { return 0, syscall.EBADF }

// execute becomes the command c names: an applet, the shell, or a script file.
func (g *Guest) execute(p *process, c *toybox.Call) int {
	file, err := lookPath(c.View, c.Dir, pathOf(c.Env), c.Args[0])
	if err != nil {
		return g.notFound(c, err)
	}
	p.rename(c.Args)
	if strings.HasPrefix(file, "/system/bin/") {
		if name := path.Base(file); name == "sh" {
			return g.runShell(p, c, false)
		} else if run := g.android[name]; run != nil {
			return run(c)
		} else if run := toybox.Lookup(name); run != nil {
			return run(c)
		}
	}
	return g.runFile(p, c, file)
}

// isOld tells Android 10 and 11, whose shell is another release.
func (g *Guest) isOld() bool { return g.options.Release == "10" || g.options.Release == "11" }

// byApplet ends the Origin of a command that an applet starts.
const byApplet = ": exec "

func (g *Guest) notFound(c *toybox.Call, err error) int {
	status, reason := 127, "inaccessible or not found"
	if g.isOld() {
		reason = "not found"
	}
	if strings.HasSuffix(c.Origin, byApplet) {
		io.WriteString(c.Err, c.Origin+c.Args[0]+": "+vfs.Reason(err)+"\n")
		if vfs.Errno(err) != syscall.ENOENT {
			status = 126
		}
		return status
	}
	if errno := vfs.Errno(err); errno != syscall.ENOENT {
		status, reason = 126, "can't execute: "+vfs.Reason(err)
	}
	io.WriteString(c.Err, c.Origin+c.Args[0]+": "+reason+"\n")
	return status
}

// runFile runs a script, by the interpreter its first line names or by the shell.
func (g *Guest) runFile(p *process, c *toybox.Call, file string) int {
	f, err := c.View.Open(file, os.O_RDONLY, 0)
	if err != nil {
		return g.notFound(c, err)
	}
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	f.Close()
	first, _, _ := strings.Cut(string(head[:n]), "\n")
	if strings.Contains(c.Args[0], "/") {
		file = c.Args[0] // a script sees the name it was called by
	}
	next := *c
	next.Args = append([]string{"sh", file}, c.Args[1:]...)
	if words, ok := strings.CutPrefix(first, "#!"); ok {
		fields := strings.Fields(words)
		if len(fields) == 0 {
			return g.notFound(c, syscall.ENOEXEC)
		}
		if path.Base(fields[0]) != "sh" {
			next.Args = slices.Concat(fields, []string{file}, c.Args[1:])
			if !strings.HasPrefix(fields[0], "/system/bin/") && !strings.HasPrefix(fields[0], "/bin/") {
				return g.notFound(&next, syscall.ENOENT)
			}
			return g.execute(p, &next)
		}
	} else if strings.IndexByte(first, 0) >= 0 || strings.HasPrefix(first, "\x7fELF") {
		io.WriteString(c.Err, c.Origin+c.Args[0]+": not executable: 64-bit ELF file\n")
		return 126
	}
	return g.runShell(p, &next, false)
}

func pathOf(env []string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			return v
		}
	}
	return defaultPath
}

// lookPath finds the file that runs command name: its real path, links followed.
func lookPath(v *vfs.View, dir, searchPath, name string) (string, error) {
	if strings.Contains(name, "/") {
		if info, err := v.Stat(vfs.Abs(dir, name)); err == nil && info.Mode.IsDir() {
			return "", syscall.EISDIR
		}
		return executable(v, vfs.Abs(dir, name))
	}
	result := error(syscall.ENOENT)
	if name == "" {
		return "", result
	}
	for place := range strings.SplitSeq(searchPath, ":") {
		file, err := executable(v, vfs.Abs(dir, place)+"/"+name)
		if err == nil {
			return file, nil
		}
		if vfs.Errno(err) == syscall.EACCES && place != "" {
			if info, serr := v.Stat(vfs.Abs(dir, place) + "/" + name); serr == nil && !info.Mode.IsDir() {
				result = syscall.EACCES
			}
		}
	}
	return "", result
}

func executable(v *vfs.View, file string) (string, error) {
	info, err := v.Stat(file)
	switch {
	case err != nil:
		return "", err
	case info.Mode.IsDir():
		return "", syscall.EACCES
	}
	if err := v.Access(file, 1); err != nil {
		return "", err
	}
	return v.RealPath(file)
}

// untilKilled is a context that p's being killed ends, and its normal end does not. After detach
// not even the former: a signal that reaches p when it is about to end, or has ended, must not take
// the context from the jobs that p leaves behind.
func untilKilled(parent context.Context, p *process) (ctx context.Context, cancel context.CancelFunc, detach func()) {
	ctx, end := context.WithCancel(parent)
	stop := context.AfterFunc(p.ctx, func() {
		if p.killedBy() != 0 {
			end()
		}
	})
	return ctx, func() { stop(); end() }, func() { stop() }
}
