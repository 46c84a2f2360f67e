package session

import (
	"bytes"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

const testNonce = "runner-NONCE"

// parted feeds pieces to a splitter and returns what came out.
func partedBy(pieces ...string) (text string, said []mark) {
	s := splitter{nonce: []byte(testNonce)}
	take := func(data []byte) { text += string(data) }
	for _, piece := range pieces {
		s.feed([]byte(piece), take, func(m mark) { said = append(said, m); text += "|" })
	}
	s.end(take)
	return text, said
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, stream, want string }{
		{"text alone", "hello\n", "hello\n"},
		{"a mark alone", "runner-NONCE k 0\n", "|"},
		{"a mark glued to the last line", "no end" + "runner-NONCE k 3\n", "no end|"},
		{"text behind", "a\nrunner-NONCE k 3\nb", "a\n|b"},
		{"two marks", "runner-NONCE a 1\nrunner-NONCE b 2\n", "||"},
		{"half a nonce", "runner-NO", "runner-NO"},
		{"half a nonce, then a mark", "runner-runner-NONCE k 0\n", "runner-|"},
		{"a nonce in a text", "runner-NONCE is it\nx", "runner-NONCE is it\nx"},
		{"a nonce and a long line", "runner-NONCE k" + strings.Repeat("0", maxMark) + "\n", "runner-NONCE k" + strings.Repeat("0", maxMark) + "\n"},
		{"a nonce twice", "runner-NONCErunner-NONCE k 0\n", "runner-NONCE|"},
		{"a mark that breaks off", "a runner-NONCE k 1", "a runner-NONCE k 1"},
		{"no value", "runner-NONCE k \n", "runner-NONCE k \n"},
		{"nothing else", "runner-NONCE\n", "runner-NONCE\n"},
	}
	for _, tt := range tests {
		for cut := 0; cut <= len(tt.stream); cut++ {
			if got, _ := partedBy(tt.stream[:cut], tt.stream[cut:]); got != tt.want {
				t.Errorf("%s, cut at %d: %q, want %q", tt.name, cut, got, tt.want)
			}
		}
		if got, _ := partedBy(strings.Split(tt.stream, "")...); got != tt.want {
			t.Errorf("%s, byte by byte: %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, said := partedBy("x\nrunner-NONCE key-1 -12\n"); len(said) != 1 || said[0] != (mark{"key-1", -12}) {
		t.Errorf("said %v", said)
	}
}

// Ensure no cut of a stream changes what is read, and nothing is lost.
func FuzzSplitter(f *testing.F) {
	f.Add("no endrunner-NONCE k 3\nb", 8, 20)
	f.Add("runner-runner-NONCE k 0\nrunner-N", 3, 9)
	f.Fuzz(func(t *testing.T, stream string, a, b int) {
		whole, said := partedBy(stream)
		if a < 0 || b < a || b > len(stream) {
			return
		}
		cut, saidToo := partedBy(stream[:a], stream[a:b], stream[b:])
		if whole != cut || len(said) != len(saidToo) {
			t.Errorf("%q: whole %q %v, cut %q %v", stream, whole, said, cut, saidToo)
		}
		if len(said) == 0 && whole != stream {
			t.Errorf("%q became %q", stream, whole)
		}
		if strings.Count(whole, "|")-strings.Count(stream, "|") != len(said) && !strings.Contains(stream, testNonce) {
			t.Errorf("%q: %d marks in %q", stream, len(said), whole)
		}
	})
}

// Ensure nothing in a command ends its frame, and the shell never reads the nonce in one piece.
func FuzzFrame(f *testing.F) {
	f.Add("echo 'a\nEOF\n}' \"`b`\" \\", true)
	f.Fuzz(func(t *testing.T, text string, interactive bool) {
		if (execRequest{Command: text}).check() != nil || strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, '\r') {
			return
		}
		frames := newFrames("/data/it's")
		frame := frames.command("id", "key", text, interactive)
		if bytes.Contains(frame, []byte(frames.nonce)) || bytes.Contains(frames.begin(), []byte(frames.nonce)) {
			t.Errorf("the nonce shows: %s", frame)
		}
		file, err := syntax.NewParser(syntax.Variant(syntax.LangMirBSDKorn)).Parse(bytes.NewReader(frame), "")
		if err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		want := 2 // the command and the mark
		if interactive {
			want++ // closing its input
		}
		if len(file.Stmts) != want {
			t.Errorf("%q has %d statements", frame, len(file.Stmts))
		}
	})
}

func FuzzDialect(f *testing.F) {
	for _, v := range []string{"", "0.27.0", "v0.166.9", "0.167.0-rc.1", "1", "0.190.1+x", "dev", "0.27", "..", "-", "99999999999"} {
		f.Add(v, v == "")
	}
	f.Fuzz(func(t *testing.T, version string, splits bool) {
		if got := dialectFor(version, splits); got < plain || got > parted || version == "" && got == parted {
			t.Errorf("%q: %d", version, got)
		}
		if atLeast(version, 167) && !atLeast(version, 27) {
			t.Errorf("%q is later than itself", version)
		}
	})
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]dialect{
		"": plain, "0.26.99": plain, "x": plain, "0.27.0-rc1": plain, "0.27": marked, "0.27.0": marked, "v0.166.9": marked,
		"0.167.0-alpha": marked, "0.167.0": parted, "0.190.1+b": parted, "1.0.0": parted, "0.1.0-dev": parted, "1.2.3.4": plain,
	} {
		if got := dialectFor(version, false); got != want {
			t.Errorf("%q: %d, want %d", version, got, want)
		}
	}
	if dialectFor("", true) != marked || dialectFor("0.1.0", true) != plain {
		t.Error("who splits without a version, and who has one")
	}
}
