package toybox

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// run runs an applet that needs no files and no system.
func run(stdin string, args ...string) (out string, status int) {
	var o, e bytes.Buffer
	image := vfs.Dir(0o755, map[string]*vfs.Node{"f": vfs.Text(0o644, func() []byte { return []byte("b 2\na 10\nb 2\n") })})
	c := &Call{
		Ctx: context.Background(), Args: args, Dir: "/", View: vfs.New(nil, image).As(vfs.Cred{}),
		In: strings.NewReader(stdin), Out: &o, Err: &e,
	}
	status = Lookup(args[0])(c)
	return o.String(), status
}

func TestApplets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, args, out string
		status        int
	}{
		{"", "cat /f -", "b 2\na 10\nb 2\n", 0},
		{"x", "cat /f - /none", "b 2\na 10\nb 2\nx", 1},
		{"", "cat -q", "", 1},
		{"", "sort -u /f", "a 10\nb 2\n", 0},
		{"", "sort -k2 -n -r /f", "a 10\nb 2\nb 2\n", 0},
		{"", "wc /f", "3 6 13 /f\n", 0},
		{"a\na\nb\n", "uniq -c", "      2 a\n      1 b\n", 0},
		{"a:b:c\nx\n", "cut -d: -f1,3-", "a:c\nx\n", 0},
		{"hello", "tr a-y b-z", "ifmmp", 0},
		{"aabb1", "tr -d [:digit:]", "aabb", 0},
		{"aabb", "tr -s a-z", "ab", 0},
		{"1\n2\n3\n", "head -2", "1\n2\n", 0},
		{"1\n2\n3\n", "tail -n +2", "2\n3\n", 0},
		{"abcdef", "tail -c 2", "ef", 0},
		{"", "seq 3 -1 1", "3\n2\n1\n", 0},
		{"a.b\naxb\n", `grep a\.b`, "a.b\n", 0},
		{"a.b\naxb\n", "grep -F -n a.b", "1:a.b\n", 0},
		{"ab\ncd\n", "grep -v a", "cd\n", 0},
		{"aab\n", `grep -o a\+`, "aa\n", 0},
		{"a+\n", "grep a+", "a+\n", 0},
		{"x\n", "grep y", "", 1},
		{"", "grep ( -E", "", 2},
		{"", "basename /a/b.c .c", "b\n", 0},
		{"", "dirname /a/b/", "/a\n", 0},
		{"", "test 1 -lt 2 -a ! -e /none", "", 0},
		{"", "[ ( a = b ) -o -f /f ]", "", 0},
		{"", "test 1 -lt", "", 2},
		{"hi", "base64", "aGk=\n", 0},
		{"aGk=!!!", "base64 -d", "hi", 0},
		{"abc", "xxd -p", "616263\n", 0},
		{"", "printf %5.1f|%-3s|%x\\n 2.25 ab 255", "  2.2|ab |ff\n", 0},
	} {
		if out, status := run(c.in, strings.Fields(c.args)...); out != c.out || status != c.status {
			t.Errorf("%s: got %q, %d; want %q, %d", c.args, out, status, c.out, c.status)
		}
	}
}

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abbd", false}, {"?", "a", true}, {"[a-c]x", "bx", true},
		{"[!a]", "a", false}, {"[]]", "]", true}, {"[a", "[a", true}, {`\*`, "*", true}, {`\*`, "a", false}, {"*.txt", "/a/b.txt", true},
	} {
		if got := globMatch(c.pattern, c.name); got != c.want {
			t.Errorf("%q, %q: got %v", c.pattern, c.name, got)
		}
	}
	start := time.Now()
	if globMatch(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 255)) {
		t.Error("a hard pattern matches")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("a hard pattern took %v", took)
	}
}

func TestAppletsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, args := range [][]string{{"yes"}, {"sleep", "100"}, {"seq", "1000000000"}, {"cat"}, {"md5sum"}, {"dd"}, {"grep", "x"}, {"sort"}, {"tr", "a", "b"}, {"tail"}, {"xxd"}} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			Lookup(args[0])(&Call{Ctx: ctx, Args: args, Dir: "/", View: vfs.New(nil, vfs.Dir(0o755, nil)).As(vfs.Cred{}),
				In: endless{}, Out: io.Discard, Err: io.Discard})
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Errorf("%v goes on", args)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func FuzzApplets(f *testing.F) {
	for _, seed := range []string{"printf %-*s|%q\\0101 5 a", "grep -E (a|b)[", "find / -name [!a]*", "find / -printf %p%T@%z", "stat -c %f%N%Y /f",
		"tr -cs [:alpha:]\\n a-", "cut -c 2-,1", "date +%s%j", "sort -k 2,2n /f", "seq 1 .5 2", "test ! ( a = b", "head -c 1k /f", "sed -e s/a/[&]/g;2q /f", "sed -n $!{h;d};x;G;p /f", "sed :a;s/^.\\{1,5\\}$/x&/;ta", "od -t x4 /f", "xargs -0 -I {} x {}", "ls -laR /"} {
		f.Add(seed, "some\x00input\n")
	}
	f.Fuzz(func(t *testing.T, line, stdin string) {
		args := strings.Fields(line)
		if len(args) == 0 || len(line) > 200 {
			return
		}
		switch args[0] {
		case "sed", "od", "nl", "paste", "comm", "strings", "tac", "file", "find", "printf", "grep", "stat", "tr", "cut", "sort", "test", "head", "tail", "wc", "uniq", "ls", "base64", "xxd", "cat", "basename", "dirname", "echo", "md5sum", "readlink", "[", "cmp":
			run(stdin, args...)
		}
	})
}
