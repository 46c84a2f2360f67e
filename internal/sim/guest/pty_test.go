package guest_test

import (
	"io"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// keyboard types at a session with a terminal and waits for what it shows.
type keyboard struct {
	t       *testing.T
	keys    *io.PipeWriter
	session *guest.Session
	out     *lockedBuffer
	seen    int
}

func sit(t *testing.T, g *guest.Guest, spec guest.Spec) *keyboard {
	t.Helper()
	keys, typed := io.Pipe()
	spec.Stdin, spec.TTY = keys, true
	spec.Rows, spec.Cols = 24, 80
	s, out := start(t, g, spec)
	t.Cleanup(func() { typed.Close() })
	return &keyboard{t: t, keys: typed, session: s, out: out}
}

func (k *keyboard) typed(text string) {
	k.t.Helper()
	if _, err := io.WriteString(k.keys, text); err != nil {
		k.t.Fatal(err)
	}
}

// expect waits until text is shown behind what was expected before.
func (k *keyboard) expect(text string) {
	k.t.Helper()
	eventually(k.t, "shows "+text, func() (string, bool) {
		rest := k.out.String()[k.seen:]
		at := strings.Index(rest, text)
		if at >= 0 {
			k.seen += at + len(text)
		}
		return rest, at >= 0
	})
}

func TestAPersonAtATerminal(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	k := sit(t, g, guest.Spec{})
	k.expect("vsoc_x86_64:/ $ ")
	k.typed("echo hi\r")
	k.expect("echo hi\r\nhi\r\nvsoc_x86_64:/ $ ")
	k.typed("cd /data/local/tmp; false\r")
	k.expect("1|vsoc_x86_64:/data/local/tmp $ ")
	k.typed("stty size; echo $LINES $COLUMNS; tty; [ -t 0 ] && [ -t 1 ] && echo both\r")
	k.expect("24 80\r\n24 80\r\n/dev/pts/0\r\nboth\r\n")
	k.session.Resize(40, 120)
	k.typed("stty size; echo $LINES $COLUMNS\r")
	k.expect("40 120\r\n40 120\r\n")
	k.typed("cat\rline\r")
	k.expect("line\r\nline\r\n")
	k.typed("\x04")
	k.expect("$ ")
	k.typed("sleep 1000\r")
	k.expect("sleep 1000\r\n")
	eventually(t, "sleep runs", func() (string, bool) { return "", g.Processes() > 1 })
	k.typed("\x03")
	k.expect("^C\r\n130|vsoc_x86_64:/data/local/tmp $ ")
	k.typed("half a line\x03")
	k.expect("^C\r\n130|vsoc")
	k.typed("if true\rthen echo yes\rfi\r")
	k.expect("> ")
	k.expect("yes\r\n")
	k.typed("stty -echo; read x; stty echo; echo \"got $x\"\rsecret\r")
	k.expect("got secret\r\n")
	k.typed("read y </dev/tty; echo \"$y!\" >/dev/tty\rdirect\r")
	k.expect("direct!\r\n")
	k.typed("nosuch\r")
	k.expect("/system/bin/sh: nosuch: inaccessible or not found\r\n127|")
	k.typed("sleep 1000 &\r")
	k.expect("$ ")
	k.typed("\x03")
	k.expect("130|")
	k.typed("kill -0 $!; echo alive $?; kill $!; wait $!; echo $?\r")
	k.expect("alive 0\r\n")
	k.expect("143\r\n")
	k.typed("exit 3\r")
	if status := done(t, k.session, "exit"); status != 3 {
		t.Errorf("status %d", status)
	}
}

func TestATerminalEndsTheShell(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	root := sit(t, g, guest.Spec{Root: true})
	root.expect("vsoc_x86_64:/ # ")
	root.typed("\x04")
	if status := done(t, root.session, "^D"); status != 0 {
		t.Errorf("^D ends with %d", status)
	}
	command := sit(t, g, guest.Spec{Script: "read x; echo \"<$x>\"; stty size; exec sh -i"})
	command.typed("a\r")
	command.expect("a\r\n<a>\r\n24 80\r\n")
	command.expect("vsoc_x86_64:/ $ ")
	command.typed("exit 4\r")
	if status := done(t, command.session, "exit"); status != 4 {
		t.Errorf("status %d", status)
	}
	trap := sit(t, g, guest.Spec{Script: "trap 'echo caught' INT; while :; do sleep 0.01; done"})
	eventually(t, "the loop runs", func() (string, bool) { return "", g.Processes() > 1 })
	trap.typed("\x03")
	trap.session.Hangup()
	if status := done(t, trap.session, "hangup"); status != 129 {
		t.Errorf("status %d", status)
	}
	if got := sh(t, g, "tty; stty size; [ -t 0 ]; echo $?; echo x >/dev/tty"); got.out != "not a tty\n1\n" {
		t.Errorf("without a terminal: %+v", got)
	}
}
