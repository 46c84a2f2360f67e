package guest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// The interpreter answers some things from the process it lives in, and has no notion of a
// process table. Before a statement runs it is rewritten in place:
//
//	$$ $PPID $! $0    variables that hold the guest's values
//	~name, \x         '~'name, 'x': no user database is asked, no backslash stays in a value
//	X &               { fork; { self=$bg; enter; (X); leave; } </dev/null & }
//	X | Y             { stage; (X); staged; } | (Y)
//	X 3<f >&3         { fd 3 "<" f; X >"\x00fd3"; fdend 3; }
//	f() X             f() { local depth=$((depth+1)); call; X; }
//
// The words on the right are internal commands (see internal.go); \x01 keeps them out of the
// script's way.
const (
	varShell  = "_guest_shell"
	varParent = "_guest_ppid"
	varJob    = "_guest_job"
	varSelf   = "_guest_self"
	varArg0   = "_guest_arg0"
	varDepth  = "_guest_depth"

	cmdFork   = "\x01fork"
	cmdEnter  = "\x01enter"
	cmdLeave  = "\x01leave"
	cmdStage  = "\x01stage"
	cmdStaged = "\x01staged"
	cmdCall   = "\x01call"
	cmdTail   = "\x01tail"
	cmdExec   = "\x01exec"
	cmdFD     = "\x01fd"
	cmdFDEnd  = "\x01fdend"
)

// maxNesting is how deep a statement may be nested.
const maxNesting = 2000

// rewriter rewrites statements; it remembers what it made itself.
type rewriter struct {
	own     map[*syntax.Stmt]bool // nil while there is none
	asIs    map[*syntax.Word]bool // words that are not to be quoted; nil while there is none
	depth   int
	changed bool
	err     error
}

// rewrite makes st safe to run. changed tells whether it did anything.
func rewrite(stmts ...*syntax.Stmt) (changed bool, err error) {
	var rw rewriter
	for _, st := range stmts {
		syntax.Walk(st, rw.visit)
	}
	return rw.changed, rw.err
}

func (rw *rewriter) refuse(what string) {
	if rw.err == nil {
		rw.err = fmt.Errorf("%s: not supported by the simulated shell", what)
	}
}

func (rw *rewriter) visit(node syntax.Node) bool {
	if node == nil {
		rw.depth--
		return true
	}
	if rw.depth++; rw.depth > maxNesting {
		rw.refuse("statements nested this deep")
	}
	if rw.err != nil {
		rw.depth--
		return false
	}
	switch n := node.(type) {
	case *syntax.Stmt:
		rw.stmt(n)
	case *syntax.BinaryCmd:
		if n.Op == syntax.Pipe || n.Op == syntax.PipeAll {
			rw.pipeline(n)
		}
	case *syntax.FuncDecl:
		rw.function(n)
	case *syntax.Redirect:
		if n.Op == syntax.Hdoc || n.Op == syntax.DashHdoc {
			rw.keep(n.Word)
			if n.Hdoc != nil {
				rw.leave(n.Hdoc)
			}
		}
	case *syntax.DblQuoted:
		rw.leave(n)
	case *syntax.BinaryTest:
		if w, ok := n.Y.(*syntax.Word); ok && n.Op == syntax.TsReMatch {
			rw.keep(w) // a regular expression keeps its backslashes
		}
	case *syntax.Word:
		if !rw.asIs[n] {
			rw.quote(n)
		}
	case *syntax.ParamExp:
		rw.param(n)
	case *syntax.DeclClause:
		rw.declaration(n)
	case *syntax.Assign:
		rw.escapes(n.Value)
		rw.arithmetic(n)
	case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause, *syntax.CStyleLoop:
		rw.arithmetic(n)
	case *syntax.UnaryTest:
		if n.Op == syntax.TsUsrOwn || n.Op == syntax.TsGrpOwn {
			rw.refuse("[[ -O ]] and [[ -G ]]")
		}
	case *syntax.ProcSubst:
		rw.refuse("process substitution")
	case *syntax.CoprocClause:
		rw.refuse("coprocesses")
	}
	return true
}

func (rw *rewriter) stmt(st *syntax.Stmt) {
	if !rw.own[st] {
		rw.redirects(st)
	}
	switch {
	case st.Coprocess, st.Disown:
		rw.refuse("coprocesses")
		return
	case !st.Background || rw.own[st]:
		return
	}
	rw.changed = true
	inner := *st
	inner.Background, inner.Redirs, inner.Comments = false, nil, nil
	if simple, ok := st.Cmd.(*syntax.CallExpr); ok && len(simple.Args) > 0 && !st.Negated {
		// A program takes the job's place: what is sent to its pid reaches it.
		tail := *simple
		tail.Args = append([]*syntax.Word{literal(cmdTail)}, simple.Args...)
		inner.Cmd = &tail
	}
	null := &syntax.Redirect{Op: syntax.RdrIn, Word: literal("/dev/null")}
	job := &syntax.Stmt{
		Background: true,
		Redirs:     append([]*syntax.Redirect{null}, st.Redirs...),
		Cmd: &syntax.Block{Stmts: []*syntax.Stmt{
			assign(varSelf, varJob), call(cmdEnter),
			{Cmd: &syntax.Subshell{Stmts: []*syntax.Stmt{&inner}}}, call(cmdLeave),
		}},
	}
	rw.mine(job)
	*st = syntax.Stmt{Position: st.Position, Cmd: &syntax.Block{Stmts: []*syntax.Stmt{call(cmdFork), job}}}
}

// mine marks a statement that the rewriter has made itself.
func (rw *rewriter) mine(st *syntax.Stmt) {
	if rw.own == nil {
		rw.own = map[*syntax.Stmt]bool{}
	}
	rw.own[st] = true
}

func (rw *rewriter) pipeline(b *syntax.BinaryCmd) {
	rw.changed = true
	b.X = &syntax.Stmt{Position: b.X.Position, Cmd: &syntax.Block{Stmts: []*syntax.Stmt{
		call(cmdStage), {Cmd: &syntax.Subshell{Stmts: []*syntax.Stmt{b.X}}}, call(cmdStaged),
	}}}
	b.Y = &syntax.Stmt{Position: b.Y.Position, Cmd: &syntax.Subshell{Stmts: []*syntax.Stmt{b.Y}}}
}

func (rw *rewriter) function(f *syntax.FuncDecl) {
	rw.changed = true
	plusOne := &syntax.BinaryArithm{Op: syntax.Add, X: literal(varDepth), Y: literal("1")}
	deeper := &syntax.DeclClause{Variant: &syntax.Lit{Value: "local"}, Args: []*syntax.Assign{{
		Name:  &syntax.Lit{Value: varDepth},
		Value: &syntax.Word{Parts: []syntax.WordPart{&syntax.ArithmExp{X: plusOne}}},
	}}}
	f.Body = &syntax.Stmt{Cmd: &syntax.Block{Stmts: []*syntax.Stmt{{Cmd: deeper}, call(cmdCall), f.Body}}}
}

// quote spells out what the interpreter would get wrong in the unquoted parts of a word: a
// backslash stays in the value of an assignment, and any ~ but ~ and ~/… that starts a word, also
// one that a brace expansion makes, is looked up in the host's user database.
func (rw *rewriter) quote(w *syntax.Word) {
	var parts []syntax.WordPart
	for n, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok || !strings.ContainsAny(lit.Value, `\~`) {
			parts = append(parts, part)
			continue
		}
		text, from := lit.Value, 0
		single := func(i int, char string, next int) {
			if i > from {
				parts = append(parts, &syntax.Lit{Value: text[from:i]})
			}
			parts = append(parts, &syntax.SglQuoted{Value: char})
			from = next
			rw.changed = true
		}
		for i := 0; i < len(text); i++ {
			switch {
			case text[i] == '\\' && i+1 < len(text) && text[i+1] == '\'':
				single(i, "", i+2)
				parts[len(parts)-1] = &syntax.DblQuoted{Parts: []syntax.WordPart{&syntax.Lit{Value: "'"}}}
				i++
			case text[i] == '\\' && i+1 < len(text):
				_, size := utf8.DecodeRuneInString(text[i+1:])
				single(i, text[i+1:i+1+size], i+1+size)
				i += size
			case text[i] == '~' && i+1 < len(text) && strings.IndexByte("/,}", text[i+1]) < 0 &&
				(i == 0 && n == 0 || i > 0 && strings.IndexByte("{,", text[i-1]) >= 0):
				single(i, "~", i+1)
			}
		}
		if from < len(text) {
			parts = append(parts, &syntax.Lit{Value: text[from:]})
		}
	}
	w.Parts = parts
}

// keep marks a word as not to be quoted.
func (rw *rewriter) keep(w *syntax.Word) {
	if rw.asIs == nil {
		rw.asIs = map[*syntax.Word]bool{}
	}
	rw.asIs[w] = true
}

// leave marks the words below node as not to be quoted: they are within double quotes, where
// other rules hold. A command substitution starts afresh.
func (rw *rewriter) leave(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		if w, ok := n.(*syntax.Word); ok {
			rw.keep(w)
		}
		_, fresh := n.(*syntax.CmdSubst)
		return !fresh
	})
}

func (rw *rewriter) param(pe *syntax.ParamExp) {
	if pe.Excl {
		rw.refuse("${!name}")
		return
	}
	if pe.Param == nil {
		return
	}
	if name := special(pe.Param.Value); name != "" {
		rw.changed = true
		pe.Param = &syntax.Lit{Value: name}
		pe.Short = false
	}
}

// special names the variable that holds the value of a special parameter, "" for others.
func special(param string) string {
	switch param {
	case "$":
		return varShell
	case "!":
		return varJob
	case "0":
		return varArg0
	case "PPID":
		return varParent
	case "BASHPID":
		return varSelf
	}
	return ""
}

func (rw *rewriter) declaration(d *syntax.DeclClause) {
	if d.Variant.Value == "nameref" {
		rw.refuse("nameref")
	}
	if d.Variant.Value == "typeset" {
		rw.changed = true
		d.Variant = &syntax.Lit{Value: "declare"} // the interpreter makes only this one local in functions
	}
	for _, as := range d.Args {
		if as.Name == nil && as.Value != nil && strings.HasPrefix(as.Value.Lit(), "-") && strings.Contains(as.Value.Lit(), "n") {
			rw.refuse("typeset -n")
		}
	}
}

// arithmetic renames PPID where it is read as a number.
func (rw *rewriter) arithmetic(n syntax.Node) {
	if as, ok := n.(*syntax.Assign); ok {
		if as.Index == nil {
			return
		}
		n = as.Index
	}
	syntax.Walk(n, func(inner syntax.Node) bool {
		switch x := inner.(type) {
		case *syntax.CmdSubst:
			return false
		case *syntax.Lit:
			if x.Value == "PPID" {
				x.Value, rw.changed = varParent, true
			}
		}
		return true
	})
}

func literal(text string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
}

func call(name string) *syntax.Stmt {
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Args: []*syntax.Word{literal(name)}}}
}

func assign(name, from string) *syntax.Stmt {
	value := &syntax.Word{Parts: []syntax.WordPart{&syntax.ParamExp{Param: &syntax.Lit{Value: from}}}}
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Assigns: []*syntax.Assign{{Name: &syntax.Lit{Value: name}, Value: value}}}}
}

// source rewrites a whole text that the interpreter itself will parse, as eval's.
func source(text string) (string, error) {
	file, err := newParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return "", err
	}
	changed, err := rewrite(file.Stmts...)
	if err != nil || !changed {
		return text, err
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, file); err != nil {
		return "", err
	}
	return b.String(), nil
}

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangMirBSDKorn)) }
