package guestfiles

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"": "/sdcard", ".": "/sdcard", "a": "/sdcard/a", "../a": "/a", "/a/../../b": "/b", "//a//b/": "/a/b", "-rf": "/sdcard/-rf", "\xff": "/sdcard/\xff",
		"a\x00": "", strings.Repeat("a/", 600) + "b": "",
	} {
		if got, err := Clean("/sdcard", sent); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", sent, got, err, want)
		}
	}
}

func TestPartNamesFit(t *testing.T) {
	t.Parallel()
	deep := "/" + strings.Repeat("d/", 400)
	for _, name := range []string{"/a", "/d/" + strings.Repeat("n", 255), "/d/" + strings.Repeat("ä", 127), deep + strings.Repeat("n", 200), "/d/\xff\xff"} {
		part := partName(name, "ABCDEFGHIJ")
		ok, err := path.Match(partPattern, path.Base(part))
		if !ok || err != nil || path.Dir(part) != path.Dir(name) || len(path.Base(part)) > 255 || len(part)+6 > 1024 {
			t.Errorf("%q: %q (%d bytes)", name, part, len(part))
		}
		if utf8.ValidString(name) && !utf8.ValidString(part) {
			t.Errorf("%q: %q is no UTF-8", name, part)
		}
	}
}

// What toybox's find and Go match is checked against in TestSearch of package files; here, that a loose pattern
// matches all that the pattern does.
func FuzzLoose(f *testing.F) {
	for _, seed := range [][2]string{{"*.txt", "a.txt"}, {"[a-c]?", "bx"}, {`\*`, "*"}, {"a[^]]b", "axb"}, {"é?", "éx"}, {`[\]]x`, "]x"}, {"a]", "a]"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		ok, err := path.Match(pattern, name)
		if err != nil || !ok {
			return
		}
		l := loose(pattern)
		if strings.ContainsAny(l, `[]\?`) {
			t.Errorf("%q is not loose: %q", pattern, l)
		}
		if ok, err := path.Match(l, name); !ok || err != nil {
			t.Errorf("%q matches %q, %q does not (%v)", pattern, name, l, err)
		}
	})
}

// FuzzNames: however output is cut into pieces, the names are the same, and bounded.
func FuzzNames(f *testing.F) {
	f.Add([]byte("/a\x00/b\nc\x00\x00rest"), uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, output []byte, step, limit uint8) {
		r := nameReader{limit: int(limit)}
		var err error
		for rest := output; len(rest) > 0 && err == nil; {
			n := min(int(step)+1, len(rest))
			_, err = r.Write(rest[:n])
			rest = rest[n:]
		}
		var want []string
		pieces := strings.Split(string(output), "\x00")
		for _, name := range pieces[:len(pieces)-1] {
			if name != "" {
				want = append(want, name)
			}
		}
		if len(output) > maxFound {
			return
		}
		if more := len(want) > int(limit); errors.Is(err, errEnough) != more || err != nil && !more {
			t.Fatalf("%d names, limit %d: %v", len(want), limit, err)
		}
		if got := strings.Join(r.found, "\x00"); got != strings.Join(want[:min(len(want), int(limit))], "\x00") {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// FuzzReplacer: however the content is cut into pieces, the result is that of strings.ReplaceAll.
func FuzzReplacer(f *testing.F) {
	f.Add("aaab aab", "aab", "x", uint8(2))
	f.Fuzz(func(t *testing.T, content, before, after string, step uint8) {
		if before == "" {
			return
		}
		var out bytes.Buffer
		r := replacer{w: &out, old: []byte(before), new: []byte(after)}
		for rest := []byte(content); len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			if m, err := r.Write(rest[:n:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(content, before, after); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

// FuzzLines: however the content is cut into pieces, the lines are the same.
func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n\nc", "b", uint8(1))
	f.Fuzz(func(t *testing.T, content, text string, step uint8) {
		if strings.Contains(text, "\n") || len(content) > maxLine {
			return
		}
		type found struct {
			number int
			line   string
		}
		var got, want []found
		l := lineWriter{text: []byte(text), each: func(number int, line []byte) error {
			got = append(got, found{number, string(line)})
			return nil
		}}
		for rest := []byte(content); len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			if _, err := l.Write(rest[:n:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(content, "\n")
		for i, line := range lines {
			if line = strings.TrimSuffix(line, "\r"); strings.Contains(line, text) && (i < len(lines)-1 || lines[i] != "") {
				want = append(want, found{i + 1, line})
			}
		}
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("got %v, want %v", got[i], want[i])
			}
		}
	})
}
