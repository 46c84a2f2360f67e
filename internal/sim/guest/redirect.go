package guest

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// The interpreter knows descriptors 0 to 2 and opens files for reading or for writing. Others, and
// <>, are kept by the shell itself: redirections that use them are rewritten to these names, which
// nothing can have: the root cannot be written.
const (
	fdPrefix = "/\x01fd" // then the number of a descriptor, or -
	rwPrefix = "/\x01rw" // then a path that is opened for reading and writing
)

// maxDescriptor is the last descriptor that a script may open, as in the real shell.
const maxDescriptor = 9

// redirects rewrites what the interpreter cannot do in the redirections of st.
func (rw *rewriter) redirects(st *syntax.Stmt) {
	var own, rest []*syntax.Redirect
	for _, rd := range st.Redirs {
		if n := redirectNumber(rd); n > 2 {
			own = append(own, rd)
			continue
		}
		switch target := rd.Word.Lit(); rd.Op {
		case syntax.RdrClob:
			rd.Op = syntax.RdrOut
		case syntax.RdrInOut:
			rd.Op = syntax.RdrIn
			if n := redirectNumber(rd); n == 1 || n == 2 {
				rd.Op = syntax.RdrOut
			}
			rd.Word = prefixed(rwPrefix, rd.Word)
		case syntax.DplOut:
			if target != "1" && target != "2" && target != "-" {
				rd.Op, rd.Word = syntax.RdrOut, prefixed(fdPrefix, rd.Word)
			}
		case syntax.DplIn:
			if n := redirectNumber(rd); target != "-" && (n == 1 || n == 2) {
				rd.Op, rd.Word = syntax.RdrOut, prefixed(fdPrefix, rd.Word)
			} else if target != "-" {
				rd.Op, rd.Word = syntax.RdrIn, prefixed(fdPrefix, rd.Word)
			}
		default:
		}
		rest = append(rest, rd)
	}
	if len(own) == 0 {
		return
	}
	rw.changed = true
	simple, _ := st.Cmd.(*syntax.CallExpr)
	keeps := simple != nil && len(simple.Args) == 1 && simple.Args[0].Lit() == "exec"
	var steps []*syntax.Stmt
	numbers := []*syntax.Word{literal(cmdFDEnd)}
	inner := *st
	inner.Redirs, inner.Background, inner.Negated = nil, false, false
	flush := func() {
		if len(rest) > 0 && keeps {
			steps = append(steps, &syntax.Stmt{Cmd: &syntax.CallExpr{Args: []*syntax.Word{literal("exec")}}, Redirs: rest})
			rest = nil
		}
	}
	if keeps {
		rest = nil // in the order they are written
	}
	for _, rd := range st.Redirs {
		if n := redirectNumber(rd); n > 2 {
			flush()
			number := literal(strconv.Itoa(n))
			steps = append(steps, &syntax.Stmt{Position: st.Position, Cmd: &syntax.CallExpr{Args: []*syntax.Word{
				literal(cmdFD), number, {Parts: []syntax.WordPart{&syntax.SglQuoted{Value: rd.Op.String()}}}, rd.Word}}})
			numbers = append(numbers, number)
		} else if keeps {
			rest = append(rest, rd)
		}
	}
	flush()
	if !keeps {
		inner.Redirs = rest
		// The statement runs only if its descriptors can be had.
		all := steps[0]
		for _, step := range steps[1:] {
			all = &syntax.Stmt{Cmd: &syntax.BinaryCmd{Op: syntax.AndStmt, X: all, Y: step}}
		}
		steps = []*syntax.Stmt{{Cmd: &syntax.BinaryCmd{Op: syntax.AndStmt, X: all, Y: &inner}}, {Cmd: &syntax.CallExpr{Args: numbers}}}
	}
	*st = syntax.Stmt{Position: st.Position, Background: st.Background, Negated: st.Negated,
		Cmd: &syntax.Block{Stmts: steps}}
}

// redirectNumber is the descriptor that rd is about, -1 for the usual one.
func redirectNumber(rd *syntax.Redirect) int {
	if rd.N == nil {
		return -1
	}
	n, err := strconv.Atoi(rd.N.Value)
	if err != nil {
		return -1
	}
	return n
}

func prefixed(prefix string, w *syntax.Word) *syntax.Word {
	quoted := &syntax.DblQuoted{Parts: append([]syntax.WordPart{&syntax.Lit{Value: prefix}}, unquoted(w)...)}
	return &syntax.Word{Parts: []syntax.WordPart{quoted}}
}

// unquoted are the parts of a word as they stand within double quotes.
func unquoted(w *syntax.Word) (parts []syntax.WordPart) {
	for _, part := range w.Parts {
		switch part := part.(type) {
		case *syntax.DblQuoted:
			parts = append(parts, part.Parts...)
		case *syntax.SglQuoted:
			parts = append(parts, &syntax.Lit{Value: strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(part.Value)})
		default:
			parts = append(parts, part)
		}
	}
	return parts
}

// descriptor is an open file of the shell above 2. Pipes and what is read are descriptors of the
// host's; other outputs are writers.
type descriptor struct {
	in    *os.File
	out   io.Writer
	close func()
}

// setDescriptor is "\x01fd N OP WORD": one redirection of descriptor N.
func (sh *shell) setDescriptor(ctx context.Context, hc interp.HandlerContext, self *process, args []string) error {
	number, op, word := args[1], args[2], ""
	if len(args) > 3 {
		word = args[3]
	}
	n, _ := strconv.Atoi(number)
	if n > maxDescriptor {
		fmt.Fprintf(hc.Stderr, "%s%s: bad file descriptor\n", sh.where(hc), number)
		return exitStatus(1)
	}
	var d *descriptor
	var err error
	switch op {
	case ">&", "<&":
		if word == "-" {
			break
		}
		if d, err = sh.duplicate(hc, word); err != nil {
			fmt.Fprintf(hc.Stderr, "%s%s%s : bad file descriptor\n", sh.where(hc), op, word)
			return exitStatus(1)
		}
	default:
		if d, err = sh.openDescriptor(hc, self, op, word); err != nil {
			fmt.Fprintf(hc.Stderr, "%s\n", sh.openError(hc, word, op != "<", err))
			return exitStatus(1)
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if old := sh.descriptors[n]; old != nil && old.close != nil {
		old.close()
	}
	delete(sh.descriptors, n)
	if d != nil {
		if sh.descriptors == nil {
			sh.descriptors = map[int]*descriptor{}
		}
		sh.descriptors[n] = d
	}
	return nil
}

func (sh *shell) openDescriptor(hc interp.HandlerContext, self *process, op, path string) (*descriptor, error) {
	flag := map[string]int{"<": os.O_RDONLY, "<>": os.O_RDWR | os.O_CREATE, ">>": os.O_WRONLY | os.O_CREATE | os.O_APPEND}
	how, known := flag[op]
	if !known {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := sh.view(self).Open(vfs.Abs(hc.Dir, path), how, 0o666)
	if err != nil {
		return nil, err
	}
	d := &descriptor{close: func() { f.Close() }}
	if pipe, ok := f.(*vfs.Pipe); ok {
		d.in, d.out = pipe.File, pipe.File
		return d, nil
	}
	if op != "<" {
		d.out = &openFile{f}
	}
	if op == "<" {
		if d.in, err = sh.feed(f); err != nil {
			return nil, err
		}
		d.close = func() { d.in.Close() }
	}
	return d, nil
}

// duplicate makes a descriptor like the one named by word.
func (sh *shell) duplicate(hc interp.HandlerContext, word string) (*descriptor, error) {
	d := &descriptor{}
	switch word {
	case "0":
		in, ok := hc.Stdin.(*os.File)
		if !ok || in == nil {
			return nil, syscall.EBADF
		}
		d.in = in
	case "1":
		d.out = hc.Stdout
	case "2":
		d.out = hc.Stderr
	default:
		n, err := strconv.Atoi(word)
		sh.mu.Lock()
		old := sh.descriptors[n]
		sh.mu.Unlock()
		if err != nil || old == nil {
			return nil, syscall.EBADF
		}
		*d = descriptor{in: old.in, out: old.out}
	}
	// A file's own descriptor may be closed before this one.
	if d.in != nil {
		again, err := duplicate(d.in)
		if err != nil {
			return nil, err
		}
		if d.out == io.Writer(d.in) {
			d.out = again
		}
		d.in, d.close = again, func() { again.Close() }
	} else if f, ok := d.out.(*os.File); ok {
		again, err := duplicate(f)
		if err != nil {
			return nil, err
		}
		d.out, d.close = again, func() { again.Close() }
	}
	return d, nil
}

// endDescriptors closes what one statement has opened and leaves its status.
func (sh *shell) endDescriptors(_ context.Context, hc interp.HandlerContext, _ *process, args []string) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for i := range args[1:] {
		n := number(args, i+1)
		if d := sh.descriptors[n]; d != nil && d.close != nil {
			d.close()
		}
		delete(sh.descriptors, n)
	}
	return exitStatus(hc.LastExitStatus)
}

// openNumber is the opening of /\x00fdN by the interpreter: a copy of that descriptor.
func (sh *shell) openNumber(hc interp.HandlerContext, word string, write bool) (io.ReadWriteCloser, error) {
	if write && word == "-" {
		return &stream{out: io.Discard}, nil
	}
	op := map[bool]string{true: ">&", false: "<&"}[write]
	d, err := sh.duplicate(hc, word)
	if err != nil || write && d.out == nil || !write && d.in == nil {
		return nil, &os.PathError{Op: strings.TrimSuffix(sh.where(hc), " "), Path: op + word + " ", Err: errBadDescriptor}
	}
	if f, ok := d.out.(*os.File); write && ok {
		return f, nil
	}
	if write {
		return &stream{out: d.out, close: d.close}, nil
	}
	return d.in, nil
}

// stream is an output that is not closed with the redirection to it.
type stream struct {
	out   io.Writer
	close func()
}

func (s *stream) Read([]byte) (int, error)    { return 0, syscall.EBADF }
func (s *stream) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *stream) Close() error {
	if s.close != nil {
		s.close()
	}
	return nil
}
