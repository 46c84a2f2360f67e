package text

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Longest is how many characters one call types.
const Longest = 500

// Step is one act of typing.
type Step struct {
	Argument string // of "input text"; empty: the Enter key
}

// Enter reports whether the step is the Enter key.
func (s Step) Enter() bool { return s.Argument == "" }

// Steps are the calls that type text, in order; with single, one for each character. Either all of it
// can be typed, or the error is a sentence for the client that names the first character in the way.
//
// A line's end, "\n", "\r" or "\r\n", is the Enter key. Spaces are written "%s", because Android 11 and
// older lose others. Where text says "%s" itself it is cut in between.
func Steps(text string, single bool) ([]Step, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for _, r := range text {
		if err := check(r); err != nil {
			return nil, err
		}
	}
	var (
		steps []Step
		arg   strings.Builder
		n     int  // characters in arg
		last  byte // of them
	)
	flush := func() {
		if n > 0 {
			steps = append(steps, Step{arg.String()})
			arg.Reset()
			n, last = 0, 0
		}
	}
	for _, c := range []byte(text) { // ASCII, as checked
		if c == '\n' || c == '\r' {
			flush()
			steps = append(steps, Step{})
			continue
		}
		if n == Longest || single || c == 's' && last == '%' {
			flush()
		}
		if c == ' ' {
			arg.WriteString("%s")
		} else {
			arg.WriteByte(c)
		}
		n, last = n+1, c
	}
	flush()
	return steps, nil
}

// Lines are the lines of shell that do steps, with a pause behind each if there is one.
func Lines(steps []Step, pause time.Duration) []string {
	var lines []string
	for _, s := range steps {
		if s.Enter() {
			lines = append(lines, "input keyevent 66")
		} else {
			lines = append(lines, string(guestshell.Quote([]byte("input text "), s.Argument)))
		}
		if pause > 0 {
			lines = append(lines, fmt.Sprintf("sleep %.3f", pause.Seconds()))
		}
	}
	return lines
}

// check refuses what cannot be typed; the first three in the words of Daytona's daemon.
func check(r rune) error {
	switch {
	case r == '\n' || r == '\r' || r >= ' ' && r <= '~':
		return nil
	case r == '\t':
		return errors.New(`keyboard.type does not translate '\t' to Tab; use keyboard.press("tab") for Tab key events`)
	case r == '\u2028' || r == '\u2029':
		return fmt.Errorf("unsupported separator character in keyboard.type: U+%04X", r)
	case unicode.IsControl(r):
		return fmt.Errorf("unsupported control character in keyboard.type: U+%04X", r)
	}
	return fmt.Errorf("unsupported character in keyboard.type: %q (U+%04X): Android's input command types printable ASCII only; "+
		"nothing was typed", r, r)
}
