package guestfiles

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Exit codes of our scripts, far from those of commands.
const (
	exitFailed   = 101 // a command failed, and said why
	exitInTheWay = 102
	exitSize     = 103 // the file is not as long as what was sent
)

// maxSaid is how much of a script's output is read: one complaint.
const maxSaid = 4 << 10

// script collects lines for the guest's shell. They run as one group that reads nothing: the shell reads
// them on its standard input, which is not for its commands.
type script struct{ text []byte }

func newScript() *script { return &script{[]byte("{\n")} }

// line appends one line of words; each "\x00" in format is replaced by one of the paths or words, quoted.
func (s *script) line(format string, quoted ...string) *script {
	for i, piece := range strings.Split(format, "\x00") {
		if i > 0 {
			s.text = guestshell.Quote(s.text, quoted[i-1])
		}
		s.text = append(s.text, piece...)
	}
	s.text = append(s.text, '\n')
	return s
}

// end is the whole script. With said, what commands complain of is part of the output.
func (s *script) end(said bool) []byte {
	if said {
		return append(s.text, "} </dev/null 2>&1\n"...)
	}
	return append(s.text, "} </dev/null 2>/dev/null\n"...)
}

// run runs a script of which the last words are 0 or what the first complaint says.
func (f *Files) run(ctx context.Context, s *script) (said []byte, err error) {
	res, err := f.shell.Run(ctx, f.serial, guestshell.Script{Text: s.end(true), MaxOutput: maxSaid})
	if err != nil {
		return nil, err
	}
	switch res.ExitCode {
	case 0:
		return res.Output, nil
	case exitInTheWay:
		return nil, fault.Conflictf("destination already exists")
	case exitSize:
		return nil, fault.Unavailablef("the device has not kept all of the file: %s", firstLine(res.Output))
	default:
		return nil, complaint(res)
	}
}

// complaints are the ends of what toybox says, and the kinds of errors that they are. The words before are a
// command and a user's path.
var complaints = []struct {
	end  string
	kind fault.Kind
}{
	{"No such file or directory", fault.NotFound},
	{"Permission denied", fault.Forbidden},
	{"Operation not permitted", fault.Forbidden},
	{"Read-only file system", fault.Forbidden},
	{"No space left on device", fault.Exhausted},
	{"Quota exceeded", fault.Exhausted},
	{"File exists", fault.Invalid},
	{"Directory not empty", fault.Conflict},
	{"Device or resource busy", fault.Conflict},
	{"Text file busy", fault.Conflict},
	{"Input/output error", fault.Unavailable},
}

// complaint is the error that a failed script's output tells of: that of the first line with known words.
// All others are Invalid, as with Daytona's daemon.
func complaint(res guestshell.Result) error {
	for line := range bytes.Lines(res.Output) {
		text := strings.TrimSpace(string(line))
		for _, known := range complaints {
			if strings.HasSuffix(text, known.end) {
				return fault.New(known.kind, "%s", printable(text))
			}
		}
	}
	if text := firstLine(res.Output); text != "" {
		return fault.Invalidf("%s", text)
	}
	return fault.Invalidf("the guest's shell ended with exit code %s", strconv.Itoa(res.ExitCode))
}

func firstLine(output []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(output), []byte("\n"))
	return printable(string(line))
}

// printable keeps what may stand in a message.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
