package guest_test

import (
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

func TestScriptsRunAsOnAndroid(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{Serial: "S1"})
	g.SetBooted()
	for _, c := range []struct {
		name, script, out, err string
		status                 int
	}{
		{"arithmetic", `echo $((6*7))`, "42\n", "", 0},
		{"a property", `getprop ro.product.model`, "Cuttlefish x86_64 phone\n", "", 0},
		{"boot completed", `getprop sys.boot_completed`, "1\n", "", 0},
		{"an unset property has a default", `getprop no.such fallback; getprop no.such`, "fallback\n\n", "", 0},
		{"a property can be set", `setprop debug.x 'a b'; getprop debug.x`, "a b\n", "", 0},
		{"read-only properties stay", `setprop ro.serialno x; getprop ro.serialno`, "S1\n", "setprop: failed to set property 'ro.serialno' to 'x'\n", 0},
		{"an unknown command is 127", `nope`, "", "/system/bin/sh: nope: inaccessible or not found\n", 127},
		{"a directory cannot be run", `/data`, "", "/system/bin/sh: /data: can't execute: Is a directory\n", 126},
		{"exit code", `exit 7`, "", "", 7},
		{"exit code of the last command", `true; false`, "", "", 1},
		{"stderr is apart", `echo a; echo b >&2`, "a\n", "b\n", 0},
		{"echo knows escapes", `echo 'a\tb\\c'; echo -E 'a\tb'; echo -n x`, "a\tb\\c\na\\tb\nx", "", 0},
		{"a quote within quotes", `A='it'\''s $HOME'; export B='b'\''s'; echo "$A" "$B" x\'y`, "it's $HOME b's x'y\n", "", 0},
		{"backslashes and tildes", `a=x\ y; b=a\\b; c=\~root; d=~root; e=~/q; f="\$\'"; echo -E "$a|$b|$c|$d|$e|$f" ~nobody {~root,\,}`, `x y|a\b|~root|~root|//q|$\' ~nobody ~root ,` + "\n", "", 0},
		{"quoted patterns", `case 'a*' in a\*) echo literal;; esac; x=a.b; echo ${x#a\.}; [[ axb != a\.b ]] && echo other`, "literal\nb\nother\n", "", 0},
		{"printf", `printf '%s-%03d|' a 7 b 8; printf 'x\n'`, "a-007|b-008|x\n", "", 0},
		{"pipes", `seq 5 | grep -v 3 | tail -n 2 | tr '\n' ,`, "4,5,", "", 0},
		{"the last stage decides the status", `false | true; echo $?; set -o pipefail; false | true; echo $?`, "0\n1\n", "", 0},
		{"variables set in a pipe are lost, as in mksh", `x=1; echo 2 | read x; echo $x`, "1\n", "", 0},
		{"command substitution", "echo $(echo a; echo b) `echo c`", "a b c\n", "", 0},
		{"here-document", "cat <<EOF\na $((1+1))\nEOF\ncat <<'EOF'\n$x\nEOF", "a 2\n$x\n", "", 0},
		{"here-string", `cat <<<hello`, "hello\n", "", 0},
		{"redirections", `cd /data/local/tmp; echo a >f; echo b >>f; cat <f; wc -l f`, "a\nb\n2 f\n", "", 0},
		{"a missing input", `cat </nope; echo $?`, "1\n", "/system/bin/sh: /nope: open: No such file or directory\n", 0},
		{"a read-only place", `echo x >/system/x`, "", "/system/bin/sh: /system/x: create: Permission denied\n", 1},
		{"functions", `f() { echo "$1-$#"; return 3; }; f a b; echo $?`, "a-2\n3\n", "", 0},
		{"locals", `x=1; f() { typeset x=2; echo $x; }; f; echo $x`, "2\n1\n", "", 0},
		{"loops", `for i in a b; do echo $i; done; i=0; while [ $i -lt 2 ]; do i=$((i+1)); done; echo $i`, "a\nb\n2\n", "", 0},
		{"case", `case foo in f*) echo yes;; *) echo no;; esac`, "yes\n", "", 0},
		{"cd to nowhere is 2", `cd /nope; echo $?`, "2\n", "/system/bin/sh: cd: /nope: No such file or directory\n", 0},
		{"cd and pwd", `cd /sdcard; pwd; pwd -P; cd -`, "/sdcard\n/storage/emulated/0\n/\n", "", 0},
		{"eval", `eval 'x=$((1+2))'; eval echo '$x'`, "3\n", "", 0},
		{"sourcing a file", `echo 'y=5; echo in $1' >/data/local/tmp/s; . /data/local/tmp/s arg; echo $y`, "in arg\n5\n", "", 0},
		{"a script file", `cd /data/local/tmp; echo 'echo "$0 $1"' >s.sh; chmod 755 s.sh; ./s.sh x; sh s.sh y`, "./s.sh x\ns.sh y\n", "", 0},
		{"a script with an interpreter line", `cd /data/local/tmp; printf '#!/system/bin/sh\necho hi $1\n' >h; chmod +x h; ./h there`, "hi there\n", "", 0},
		{"a script without the x bit", `cd /data/local/tmp; echo echo >n; ./n`, "", "/system/bin/sh: ./n: can't execute: Permission denied\n", 126},
		{"nested shells", `sh -c 'echo $0 $1; exit 4' name arg; echo $?`, "name arg\n4\n", "", 0},
		{"a shell that reads a pipe", `echo 'echo inner; exit 3' | sh; echo $?`, "inner\n3\n", "", 0},
		{"exec replaces the shell", `exec echo gone; echo not here`, "gone\n", "", 0},
		{"exec keeps redirections", `exec >/data/local/tmp/e; echo in; cat /data/local/tmp/e >&2`, "", "in\n", 0},
		{"type and command -v", `f() { :; }; type ls; type echo; type f; command -v ls; command -v f; command -v nope; echo $?; type nope`,
			"ls is /system/bin/ls\necho is a shell builtin\nf is a function\n/system/bin/ls\nf\n1\nnope not found\n", "", 1},
		{"command passes functions by", `ls() { echo mine; }; command ls -d /data`, "/data\n", "", 0},
		{"which", `which ls`, "/system/bin/ls\n", "", 0},
		{"trap on exit", `trap 'echo bye $?' EXIT; echo hi; exit 3`, "hi\nbye 3\n", "", 3},
		{"trap on exit without exit", `trap 'echo bye' EXIT; echo hi`, "hi\nbye\n", "", 0},
		{"trap on a signal", `trap 'echo caught' TERM; kill $$; echo on`, "caught\non\n", "", 0},
		{"an ignored signal", `trap '' TERM; kill $$; echo on`, "on\n", "", 0},
		{"a shell that kills itself", `kill -9 $$; echo not here`, "", "", 137},
		{"set -e", `set -e; false; echo not here`, "", "", 1},
		{"umask", `umask 077; cd /data/local/tmp; touch u; stat -c %a u`, "600\n", "", 0},
		{"read", `printf 'a b\nc\n' | while read x y; do echo "$y-$x"; done`, "b-a\n-c\n", "", 0},
		{"timeout", `timeout 0.05 sleep 100; echo $?`, "124\n", "", 0},
		{"env", `env -i A=1 env; A=2 printenv A`, "A=1\n2\n", "", 0},
		{"xargs", `printf 'a b\nc' | xargs -n 1 echo -`, "- a\n- b\n- c\n", "", 0},
		{"syntax error", `echo a; if`, "", "", 1},
		{"process substitution is a syntax error", `cat <(echo x)`, "", "", 1},
		{"id", `id -u; whoami`, "2000\nshell\n", "", 0},
		{"su", `su 0 id -u; su root whoami`, "0\nroot\n", "", 0},
		{"settings", `settings put global a b; settings get global a; settings get global none`, "b\nnull\n", "", 0},
		{"screen size", `wm size`, "Physical size: 720x1280\n", "", 0},
		{"urandom", `head -c 10 /dev/urandom | wc -c; dd if=/dev/zero bs=1k count=3 2>/dev/null | wc -c`, "10\n3072\n", "", 0},
		{"digest", `printf abc | sha256sum`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n", "", 0},
		{"base64", `echo hello | base64; echo aGVsbG8K | base64 -d`, "aGVsbG8K\nhello\n", "", 0},
		{"/dev/fd", `echo x | cat /dev/fd/0; echo y >/dev/stderr`, "x\n", "y\n", 0},
		{"globs", `cd /data/local/tmp; mkdir g; touch g/a g/b; echo g/*; echo g/none*`, "g/a g/b\ng/none*\n", "", 0},
		{"a pipe that ends early", `yes | head -n 2; while true; do echo z; done | head -n 1`, "y\ny\nz\n", "", 0},
		{"background job", `sleep 0.01 & wait $!; echo $?; (exit 5) & wait $!; echo $?`, "0\n5\n", "", 0},
		{"a killed job", `sleep 100 & kill -9 $!; wait $!; echo $?`, "137\n", "Killed \n", 0},
		{"a killed loop", `(while true; do sleep 0.01; done) & kill $!; wait $!; echo $?`, "143\n", "Terminated \n", 0},
		{"a job does not eat the script's stdin", `cat & wait; echo end`, "end\n", "", 0},
		{"pids are the guest's", `[ $$ -gt 2000 ] && sh -c '[ $PPID != $$ ]' && echo ok; kill -0 $$; ps -p $$ -o PID= | tr -d ' ' | grep -qx $$; echo $?`, "ok\n0\n", "", 0},
		{"endless recursion ends", `f() { f; }; f`, "", "/system/bin/sh: functions are nested too deep\n", 1},
		{"find", `cd /data/local/tmp; mkdir -p fd/x; touch fd/x/1 fd/2; find fd -mindepth 1 -type f -printf '%p %s\n' | sort`, "fd/2 0\nfd/x/1 0\n", "", 0},
		{"stat", `cd /data/local/tmp; printf abc >st; chmod 640 st; stat -c '%f|%s|%u|%g|%F|%a' -- st; stat nope`, "81a0|3|2000|2000|regular file|640\n", "stat: 'nope': No such file or directory\n", 1},
		{"mkdir, mv, rm", `cd /data/local/tmp; mkdir -p -m 700 m/a; stat -c %a m/a; touch m/f; mv -n -T -- m/f m/g; ls m; rm -rf m; ls m`, "700\na\ng\n", "ls: m: No such file or directory\n", 1},
		{"links", `cd /data/local/tmp; ln -s /data l; readlink l; [ -L l ] && [ -d l ] && realpath l`, "/data\n/data\n", "", 0},
		{"the sdcard", `echo x >/sdcard/Download/a; cat /storage/emulated/0/Download/a; chmod 777 /sdcard/Download/a`, "x\n",
			"chmod: chmod '/sdcard/Download/a' to 777: Operation not permitted\n", 1},
		{"others' files", `ls /data/property; cat /data/property/x`, "", "ls: /data/property: Permission denied\ncat: /data/property/x: Permission denied\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sh(t, g, c.script)
			want := result{c.out, c.err, c.status}
			if c.name == "syntax error" || c.name == "process substitution is a syntax error" {
				got.err, got.out, want.out = "", "", ""
			}
			if got != want {
				t.Errorf("%s\n got %+v\nwant %+v", c.script, got, want)
			}
		})
	}
}
