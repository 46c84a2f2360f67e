package guest

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// invocation is a parsed sh command line.
type invocation struct {
	command     string
	isCommand   bool
	interactive bool
	file        string
	name        string
	flags       []string
	params      []string
}

// parseInvocation reads sh [-eux…] [-c COMMAND [NAME [ARG…]] | FILE [ARG…] | -s [ARG…]].
func parseInvocation(args []string) (invocation, error) {
	v := invocation{name: args[0]}
	args = args[1:]
	stdin := false
	for len(args) > 0 && len(args[0]) > 0 && strings.IndexByte("-+", args[0][0]) >= 0 {
		arg := args[0]
		args = args[1:]
		if arg == "-" || arg == "--" {
			break
		}
		for _, letter := range arg[1:] {
			switch letter {
			case 'c':
				v.isCommand = true
			case 's':
				stdin = true
			case 'i':
				v.interactive = true
			case 'l', 'r':
			case 'o':
				if len(args) > 0 {
					v.flags = append(v.flags, arg[:1]+"o", args[0])
					args = args[1:]
				}
			case 'a', 'e', 'f', 'n', 'u', 'x':
				v.flags = append(v.flags, arg[:1]+string(letter))
			default:
				return v, fmt.Errorf("%c%c: unknown option", arg[0], letter)
			}
		}
	}
	switch {
	case v.isCommand && len(args) == 0:
		return v, errors.New("-c: requires an argument")
	case v.isCommand:
		v.command, args = args[0], args[1:]
		if len(args) > 0 {
			v.name, args = args[0], args[1:]
		}
	case !stdin && len(args) > 0:
		v.file, v.name, args = args[0], args[0], args[1:]
	}
	v.params = args
	return v, nil
}

// onlyProgram is the command line of sh -c "PROGRAM ARG…" where nothing is left to a shell: the
// program takes its place, as always with the last command, before there is an interpreter.
func (v invocation) onlyProgram() []string {
	if !v.isCommand || len(v.flags) > 0 || strings.Trim(v.command, plainLetters) != "" {
		return nil
	}
	args := strings.Fields(v.command)
	if len(args) == 0 || syntax.IsKeyword(args[0]) || interp.IsBuiltin(args[0]) || isShellBuiltin(args[0]) {
		return nil
	}
	return args
}

// plainLetters mean nothing to a shell, wherever they stand.
const plainLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ "
