package session

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// The words of a session's shell beside those that name a command.
const (
	wordReady = "ready" // the shell has begun: with its pid
	wordExit  = "exit"  // the shell ends: with its exit code
)

// frames renders what one session's shell reads. The nonce is a word that no command can print by
// accident. In what the shell reads it is in two pieces, so that "set -v", which prints that, does not
// print the nonce; "set -x" prints to nowhere.
type frames struct {
	nonce string
	dir   string // of the session, in the guest
}

func newFrames(root string) frames {
	return frames{nonce: "runner-" + rand.Text(), dir: root + "/" + strings.ToLower(rand.Text())}
}

// mark is a group that says word on both streams, and value on stdout; it may be "$?". It survives
// aliases and functions of the names it uses.
func (f frames) mark(word, value string) string {
	half := len(f.nonce) / 2
	say := `\command \echo '` + f.nonce[:half] + `''` + f.nonce[half:] + `' ` + word + " "
	return "{ " + say + value + " >&8; " + say + "0 >&9; } 2>/dev/null"
}

// begin is read first. Descriptors 8 and 9 are the session's output, whatever a command does to its own.
func (f frames) begin() []byte {
	dir := string(guestshell.Quote(nil, f.dir))
	return fmt.Appendf(nil, "exec 8>&1 9>&2\ntrap %s EXIT\nmkdir -p %s || exit\n%s\n",
		guestshell.Quote(nil, f.mark(wordExit, `"$?"`)), dir, f.mark(wordReady, "$$"))
}

// script and fifo are the files of a command.
func (f frames) script(id string) string { return f.dir + "/" + id + ".sh" }
func (f frames) fifo(id string) string   { return f.dir + "/" + id + ".in" }

// command makes the shell source text, and say key when that is done. The text comes first as a file
// of its own, so that nothing in it can end the frame or eat what comes behind.
func (f frames) command(id, key, text string, interactive bool) []byte {
	file := string(guestshell.Quote(nil, f.script(id)))
	end := "end-" + rand.Text()
	b := make([]byte, 0, len(text)+1024)
	b = fmt.Appendf(b, "cat >%s <<'%s' && {\n%s\n%s\n", file, end, text, end)
	stdin, after := "</dev/null", ""
	if interactive { // descriptor 7 keeps the pipe open both ways: opening it waits for nobody, and it never ends
		fifo := string(guestshell.Quote(nil, f.fifo(id)))
		b = fmt.Appendf(b, "[ -p %[1]s ] || mkfifo -m 600 %[1]s 2>/dev/null\nexec 7<>%[1]s\n", fifo)
		stdin, after = "<"+fifo, "exec 7>&-\n"
	}
	return fmt.Appendf(b, "\\command . %s %s >&8 2>&9\n}\n%s\n%s", file, stdin, f.mark(key, `"$?"`), after)
}

// feed is the command that brings what it reads to a command's standard input. Both ends make the pipe;
// whoever holds it open for both ways waits for nobody.
func (f frames) feed(id string) string {
	fifo := string(guestshell.Quote(nil, f.fifo(id)))
	return fmt.Sprintf("mkfifo -m 600 %[1]s 2>/dev/null; exec 7<>%[1]s; exec cat >&7", fifo)
}

// clean removes the session's files.
func (f frames) clean() []byte {
	return append(guestshell.Quote([]byte("rm -rf -- "), f.dir), '\n')
}

// mark is what a shell said in between.
type mark struct {
	word  string
	value int
}

// maxMark is how long what follows the nonce may be.
const maxMark = 64

// splitter parts one stream into what commands printed and what the shell says for itself, however
// the stream is cut into pieces.
type splitter struct {
	nonce []byte
	held  []byte // what may be the beginning of a mark
}

// feed takes the next piece. Text is valid during the call only.
func (s *splitter) feed(data []byte, text func([]byte), said func(mark)) {
	if len(s.held) > 0 {
		data = append(s.held, data...)
	}
	s.held = nil
	say := func(part []byte) {
		if len(part) > 0 {
			text(part)
		}
	}
	for {
		at := bytes.Index(data, s.nonce)
		if at < 0 {
			break
		}
		line := data[at+len(s.nonce):]
		end := bytes.IndexByte(line[:min(len(line), maxMark)], '\n')
		if end < 0 && len(line) < maxMark {
			say(data[:at])
			s.held = bytes.Clone(data[at:])
			return
		}
		m, ok := mark{}, false
		if end >= 0 {
			m, ok = parseMark(string(line[:end]))
		}
		if !ok {
			next := at + len(s.nonce)
			say(data[:next])
			data = data[next:]
			continue
		}
		say(data[:at])
		said(m)
		data = line[end+1:]
	}
	keep := overlap(data, s.nonce)
	say(data[:len(data)-keep])
	s.held = bytes.Clone(data[len(data)-keep:])
}

// end hands out what was held back.
func (s *splitter) end(text func([]byte)) {
	if len(s.held) > 0 {
		text(s.held)
	}
	s.held = nil
}

func parseMark(s string) (mark, bool) {
	word, value, ok := strings.Cut(strings.TrimPrefix(s, " "), " ")
	n, err := strconv.Atoi(value)
	return mark{word, n}, ok && err == nil && s[0] == ' ' && word != ""
}

// overlap is how much of the end of data is a beginning of word.
func overlap(data, word []byte) int {
	for n := min(len(data), len(word)-1); n > 0; n-- {
		if bytes.HasPrefix(word, data[len(data)-n:]) {
			return n
		}
	}
	return 0
}
