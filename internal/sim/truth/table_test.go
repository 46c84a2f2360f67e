package truth_test

// commands are run by sh -c beside the files of the test.
var commands = []string{
	// stat
	`stat -c '%f|%s|%u|%g|%Y|%F' -- f`, `stat -c '%f|%F' d`, `ln -s f l; ln -s nope dang; stat -c '%f|%s|%F|%N' l dang nope`,
	`ln -s f l; ln -s nope dang; stat -L -c '%f|%F|%N' l dang`, `stat -c '%a %A %h %n %U %G %s %% %X' f`, `stat -c '%y' f`,
	`stat -c '%.Y' f`, `stat -c`, `stat`, `chmod 4755 f; stat -c '%a %A' f`, `chmod 1777 d; stat -c '%a %A' d`, `stat -c '%F' empty`,
	// find
	`find nope`, `find . -bogus`, `find . -name '['; echo $?`, `find . -maxdepth 0 -printf x`, `find d -mindepth 1 -maxdepth 1 -type f,d | sort`,
	`find d -name`, `find f -printf '%y'`, `find f -printf '%f %g %G %m %M %p %P %s %u %U\0\n'`, `find d -type f -printf '%P\n' | sort`,
	`find f -printf '%T@\n'`, `find f -printf '%b\n'`, `ln -s f l; find l -printf '%l\n'`, `find d -name 'g' -print0 | od -c`,
	`find p -name '*.txt'`, `find p -iname 'X*'`, `find . -path '*/e/*'`, `find p -type f -size -3c | sort`, `find p -empty | sort`, `find p ! -name x.txt -type f | sort`,
	`find p -name x.txt -o -name y | sort`, `find p -type f -exec echo {} \; | sort`, `find p -name y -exec cat {} +`, `find p -name y -delete; ls p`, `find f -printf`,
	// ls
	`ls`, `ls -1a d`, `ls -a p`, `ls -A p`, `ls nope`, `ls -d d`, `ls f nope`, `ls -R d`, `ls -F`, `ls -1 f m`, `ls p d`,
	`ls -ld empty | cut -c 1-10`, `ls -q`, `ls -l f | wc -l`, `ls -n f | cut -d ' ' -f 1,2,3,4,5`,
	// grep
	`grep -rnHFI -e hello d`, `grep -rlFIZ -e hello d | od -c`, `grep nothere f; echo $?`, `grep x nope; echo $?`, `grep -c hello f`, `grep -n hello f m`,
	`grep -F -n -e 'o w' f`, `grep -v hello f`, `grep -i HELLO f`, `grep -w hell f`, `grep -o 'o.' f`, `grep -q hello f; echo $?`, `grep -E '(foo|again)' f`,
	`grep -x 'foo bar' f`, `grep -L hello f m`, `grep -h hello f f`, `grep -m 1 hello f`, `grep -A 1 foo f`, `grep -B 1 foo f`, `grep hello d`, `echo abc | grep -c b`,
	`grep '^h.*d$' f`, `grep -s x nope; echo $?`, `grep`, `grep -e foo -e again f`, `grep hello d/bin`, `grep -I hello d/bin; echo $?`, `grep -a hello d/bin | od -c`, `grep 'fo*' f`, `grep 'a\{2\}' f; echo $?`,
	// mv, cp, rm, mkdir, ln
	`mv -n -T nope x`, `mv -T f d`, `mv -n f m; cat m; ls f`, `mv f g; ls g f`, `mv a b c`, `mv f d; ls d`, `mv`, `mv f`, `mkdir d`, `mkdir -p -m 700 q/r; stat -c %a q q/r`,
	`mkdir nope/x`, `mkdir f/x`, `mkdir -m 750 z; stat -c %a z`, `mkdir`, `mkdir -p d/e; echo $?`, `rm d`, `rm nope`, `rm -rf q; echo $?`, `rm -f nope; echo $?`, `rm -r d; ls d`, `rm`, `rm -f`, `rmdir d`, `rmdir nope`,
	`mkdir z; rmdir z; ls z`, `ln -s f m`, `ln -sf d m; readlink m`, `readlink f; echo $?`, `ln -s f l; readlink -f l | sed 's,.*/,,'`, `realpath f | sed 's,.*/,,'`, `cp f g; cat g`, `cp nope g`, `cp d x`, `cp -r d x; ls x`, `cp f d; ls d`,
	`cp -n f m; cat m`, `cp -p f g; stat -c %Y g`, `cp f m nope`,
	// chmod, chown, touch
	`chmod 999 f`, `chmod 600 nope`, `chmod u+x,g-r f; stat -c %a f`, `chmod 600 f; stat -c %a f`, `chmod a=r f; stat -c %a f`, `chmod +x f; stat -c %a f`, `chmod -R go= d; stat -c %a d d/e d/e/g`, `chmod 755`,
	`chown nosuch f`, `chown 2000:2000 nope`, `touch -d @100 z; stat -c %Y z`, `touch -c z; ls z`, `touch nope/x`, `touch -t 202601020304.05 z; stat -c %Y z`, `touch -r f z; stat -c %Y z`,
	// cat, head, tail, wc
	`cat nope d`, `cat f m`, `cat -`, `echo x | cat f -`, `head -n 1 f`, `head -c 3 f`, `head -1 f`, `head -n 1 f m`, `tail -n 1 f`, `tail -c 4 f`, `tail -n +2 f`, `tail -1 f`, `wc f`, `wc -l <f`, `wc -c f`, `wc f d/e/g`, `wc -w f`, `wc -l nope`, `wc -l noend`, `head -n 1 nope`, `tail noend`, `head noend`,
	// base64, checksums, od, xxd, cmp
	`base64 f`, `base64 -w 0 f`, `base64 -d nope`, `echo aGVsbG8K | base64 -d`, `echo '!!' | base64 -d; echo $?`, `sha256sum f`, `md5sum f m`, `md5sum nope`, `echo x | md5sum`, `sha1sum -b f`, `od -c f | head -n 2`, `od -An -tx1 m`, `xxd f`, `cmp f f; echo $?`, `cmp m n; echo $?`, `cmp f nope`, `cmp -s m n; echo $?`,
	// text
	`sort f`, `sort -r f`, `printf '10\n9\n1\n' | sort -n`, `printf 'b\na\nb\n' | sort -u`, `sort nope`, `printf 'b\na\nb\n' | sort | uniq -c`, `printf 'a\na\nb\n' | uniq -d`, `echo a:b:c | cut -d : -f 2`, `echo abc | cut -c 2-`, `cut -d ' ' -f 1 f`, `cut f`, `seq 3`, `seq 1 2 5`, `seq -s , 3`, `seq`, `seq 3 1; echo $?`, `seq -w 8 10`,
	`echo hello | sed 's/l/L/g'`, `sed -n 2p f`, `sed '/foo/d' f`, `sed -i 's/foo/FOO/' f; cat f`, `sed -e 's/\(h\)\(e\)/\2\1/' -e '$d' f`, `sed 2q f`, `sed -n '/foo/,$p' f`, `sed 's/h/x/2' f`, `echo a/b | sed 's,/,_,'`, `sed -E 's/(hello) (w)/\2 \1/' f`, `sed -n '$=' f`, `sed 1d f`, `sed 'y/abc/xyz/' f`, `echo abc | sed 's/b/[&]/'`, `sed -n 's/foo/X/p' f`, `sed`, `echo x | sed 's/x/a\nb/'`, `sed '2i\
new' f`, `sed '1a\
after' f`,
	`tee g <f | wc -l; wc -l <g`, `echo x | tee -a m >/dev/null; cat m`, `rev f`, `tac f`, `nl f`, `paste f f`, `yes | head -n 2`,
	// arguments and processes
	`echo a b c | xargs -n 1 echo x`, `printf 'a\0b' | xargs -0 -n1 echo`, `echo | xargs echo x`, `echo | xargs -r echo x`, `echo a b | xargs -I {} echo '<{}>'`, `env -i A=1 env`, `env nosuch`, `A=1 env | grep ^A=`, `env -u A A=2 sh -c 'echo $A'`, `timeout 0.1 sleep 5; echo $?`, `timeout -s KILL 0.1 sleep 5; echo $?`, `timeout`, `timeout 1`, `timeout 1 nosuch; echo $?`, `sleep abc`, `sleep`, `sleep 0`, `xargs nosuch <m; echo $?`, `nohup echo x 2>/dev/null`,
	`kill -l 9`, `kill nope`, `printf '%d\n' abc`, `printf '%s-' a b`, `printf '%5s|%-5s|%05d\n' a b 7`, `printf '%b' 'a\tb\n'`, `printf '%q\n' 'a b'`, `printf`, `printf '%x %X %o %u %c\n' 255 255 8 7 xyz`, `printf '%s\n'`, `printf 'a\0b' | od -c`, `printf '%.2f\n' 3.14159`, `printf '\101\x42\n'`, `printf '%%\n'`, `printf '%5.1f|\n' 2.25`, `printf %s\\n -x`, `printf -- -x`,
	`date -u -d @0`, `date -u -d @0 +%Y-%m-%dT%H:%M:%S`, `date -d bogus`, `date -u -d @86400 '+%s %j %a %b %e'`, `date -u -d '2026-01-02 03:04:05' +%s`, `uname`, `basename a/b.c .c`, `basename /`, `dirname a/b`, `dirname a`, `which nosuch; echo $?`, `cat -x`, `nproc -x`, `id -u`, `id -un`, `whoami`, `test -f f && echo yes`, `true; echo $?`, `false; echo $?`, `[ -d d ] && [ ! -e nope ] && echo ok`, `[ -s empty ]; echo $?`, `test -p f; echo $?`,
	`truncate -s 5 f; cat f`, `truncate -s 5 tt; wc -c <tt`, `mktemp -u | cut -c1-19`, `du -s nope`, `df nope`, `split -l 1 f sp; ls sp*`, `tty`, `strings d/bin`, `file f d empty`, `comm m n`, `fsync f`, `mkfifo q; stat -c '%F %a' q; ls -l q | cut -c1-10`, `mkfifo f`, `mkfifo -m 600 q; stat -c %a q`, `mkfifo`, `[ -p f ] || echo no; mkfifo q; [ -p q ] && echo yes`, `printenv HOME`, `clear | od -c`, `factor 12`, `logname`, `hostname -x`,
}

// scripts are run by sh -c and on the shell's input.
var scripts = []string{
	`cd /nope`, `nosuch`, `echo a; (nosuch)`, `cat <nope`, `echo >nope/x`, `./nosuch`, `./d`, `wait 99; echo $?`, `umask 999`, `f() { cd /nope; }; f`, "true\ncd /nope2", `trap "echo bye" EXIT; exit 3`,
	`kill 99999`, `kill -9 -- -99999`, `exec nosuch`, `. ./nope`, `echo x >&9`, `cat <&9`, `type nosuch cd; command -v cd nosuch`, `exit 3`,
	`[ a`,
	`sleep 100 & kill -9 $!; wait $!; echo $?`, `(exit 5) & wait $!; echo $?`, `sleep 0.01 & wait; echo $?`, `[ $$ = $(sh -c 'echo $PPID') ] && echo same`,
	`mkfifo q; echo hi >q & cat q; wait`, `mkfifo q; (read x; echo "got $x") <q & echo hi >q; wait`, `mkfifo q; exec 9<>q; echo one >&9; read x <&9; echo $x; exec 9>&-; echo end`, `mkfifo q; exec 9<>q; (echo a; echo b) >q; read x <&9; read y <&9; echo $x$y`,
	`mkfifo q r; { echo up >r; read x; echo "got $x"; } <>q & read up <r; echo hi 1<>q; wait`, `mkfifo q; cat <q & echo 1 >q; wait; echo $?`, `exec 3>o; echo a >&3; echo b >&3; exec 3>&-; cat o`, `exec 3<f; read a <&3; read b <&3; echo "$a|$b"`, `exec 3>&1 >o; echo in; exec 1>&3 3>&-; echo out; cat o`, `{ echo o; echo e >&2; } 3>&1 1>&2 2>&3`, `x=$( { echo e >&2; } 2>&1 ); echo "<$x>"`,
	`while read -r a b; do echo "$b,$a"; done <f`, `cat 3<f <&3 | wc -l`, `echo x 5>&1 >&5`, `exec 4>&1; x=$(echo hi >&4; echo sub); echo "[$x]"`, `cat <>new; echo $?; ls new`, `echo hi 1<>new; cat new`, `echo new >|f; cat f`, `read x <empty; echo $?`,
	`printf 'a b\n' | while read x y; do echo $y; done`, `echo 'a\tb'; echo -n x; echo -E 'a\tb'; echo -e 'a\tb'`, `print -r 'a\n'; print -n x; print y`, `IFS=:; set -- a:b; for i in $1; do echo $i; done`, `case abc in a*) echo yes;; esac`, `i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i`, `echo ${x:-d} ${#HOME}; y=abc; echo ${y#a} ${y%c} ${y/b/X}`, `set -e; false; echo no`, `set -- 1 2 3; echo $# $*; shift; echo $1`, `echo $((7/2)) $((7%2)) $((1<<4)) $((0x10))`, `a=(1 2 3); echo ${a[1]} ${#a[@]}`, `eval 'echo $((1+1))'`, "cat <<E\n$((1+1))\nE", `x=$(cat f | wc -l); echo $x`, `trap 'echo int' INT; kill -INT $$; echo after`, `false || echo or; true && echo and; ! true; echo $?`, `echo *; echo p/*; echo nope*`, `[[ abc == a* ]] && echo m; [[ a < b ]] && echo l`, `test 1 -eq 1 -a a = a; echo $?`, `exec >o 2>&1; echo x; nosuch; cat o >/dev/null`, `echo $?; false; echo $?`, `x=1 sh -c 'echo $x'; echo "[$x]"`, `a=b; unset a; echo "${a-unset}"`, `getopts ab: o -b x; echo $o $OPTARG`, `echo "$(printf '%s' 'a  b')"`, `n=$(( $(printf 3) + 1 )); echo $n`, `command -v printf >/dev/null && echo ok`, `f() { return 7; }; f; echo $?`, `f() { local v=1; v=2; }; v=0; f; echo $v`, `(cd d && ls); ls d/e`, `umask 077; touch u; stat -c %a u; umask`, `exec 2>/dev/null; nosuch; echo $?`, `sh -c 'exit 9'; echo $?`, `sh -c 'echo $0 $1' a b`, `sh -c 'kill -9 $$'; echo $?`, `true | false; echo $?`, `set -o pipefail; false | true; echo $?`, `echo a | { read x; echo "$x!"; }`, `[ -t 0 ]; echo $?`, `cd d; pwd | sed 's,.*/,,'; cd ..; cd - >/dev/null; ls`, `i=5; ((i++)); echo $i; ((i>9)) || echo small`, `let x=2+3; echo $x`, `echo {a,b}`, `echo ~ | grep -c .`, `fi`, `if true`, `cat <<'E' | wc -c
a$b
E`,
}

// differing are scripts whose messages or effects are the interpreter's and not mksh's. Each is
// here until it agrees; docs/simulator.md names them.
var differing = []string{
	`break; echo $?`, `echo "unfinished`, `echo $((1/0))`, `for ((i=0;i<2;i++)); do echo $i; done`, `typeset -l s=ABC; echo $s`, `typeset -i n=5; n=n+1; echo $n`, `. ./m; echo $?`, `(trap 'echo bye' EXIT; exit 4); echo $?`, `local x=1; echo $x`, `shift 5; echo $?`, `readonly a=1; a=2; echo no`, `export 1x=2; echo $?`, `return 3`, `set -u; echo $nope`, `echo ${x:?oops}`,
}
