package guest

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// environ is a shell's initial variables. While the interpreter is being built it hands out a
// TMPDIR that no host can have, because the interpreter makes named pipes there.
type environ struct {
	variables []variable // of two with one name the latter counts
	ready     bool
}

type variable struct {
	name  string
	value expand.Variable
}

func (e *environ) Get(name string) expand.Variable {
	if !e.ready && name == "TMPDIR" {
		return expand.Variable{Set: true, Kind: expand.String, Str: noDirectory}
	}
	for i := len(e.variables) - 1; i >= 0; i-- {
		if v := &e.variables[i]; v.name == name {
			return v.value
		}
	}
	return expand.Variable{}
}

func (e *environ) Each(yield func(string, expand.Variable) bool) {
	for i := range e.variables {
		if v := &e.variables[i]; !yield(v.name, v.value) {
			return
		}
	}
}

func (sh *shell) environ(v invocation) *environ {
	e := &environ{variables: make([]variable, 0, len(sh.call.Env)+16)}
	set := func(name, value string, exported bool) {
		v := expand.Variable{Set: true, Kind: expand.String, Str: value, Exported: exported}
		e.variables = append(e.variables, variable{name, v})
	}
	id, group := strconv.Itoa(sh.p.cred.UID), strconv.Itoa(sh.p.cred.GID)
	for _, v := range [...][2]string{
		{"HOME", "/"}, {"PATH", defaultPath}, {"UID", id}, {"EUID", id}, {"GID", group}, {"USER_ID", id},
		{"PS1", "$ "}, {"PS4", "+ "},
	} {
		set(v[0], v[1], false)
	}
	for _, kv := range sh.call.Env {
		if name, value, ok := strings.Cut(kv, "="); ok && syntax.ValidName(name) {
			set(name, value, true)
		}
	}
	pid, parent := strconv.Itoa(sh.p.pid), strconv.Itoa(sh.p.ppid)
	if s := sh.p.session; s != nil && s.terminal != nil {
		rows, cols := s.terminal.Size()
		sh.size = [2]int{rows, cols}
		set("LINES", strconv.Itoa(rows), false)
		set("COLUMNS", strconv.Itoa(cols), false)
	}
	for _, v := range [...][2]string{
		{varShell, pid}, {varParent, parent}, {varSelf, pid}, {varArg0, v.name}, {varDepth, "0"},
	} {
		set(v[0], v[1], false)
	}
	return e
}

const noDirectory = "/\x00"
