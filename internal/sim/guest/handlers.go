package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// self is the process a handler runs for: the shell, or the background job it is called from.
func (sh *shell) self(hc interp.HandlerContext) *process {
	pid, _ := strconv.Atoi(hc.Env.Get(varSelf).Str)
	if pid == sh.p.pid {
		return sh.p
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if job := sh.jobs[pid]; job != nil {
		return job
	}
	return sh.p
}

func (sh *shell) view(p *process) *vfs.View {
	v := sh.g.view(p)
	sh.mu.Lock()
	v.Umask = fs.FileMode(sh.umask)
	sh.mu.Unlock()
	return v
}

// child is the call of a command that the shell runs for a handler.
func (sh *shell) child(hc interp.HandlerContext, p *process, args []string) *toybox.Call {
	c := &toybox.Call{
		Ctx: sh.ctx, Args: args, Dir: hc.Dir, Env: exported(hc.Env), View: sh.view(p),
		Out: sh.output(hc.Stdout, p), Sys: &system{sh.g, p}, Origin: sh.where(hc),
	}
	if f, ok := hc.Stdin.(*os.File); ok && f != nil {
		c.In = f
	}
	if c.Err = c.Out; hc.Stderr != hc.Stdout {
		c.Err = sh.output(hc.Stderr, p)
	}
	return c
}

// output bounds what the interpreter collects in memory; other outputs are as they are.
func (sh *shell) output(w io.Writer, p *process) io.Writer {
	switch w := w.(type) {
	case *stream:
		return sh.output(w.out, p)
	case *sessionOut, *os.File, *pipeEnd, *openFile, *memory, discard:
		return w
	}
	if w == io.Discard {
		return discard{}
	}
	return &memory{w: w, left: maxSubstitution, full: func() { p.deliver(toybox.SIGKILL) }}
}

func exported(env expand.Environ) []string {
	values := map[string]string{}
	env.Each(func(name string, v expand.Variable) bool {
		delete(values, name)
		if v.Exported && v.Kind == expand.String && v.IsSet() {
			values[name] = v.Str
		}
		return true
	})
	list := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return list
}

// errKilled stops the interpreter of a shell that was killed.
var errKilled = errors.New("killed")

func exitStatus(n int) error {
	if n == 0 {
		return nil
	}
	return interp.ExitStatus(n)
}

// onExec runs a command that is neither a function nor a builtin.
func (sh *shell) onExec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	self := sh.self(hc)
	if run := internalOf(args[0]); run != nil {
		return run(sh, ctx, hc, self, args)
	}
	child, err := sh.g.enter(func() (*process, error) {
		return sh.g.table.fork(self, self.cred, self.session, args, false)
	})
	if errors.Is(err, errKilled) && self != sh.p {
		return exitStatus(128 + self.killedBy())
	}
	if errors.Is(err, errKilled) {
		return err
	}
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s%v\n", sh.where(hc), err)
		return exitStatus(1)
	}
	if self != sh.p || self != self.session.shell {
		// The leader of a session can be killed alone; a job or a nested shell takes its command along.
		self.mu.Lock()
		self.child = child
		self.mu.Unlock()
	}
	sh.g.start(child, sh.child(hc, child, args))
	return sh.await(ctx, self, child)
}

// await waits for p on behalf of self.
func (sh *shell) await(ctx context.Context, self, p *process) error {
	select {
	case <-p.exited:
	case <-self.ctx.Done():
	case <-ctx.Done():
	}
	select {
	case <-p.exited:
		sh.tellDeath(ctx, self, p)
		return exitStatus(p.status)
	default:
	}
	if self != sh.p && self.killedBy() != 0 {
		return exitStatus(128 + self.killedBy())
	}
	return errKilled
}

// tellDeath says what killed p, as the shell does with what it has waited for.
func (sh *shell) tellDeath(ctx context.Context, self, p *process) {
	sig := p.killedBy()
	if sig == 0 || sig == toybox.SIGINT || sig == toybox.SIGPIPE || self.killedBy() != 0 || sh.ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	told := p.told
	p.told = true
	p.mu.Unlock()
	if text := toybox.SignalText(sig); text != "" && !told {
		fmt.Fprintf(interp.HandlerCtx(ctx).Stderr, "%s \n", text)
	}
}

// replace runs args in self's place, as exec does.
func (sh *shell) replace(hc interp.HandlerContext, self *process, args []string) error {
	call, done := sh.g.prepare(self, sh.child(hc, self, args))
	defer done()
	return exitStatus(sh.g.execute(self, call))
}

func (sh *shell) onStat(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
	v := sh.view(sh.self(interp.HandlerCtx(ctx)))
	look := v.Lstat
	if follow {
		look = v.Stat
	}
	info, err := look(name)
	if err != nil {
		return nil, err
	}
	return fileInfo{info}, nil
}

func (sh *shell) onAccess(ctx context.Context, path string, mode interp.AccessMode) error {
	return sh.view(sh.self(interp.HandlerCtx(ctx))).Access(path, uint32(mode))
}

func (sh *shell) onReadDir(ctx context.Context, path string) ([]fs.DirEntry, error) {
	list, err := sh.view(sh.self(interp.HandlerCtx(ctx))).ReadDir(path)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(list))
	for i, info := range list {
		entries[i] = fs.FileInfoToDirEntry(fileInfo{info})
	}
	return entries, nil
}

// fileInfo is a guest file in the standard library's terms.
type fileInfo struct{ info vfs.Info }

func (f fileInfo) Name() string       { return f.info.Name }
func (f fileInfo) Size() int64        { return f.info.Size }
func (f fileInfo) Mode() fs.FileMode  { return f.info.Mode }
func (f fileInfo) ModTime() time.Time { return f.info.ModTime }
func (f fileInfo) IsDir() bool        { return f.info.Mode.IsDir() }

// Sys is what the interpreter's own tests read times and owners from.
func (f fileInfo) Sys() any {
	at := syscall.NsecToTimespec(f.info.ModTime.UnixNano())
	return &syscall.Stat_t{Uid: uint32(f.info.UID), Gid: uint32(f.info.GID), Atim: at, Mtim: at, Ctim: at}
}

// openFile is a file that a redirection writes to.
type openFile struct{ vfs.File }

// onOpen opens files for redirections, $(<file) and the source builtin. Its errors are worded so
// that the interpreter prints what Android's shell would.
func (sh *shell) onOpen(ctx context.Context, path string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	if text, ok := sh.takeSource(path); ok {
		return &sourceText{text: text}, nil
	}
	hc := interp.HandlerCtx(ctx)
	write := flag&(os.O_WRONLY|os.O_RDWR) != 0
	if word, ok := strings.CutPrefix(path, fdPrefix); ok {
		return sh.openNumber(hc, word, write)
	}
	if word, ok := strings.CutPrefix(path, rwPrefix); ok {
		path, flag = word, os.O_RDWR|os.O_CREATE
	}
	v := sh.view(sh.self(hc))
	v.Descriptor = sh.p.descriptors(inputOf(hc), hc.Stdout, hc.Stderr)
	if !write && strings.HasPrefix(path, "/dev/") {
		if f, ok := sh.ownInput(v, hc, path); ok {
			return duplicate(f)
		}
	}
	f, err := v.Open(vfs.Abs(hc.Dir, path), flag, 0o666)
	if pipe, ok := f.(*vfs.Pipe); ok && err == nil {
		return sh.pipe(pipe, write)
	}
	if err == nil && write {
		return &openFile{f}, nil
	}
	if err == nil {
		var r *os.File
		if r, err = sh.feed(f); err == nil {
			return r, nil
		}
	}
	return nil, sh.openError(hc, path, flag&os.O_CREATE != 0, err)
}

// openError is worded so that the interpreter prints it as the shell would.
func (sh *shell) openError(hc interp.HandlerContext, path string, create bool, err error) error {
	where, what := strings.TrimSuffix(sh.where(hc), " "), map[bool]string{true: "create", false: "open"}[create]
	if sh.g.isOld() {
		return &os.PathError{Op: where + " can't " + what, Path: path, Err: errors.New(vfs.Reason(err))}
	}
	return &os.PathError{Op: where, Path: path + ": " + what, Err: errors.New(vfs.Reason(err))}
}

// errBadDescriptor words EBADF as the shell does.
var errBadDescriptor = errors.New("bad file descriptor")

// where is what the shell's messages begin with: its name, and the line if it reads a script.
func (sh *shell) where(hc interp.HandlerContext) string {
	return sh.whereAt(hc.Pos.Line())
}

func (sh *shell) whereAt(line uint) string {
	if sh.origin.file == "" {
		return sh.origin.name + ": "
	}
	at := sh.origin.file + "[" + strconv.Itoa(int(max(line, 1))) + "]: "
	if sh.origin.file == sh.origin.name {
		return at
	}
	return sh.origin.name + ": " + at
}

// ownInput finds the descriptor behind /dev/tty and /dev/stdin: reading ahead would take what
// belongs to others.
func (sh *shell) ownInput(v *vfs.View, hc interp.HandlerContext, path string) (*os.File, bool) {
	switch full, _ := v.RealPath(path); full {
	case "/dev/tty":
		if s := sh.p.session; s != nil && s.terminal != nil {
			return s.stdin, true
		}
	case "/dev/fd/0":
		f, ok := inputOf(hc).(*os.File)
		return f, ok
	}
	return nil, false
}

// inputOf is what the command reads from; nil if it has no input.
func inputOf(hc interp.HandlerContext) io.Reader {
	if in, ok := hc.Stdin.(*os.File); ok && in != nil {
		return in
	}
	return nil
}

// pipe hands a named pipe to the interpreter, which takes nothing but a descriptor to read from.
func (sh *shell) pipe(p *vfs.Pipe, write bool) (io.ReadWriteCloser, error) {
	if write {
		return &openFile{p}, nil
	}
	again, err := duplicate(p.File)
	if err != nil {
		p.Close()
		return nil, err
	}
	p.File.Close() // again is its one reader; but the pipe keeps its name, for those who open it while that reads
	context.AfterFunc(sh.ctx, func() {
		again.SetDeadline(time.Unix(1, 0))
		p.Close()
	})
	return again, nil
}

// pipeSize is what a host pipe takes without a reader.
const pipeSize = 64 << 10

// feed turns f into a descriptor to read from: the interpreter insists on one.
func (sh *shell) feed(f vfs.File) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		f.Close()
		return nil, err
	}
	buf := make([]byte, pipeSize/2)
	n, err := io.ReadFull(f, buf)
	if err != nil {
		w.Write(buf[:n])
		w.Close()
		f.Close()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r, nil
		}
		r.Close()
		return nil, err
	}
	stop := context.AfterFunc(sh.ctx, func() { w.SetWriteDeadline(time.Unix(1, 0)) })
	sh.g.running.Add(1)
	go func() {
		defer sh.g.leave()
		defer f.Close()
		defer w.Close()
		defer stop()
		if _, err := w.Write(buf); err == nil {
			io.Copy(w, struct{ io.Reader }{f})
		}
	}()
	return r, nil
}

// sourceText is a text the shell has rewritten, handed to the source builtin.
type sourceText struct {
	text string
}

func (s *sourceText) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p, s.text)
	s.text = s.text[n:]
	return n, nil
}

func (s *sourceText) Write([]byte) (int, error) { return 0, syscall.EBADF }
func (s *sourceText) Close() error              { return nil }

// putSource keeps text for one open of the path it returns, which no file can have.
func (sh *shell) putSource(text string) string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	path := fmt.Sprintf("/\x00source%d", len(sh.sources))
	sh.sources[path] = text
	return path
}

func (sh *shell) takeSource(path string) (string, bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	text, ok := sh.sources[path]
	delete(sh.sources, path)
	return text, ok
}
