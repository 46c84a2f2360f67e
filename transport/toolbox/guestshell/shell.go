package guestshell

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Shell runs scripts in the shell of a device's guest. It is safe for concurrent use.
type Shell interface {
	// Run starts a shell on the device with this serial, in a session of its own, gives it the
	// script as standard input and waits until its output has ended. A command's exit code is
	// no error. Beside an error the result holds what had been printed. When ctx ends the
	// shell is hung up on, and nothing else of what it started.
	Run(ctx context.Context, serial string, s Script) (Result, error)
}

// Script is one script.
type Script struct {
	Text      []byte // never modified; no longer used when Run has returned
	MaxOutput int64  // bytes kept of stdout and stderr together; what comes later is counted
	// Stdout, when it is set, gets all of stdout as it arrives; Output is then of stderr only. An error
	// of it ends the script and is wrapped by the one that Run returns.
	Stdout io.Writer
}

// Result is what became of a script.
type Result struct {
	ExitCode int    // of the shell
	Output   []byte // stdout and stderr in order of arrival
	Dropped  int64  // bytes over MaxOutput
}

// Quote appends s as one word in single quotes, within which nothing is special. s must hold no NUL.
func Quote(dst []byte, s string) []byte {
	dst = append(dst, '\'')
	for {
		before, after, found := strings.Cut(s, "'")
		dst = append(dst, before...)
		if !found {
			return append(dst, '\'')
		}
		dst = append(dst, `'\''`...)
		s = after
	}
}

// Path keeps a command from taking a file's name for an option, or cd for the directory before.
func Path(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// Kill is a script that ends the process group of the shell with this pid, which is that of all it
// started. adbd makes the process that it starts a leader; where that one did not turn into our
// shell but started it, the shell's own entry says which group it is in. The options are spelled
// as in POSIX: dash refuses "kill -9 --", and mksh would take its "--" for a pid.
func Kill(pid int) []byte {
	return fmt.Appendf(nil, "kill -s KILL -- -%[1]d 2>/dev/null && exit 0\n"+
		"read -r stat </proc/%[1]d/stat || exit 0\n"+
		"set -- ${stat##*\\)}\n"+ // state, parent, group, ...; the name before may hold anything
		"kill -s KILL -- -$3\n", pid)
}
