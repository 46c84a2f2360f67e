package process

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// command is what one shell is to do.
type command struct {
	text string            // for the shell, as it is
	cwd  string            // empty: where shells start
	envs map[string]string // exported before
}

// check says what of the command cannot be said to a shell.
func (c command) check() error {
	switch {
	case strings.TrimSpace(c.text) == "":
		return fmt.Errorf("command cannot be empty or whitespace-only")
	case strings.Contains(c.text, "\x00"):
		return fmt.Errorf("command must not contain NUL")
	case strings.Contains(c.cwd, "\x00"):
		return fmt.Errorf("cwd must not contain NUL")
	}
	for _, name := range slices.Sorted(maps.Keys(c.envs)) {
		if !isEnvName(name) {
			return fmt.Errorf("invalid environment variable name: '%s'", name)
		}
		if strings.Contains(c.envs[name], "\x00") {
			return fmt.Errorf("environment variable %s must not contain NUL", name)
		}
	}
	return nil
}

func isEnvName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '_', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// noCwd is what the script prints behind the nonce when it could not change its directory.
const noCwd = " cwd"

// script renders a checked command for a POSIX shell that reads it on standard input:
//
//	exec 2>&1                                            # one stream: what is printed stays in order
//	echo 'NONCE' $$                                      # who to kill when time is up
//	cd 'CWD' || { echo; echo 'NONCE cwd'; exit 1; }
//	export NAME='VALUE'
//	COMMAND
//
// The nonce is a word without quotes that the command cannot know. What the command does not
// use up of the input, its own standard input, is a single newline.
func (c command) script(nonce string) []byte {
	b := make([]byte, 0, len(c.text)+len(c.cwd)+256)
	b = append(b, "exec 2>&1\necho '"...)
	b = append(append(b, nonce...), "' $$\n"...)
	if c.cwd != "" {
		b = append(guestshell.Quote(append(b, "cd "...), guestshell.Path(c.cwd)), " || { echo; echo '"...)
		b = append(append(append(b, nonce...), noCwd...), "'; exit 1; }\n"...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.envs)) {
		b = append(append(append(b, "export "...), name...), '=')
		b = append(guestshell.Quote(b, c.envs[name]), '\n')
	}
	return append(append(b, c.text...), '\n')
}

// printed is the output of a script, with what the script said for itself taken out.
type printed struct {
	output []byte // the command's own
	pid    int    // of the shell; 0 when it did not come to say so
	noCwd  bool   // the directory could not be changed; output says why
}

// prologueLimit is how far into the output the line with the shell's pid is looked for; before
// it there can only be a warning of the shell.
const prologueLimit = 4 << 10

// readOutput takes apart the output of a script with this nonce. It cuts within output.
func readOutput(output []byte, nonce string) printed {
	p := printed{output: output}
	mark := []byte(nonce + " ")
	begin := bytes.Index(output[:min(len(output), prologueLimit)], mark)
	if begin < 0 {
		return p
	}
	end := bytes.IndexByte(output[begin:], '\n')
	if end < 0 {
		return p
	}
	if pid, err := strconv.Atoi(string(output[begin+len(mark) : begin+end])); err == nil && pid > 1 {
		p.pid = pid
	}
	if begin == 0 {
		p.output = output[end+1:]
	} else {
		p.output = slices.Delete(output, begin, begin+end+1)
	}
	if rest, ok := bytes.CutSuffix(p.output, []byte("\n"+nonce+noCwd+"\n")); ok {
		p.output, p.noCwd = rest, true
	}
	return p
}
