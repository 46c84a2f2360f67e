package guest_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// TestTheHostIsOutOfReach tries every way a script has to a file, a process or a variable.
func TestTheHostIsOutOfReach(t *testing.T) {
	const secret = "host-secret-4711"
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOST_SECRET", secret)
	t.Setenv("TMPDIR", dir)
	t.Setenv("HOME", dir)
	hostname, _ := os.Hostname()
	wd, _ := os.Getwd()
	g := boot(t, guest.Options{})
	files := strings.NewReplacer("FILE", file, "DIR", dir, "WD", wd)
	for _, script := range []string{
		`cat FILE`, `cat <FILE`, `echo $(<FILE)`, `read x <FILE; echo $x`, `. FILE`, `source FILE`, `. ./secret`, `FILE`,
		`cd DIR && echo in`, `cd DIR/ ; ls`, `cd WD; pwd; echo *`, `ls DIR`, `ls -la DIR WD`, `echo DIR/*`, `echo /wor*/*`, `echo DIR/sec*`,
		`[ -e FILE ] && echo yes`, `test -r FILE && echo yes`, `[[ -f FILE ]] && echo yes`, `[ -x FILE ] && echo yes`,
		`[ FILE -nt / ] && echo yes`, `[ -e /usr/bin/env ] && echo yes`, `/usr/bin/env`, `exec /usr/bin/env`,
		`PATH=/usr/bin:/bin; bash -c id`, `PATH=DIR; secret; type secret; command -v secret; which secret; type -p secret; whence secret`,
		`command -v FILE`, `type FILE`, `command FILE`, `builtin . FILE`, `eval 'cat FILE'`, `trap 'cat FILE' EXIT`, `exec cat FILE`,
		`sh FILE`, `sh -c 'cat FILE'`, `echo 'cat FILE' | sh`, `timeout 5 cat FILE`, `xargs cat <<<FILE`, `find DIR`, `find /work`,
		`env`, `printenv`, `set`, `export`, `echo $HOST_SECRET`, `echo ${HOST_SECRET:-none}`, `echo ~`, `cd; pwd`, `unset HOME; cd; cd ~; pwd`,
		`echo ~root ~daemon x{~root,~nobody}; x=~root; echo $x; echo ${y:-~root}; case a in ~root) ;; esac; for i in ~root; do echo $i; done`,
		`cd ~root; pwd`, `cat /proc/self/environ /proc/1/environ /proc/1/cmdline`, `cat /proc/version; uname -a; hostname; cat /etc/hostname`,
		`ls -l /proc/self/cwd/ /proc/self/root/ /proc/self/fd/; cat /proc/self/cwd/go.mod`, `cat /dev/fd/3 /dev/fd/9`, `cat <&9; echo hi >&7`,
		`cat /etc/passwd; cat $(echo /etc/passwd)`, `ls /`, `ls /usr /home /root /var /opt /work`, `cat /../../../etc/passwd`,
		`ln -s FILE /data/local/tmp/l; cat /data/local/tmp/l; readlink -f /data/local/tmp/l; cp /data/local/tmp/l /data/local/tmp/m; cat /data/local/tmp/m`,
		`echo x > DIR/new; touch DIR/new; mkdir DIR/newdir; cp /system/etc/hosts DIR/new; mv /data/local/tmp/l DIR/new; rm FILE; rm -rf DIR`,
		`cat <(echo hi)`, `eval 'cat <(echo hi)'`, `echo hi > >(cat)`, `x='cat <(echo hi)'; eval "$x"`, `trap 'cat <(echo hi)' EXIT`,
		`cat </data/local/tmp/sh-interp-1; echo x >/data/local/tmp/sh-interp-1; cat DIR/sh-interp-1; echo x >DIR/sh-interp-2`,
		`pwd -P; cd /data; pwd -P; builtin pwd -P; command pwd -P`, `[[ -O FILE ]]; [ -O FILE ]; test -G /data`, `[ -N FILE ] || echo no`,
		`help; history; shopt; pushd DIR; dirs; mapfile x; compgen -f /`, `eval() { :; }; eval 'cat FILE'; source() { :; }; source FILE; type() { :; }; type bash`,
		`alias x='cat FILE'; x`, `ulimit -a; times; jobs; hash; getopts a x -a; umask`, `select x in DIR/*; do echo $x; break; done </dev/null`,
		`find / -maxdepth 1`, `df; du -s DIR; stat FILE; realpath FILE; readlink FILE; md5sum FILE; tail FILE; grep -r host- DIR WD /work`,
		`dd if=FILE; dd of=DIR/new if=/dev/zero count=1; tee DIR/new </dev/null; sort FILE -o DIR/new; wc FILE; cmp FILE FILE; mktemp -p DIR`,
	} {
		script = files.Replace(script)
		for how, got := range map[string]result{"-c": sh(t, g, script), "stdin": shStdin(t, g, script+"\n")} {
			for _, leak := range []string{secret, "root:x:", "/root", "daytonaio"} {
				for _, line := range strings.Split(got.out, "\n") {
					if strings.Contains(line, leak) && !strings.Contains(line, "~") {
						t.Errorf("%s %q leaks %q: %q", how, script, leak, line)
					}
				}
			}
			if hostname != "" && hostname != "localhost" && strings.Contains(got.out, hostname) {
				t.Errorf("%s %q shows the host's name: %q", how, script, got.out)
			}
			if strings.Contains(script, "&& echo yes") && strings.Contains(got.out, "yes") {
				t.Errorf("%s %q is true", how, script)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the host's directory changed: %v, %v", left, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != secret+"\n" {
		t.Errorf("the host's file changed: %q, %v", got, err)
	}
}

func TestProcessesAreTheGuestsOwn(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	pid, ppid := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, script := range []string{
		`echo $$ ${$} "$$" $PPID $((PPID)) $(($$)) $!`, `eval 'echo $$ $PPID'`, `sh -c 'echo $$ $PPID'`, `f() { echo $$; }; f`,
		`trap 'echo $$' EXIT`, `echo 'echo $$ $PPID' >/data/local/tmp/p; . /data/local/tmp/p`, "cat <<EOF\n$$ $PPID\nEOF", `let x=PPID; echo $x`,
		`a[PPID]=1; echo ${!a[@]}`, `x='$'; echo ${!x}`, `typeset -n x=PPID; echo $x`, `unset 'a[$(echo $$ >&2)]'`, `echo $BASHPID`,
	} {
		got := sh(t, g, script)
		for _, word := range strings.Fields(got.out + " " + got.err) {
			if word == pid || word == ppid {
				t.Errorf("%q shows the host's process: %+v", script, got)
			}
		}
	}
	for _, c := range []struct{ script, err string }{
		{`kill -9 1`, "/system/bin/sh: kill: 1: Operation not permitted\n"},
		{`kill -9 ` + pid, "/system/bin/sh: kill: " + pid + ": No such process\n"},
		{`kill -9 -` + pid, "/system/bin/sh: kill: -" + pid + ": No such process\n"},
	} {
		if os.Getpid() < 3000 && strings.Contains(c.script, pid) {
			continue // the guest might have a process of this number
		}
		if got := sh(t, g, c.script); got.err != c.err || got.status != 1 {
			t.Errorf("%q: got %+v, want %q", c.script, got, c.err)
		}
	}
}
