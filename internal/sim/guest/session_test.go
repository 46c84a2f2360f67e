package guest_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

func TestAScriptOnStdinRunsAsItComes(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	for _, c := range []struct {
		name, script, out string
		status            int
	}{
		{"lines", "echo a\necho b\n", "a\nb\n", 0},
		{"no end of the last line", "echo a", "a\n", 0},
		{"a command eats the rest", "echo a\ncat\necho b\necho c\n", "a\necho b\necho c\n", 0},
		{"a command eats one line", "read x\nhello\necho $x\n", "hello\n", 0},
		{"head takes what its buffer takes, the shell nothing more", "echo a; cat >/dev/null\nexit 3\n", "a\n", 0},
		{"a statement over many lines", "for i in 1 2\ndo\n echo $i\ndone\nif true; then\necho yes\nfi\n", "1\n2\nyes\n", 0},
		{"quotes over lines", "echo 'a\nb' \"c\nd\"\n", "a\nb c\nd\n", 0},
		{"a here-document", "cat <<'E'\n$x `y`\nE\necho after\n", "$x `y`\nafter\n", 0},
		{"exit ends it", "exit 4\necho no\n", "", 4},
		{"the last status is the shell's", "true\nfalse\n", "", 1},
		{"lines before a mistake run", "echo a\nfi\necho b\n", "a\n", 1},
		{"comments and blank lines", "# x\n\n  # y\necho a # z\n", "a\n", 0},
		{"a continued line", "echo a \\\nb\n", "a b\n", 0},
		{"errors into output", "exec 2>&1\necho e >&2\necho o\n", "e\no\n", 0},
		{"nothing", "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := shStdin(t, g, c.script)
			if got.out != c.out || got.status != c.status {
				t.Errorf("got %+v, want %q, %d", got, c.out, c.status)
			}
		})
	}
}

func TestTwoMiBOfScriptArriveIntact(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	const size = 2 << 20
	word := strings.Repeat(`a"b$(c)\ `, size/9)
	for name, script := range map[string]string{
		"one quoted word": "printf %s '" + word + "' | wc -c\n",
		"a here-document": "wc -c <<'E'\n" + word + "\nE\n",
		"many lines":      strings.Repeat("x=$((x+1)); : '"+strings.Repeat("long ", 200)+"'\n", size/1000) + "echo $x\n",
	} {
		want := strconv.Itoa(len(word))
		if name == "a here-document" {
			want = strconv.Itoa(len(word) + 1)
		}
		if name == "many lines" {
			want = strconv.Itoa(size / 1000)
		}
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			for how, got := range map[string]result{"stdin": shStdin(t, g, script), "-c": sh(t, g, script)} {
				if got.out != want+"\n" || got.status != 0 {
					t.Errorf("%s: got %.100q, %.100q, %d; want %s", how, got.out, got.err, got.status, want)
				}
			}
			t.Logf("%v for both", time.Since(start))
		})
	}
}

// start starts a script and returns it with its output; the test ends what is left of it.
func start(t *testing.T, g *guest.Guest, spec guest.Spec) (*guest.Session, *lockedBuffer) {
	t.Helper()
	var out lockedBuffer
	spec.Stdout, spec.Stderr = &out, &out
	s, err := g.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s, &out
}

func done(t *testing.T, s *guest.Session, what string) int {
	t.Helper()
	select {
	case <-s.Done():
		return s.Wait()
	case <-time.After(limit):
		t.Fatalf("%s: the session goes on", what)
		return 0
	}
}

func TestTheGroupEndsTogether(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"sleep 1000", "sleep 1000; sleep 1000", "while true; do sleep 0.01; done", "while :; do :; done", "yes >/dev/null",
		"yes | cat >/dev/null", "sleep 1000 & sleep 1000 & wait", "(while true; do :; done) & cat /dev/zero | tail -n 1",
		"sh -c 'sh -c \"sleep 1000; true\"; true'", "cat", "read x", "while ((1)); do ((x++)); done", "cat /dev/zero >/dev/null",
		"x=$(sleep 1000)", "f() { f2 | f2; }; f2() { sleep 1000; }; f", "timeout 500 sleep 1000", "echo 1000 | xargs sleep; find / -exec sleep 1000 \\;",
		"trap '' TERM HUP INT; sleep 1000; sleep 1000", "grep x; dd if=/dev/zero of=/dev/null", "logcat", "sleep 1000 | sleep 1000 | sleep 1000",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			g := boot(t, guest.Options{})
			stdin, keep := io.Pipe()
			defer keep.Close()
			s, out := start(t, g, guest.Spec{Script: "echo $$; " + script, Stdin: stdin})
			eventually(t, "the pid", func() (string, bool) { return out.String(), strings.Contains(out.String(), "\n") })
			pid, _, _ := strings.Cut(out.String(), "\n")
			if pid != strconv.Itoa(s.PID()) {
				t.Errorf("$$ is %s, the session says %d", pid, s.PID())
			}
			if got := sh(t, g, "kill -9 -- -"+pid); got.status != 0 {
				t.Fatalf("kill: %+v", got)
			}
			if status := done(t, s, script); status != 137 {
				t.Errorf("status %d", status)
			}
			eventually(t, "the processes", func() (string, bool) { return fmt.Sprint(g.Processes()), g.Processes() == 0 })
		})
	}
}

func TestHangupReachesTheShellAlone(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	t.Run("a single command has taken the shell's place", func(t *testing.T) {
		s, _ := start(t, g, guest.Spec{Script: "sleep 1000"})
		s.Hangup()
		if status := done(t, s, "sleep"); status != 129 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("a child goes on and keeps the output open", func(t *testing.T) {
		s, out := start(t, g, guest.Spec{Script: "sh -c 'echo $$; exec sleep 1000'; true"})
		eventually(t, "the child", func() (string, bool) { return out.String(), strings.Contains(out.String(), "\n") })
		s.Hangup()
		<-s.Exited()
		select {
		case <-s.Done():
			t.Error("the output was closed")
		default:
		}
		if got := sh(t, g, "kill "+strings.TrimSpace(out.String())); got.status != 0 {
			t.Errorf("kill: %+v", got)
		}
		if status := done(t, s, "after the kill"); status != 129 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("a script that ignores it goes on", func(t *testing.T) {
		s, out := start(t, g, guest.Spec{Script: "trap '' HUP; echo ready; sleep 0.05; echo still; exit 5"})
		eventually(t, "the trap", func() (string, bool) { return out.String(), strings.Contains(out.String(), "ready") })
		s.Hangup()
		if status := done(t, s, "ignoring"); status != 5 || !strings.Contains(out.String(), "still") {
			t.Errorf("status %d, out %q", status, out.String())
		}
	})
}

func TestABackgroundJobHoldsTheOutput(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	s, out := start(t, g, guest.Spec{Script: "sleep 1000 & echo $!"})
	<-s.Exited()
	select {
	case <-s.Done():
		t.Error("the output was closed under the job")
	default:
	}
	sh(t, g, "kill -9 "+strings.TrimSpace(out.String()))
	if status := done(t, s, "job"); status != 0 {
		t.Errorf("status %d", status)
	}
	s, out = start(t, g, guest.Spec{Script: "(sleep 0.05; echo late >/data/local/tmp/late) >/dev/null 2>&1 </dev/null & echo started"})
	if done(t, s, "detached job"); out.String() != "started\n" {
		t.Errorf("out %q", out.String())
	}
	eventually(t, "the detached job's file", func() (string, bool) {
		got := sh(t, g, "cat /data/local/tmp/late")
		return got.out + got.err, got.out == "late\n"
	})
}

func TestTheProcessTableIsBounded(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{MaxProcesses: 50})
	for _, script := range []string{
		`i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done`,
		`f() { f | f; }; f`, `f() { f | f & }; f; wait`, `f() { (f) & (f) & }; f; wait`,
		`echo 'sh $0; true' >/data/local/tmp/deep; sh /data/local/tmp/deep; true`,
	} {
		s, out := start(t, g, guest.Spec{Script: script})
		eventually(t, "the limit in "+script, func() (string, bool) {
			if n := g.Processes(); n > 50 {
				t.Errorf("%s: %d processes", script, n)
			}
			return fmt.Sprintf("%d processes, out %.200q", g.Processes(), out.String()), strings.Contains(out.String(), "can't fork")
		})
		eventually(t, "no processes after "+script, func() (string, bool) {
			s.Interrupt()
			return g.Describe(), g.Processes() == 0
		})
	}
	if got := sh(t, g, "echo fine"); got.out != "fine\n" {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestAJobThatComesTooLateIsNoProcess(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	if told, err := g.ForkTooLate(); err != nil || len(told) != 2 || told[1] != "1" {
		t.Errorf("told %q, %v", told, err)
	}
	if n := g.Processes(); n != 0 {
		t.Errorf("%d processes: %s", n, g.Describe())
	}
}

func TestASignalThatComesTooLateLeavesTheJobsAlone(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	if runs, err := g.LateSignal(2); err != nil || !runs {
		t.Errorf("the job runs: %v, %v", runs, err)
	}
}

func TestShutdownEndsEverything(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	var sessions []*guest.Session
	for _, script := range []string{"sleep 1000 & yes | cat >/dev/null", "while :; do :; done", "cat /dev/zero | sh", "sh -c 'sleep 1000; true' & wait"} {
		s, _ := start(t, g, guest.Spec{Script: script})
		sessions = append(sessions, s)
	}
	g.Shutdown()
	for _, s := range sessions {
		done(t, s, "shutdown")
	}
	if _, err := g.Start(guest.Spec{Script: "true"}); err == nil {
		t.Error("a guest that is off starts sessions")
	}
}

func TestFilesSurviveABoot(t *testing.T) {
	t.Parallel()
	disk := newDisk()
	t.Run("first boot", func(t *testing.T) {
		g := boot(t, guest.Options{}, disk)
		got := sh(t, g, `echo kept >/data/local/tmp/a; echo also >/sdcard/b; setprop persist.x y; setprop debug.x y; settings put global k v; sync`)
		if got.status != 0 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("second boot", func(t *testing.T) {
		g := boot(t, guest.Options{Serial: "other"}, disk)
		got := sh(t, g, `cat /data/local/tmp/a /sdcard/b; getprop persist.x; getprop debug.x; settings get global k; getprop ro.serialno`)
		if want := "kept\nalso\ny\n\nv\nother\n"; got.out != want {
			t.Errorf("got %q, want %q", got.out, want)
		}
	})
}

func TestRebootAsksForPower(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{"reboot": "reboot", "reboot -p": "shutdown", "reboot bootloader": "reboot,bootloader"} {
		asked := make(chan string, 1)
		g := boot(t, guest.Options{Power: func(how string) { asked <- how }})
		start(t, g, guest.Spec{Script: script})
		select {
		case how := <-asked:
			if how != want {
				t.Errorf("%s asks for %q, want %q", script, how, want)
			}
		case <-time.After(limit):
			t.Errorf("%s asks for nothing", script)
		}
	}
}

func TestAndroid10SaysNotFound(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{Release: "10"})
	if got := sh(t, g, "getprop ro.build.version.sdk; nope"); got.out != "29\n" || got.err != "/system/bin/sh: nope: not found\n" {
		t.Errorf("got %+v", got)
	}
}

func TestManySessionsAtOnce(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			want := fmt.Sprintf("%d\n", i)
			script := fmt.Sprintf("cd /data/local/tmp; echo %d >f%d; cat f%d | cat & wait", i, i, i)
			if got := sh(t, g, script); got.out != want {
				t.Errorf("got %+v, want %q", got, want)
			}
		})
	}
	all.Wait()
}

func FuzzShell(f *testing.F) {
	for _, script := range []string{"echo $$ | cat &", "f() { ${x:-~root}; }; f", "cat <<E\n$(", "trap 'x' EXIT; . /x", "a=(1 2); ${a[$!]}", "case x in x) ;; esac", "eval 'eval eval'"} {
		f.Add(script)
	}
	g := boot(f, guest.Options{MaxProcesses: 64})
	f.Fuzz(func(t *testing.T, script string) {
		var out lockedBuffer
		s, err := g.Start(guest.Spec{Script: script, Stdout: &out, Stderr: &out})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Done():
		case <-time.After(200 * time.Millisecond):
			sh(t, g, fmt.Sprintf("kill -9 -%d", s.PID()))
			select {
			case <-s.Exited():
			case <-time.After(limit):
				t.Fatalf("%q cannot be killed", script)
			}
		}
	})
}
