package guestcommand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// maxSaid bounds what is kept of the words of a command that is only to be done.
const maxSaid = 16 << 10

// Commander says commands to devices. It is safe for concurrent use.
type Commander struct{ Shell guestshell.Shell }

// Refusal is a device that did not do what it was told.
type Refusal struct {
	ExitCode int
	Said     string // the first line
}

// Error says how the command ended.
func (r *Refusal) Error() string {
	if r.Said == "" {
		return fmt.Sprintf("the device refused (exit code %d) and did not say why", r.ExitCode)
	}
	return fmt.Sprintf("the device refused (exit code %d): %s", r.ExitCode, r.Said)
}

// Line is a command of these words, each of which the shell takes as it is. They hold no NUL.
func Line(words ...string) string {
	var line []byte
	for i, w := range words {
		if i > 0 {
			line = append(line, ' ')
		}
		line = guestshell.Quote(line, w)
	}
	return string(line)
}

// Ask returns what a command prints, stdout and stderr together, the first limit bytes of it, whatever its
// exit code. When ctx has ended, its cause is the error.
func (c Commander) Ask(ctx context.Context, serial, command string, limit int64) ([]byte, error) {
	res, err := c.Shell.Run(ctx, serial, guestshell.Script{Text: []byte(command + "\n"), MaxOutput: limit})
	if err != nil {
		return nil, CauseOf(ctx, err)
	}
	return res.Output, nil
}

// Run runs lines one after the other until one fails; what came before stays done. The error is a *Refusal, or
// why the device could not be asked, as of Ask.
func (c Commander) Run(ctx context.Context, serial string, lines ...string) error {
	_, err := c.Tell(ctx, serial, lines...)
	return err
}

// Tell is Run, and returns what was printed, the first 16 KiB of it.
func (c Commander) Tell(ctx context.Context, serial string, lines ...string) (said string, err error) {
	var script bytes.Buffer
	for _, line := range lines {
		script.WriteString(line)
		script.WriteString(" </dev/null || exit $?\n") // the shell reads the script on its standard input: the lines must not
	}
	res, err := c.Shell.Run(ctx, serial, guestshell.Script{Text: script.Bytes(), MaxOutput: maxSaid})
	if err != nil {
		return "", CauseOf(ctx, err)
	}
	said = strings.TrimSpace(string(res.Output))
	if res.ExitCode != 0 || Complains(said) {
		return said, &Refusal{res.ExitCode, firstLine(said)}
	}
	return said, nil
}

// firstLine is that of a complaint: the name of an exception says more than that there was one.
func firstLine(said string) string {
	first, rest, _ := strings.Cut(said, "\n")
	if second, _, _ := strings.Cut(rest, "\n"); strings.HasPrefix(first, "Exception occurred") && second != "" {
		return strings.TrimSpace(first) + " " + strings.TrimSpace(second)
	}
	return first
}

// complaints are how commands of Android say that they did nothing, some with exit code 0.
var complaints = []string{"Exception occurred", "Error: ", "No shell command implementation", "Unknown command", "Can't find service"}

// Complains reports whether a command's words say that it did nothing.
func Complains(said string) bool {
	for _, c := range complaints {
		if strings.Contains(said, c) {
			return true
		}
	}
	return false
}

// IsRefusal returns the refusal that err is, if it is one.
func IsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// CauseOf is why ctx ended, if it has: what err came from.
func CauseOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
