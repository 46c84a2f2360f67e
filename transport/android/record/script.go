package record

import (
	"fmt"
	"regexp"

	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	// directory is where devices keep recordings. The shell may write there on all releases, and no gallery looks.
	directory = "/data/local/tmp/recordings"
	// maxSaid bounds what is read of a device.
	maxSaid = 256 << 10
)

// fileName is the grammar of the names of films, so that none of them is an option, a path or a pattern.
var fileName = regexp.MustCompile(`^[0-9a-f-]{36}_[A-Za-z0-9._-]{1,100}_[0-9]{8}_[0-9]{6}\.mp4$`)

// functions are for the scripts below. alive takes a recording's directory; a pid may be somebody else's by now, who
// does not film into that directory.
const functions = `
alive() { p=$(cat "$1/pid" 2>/dev/null); [ -n "$p" ] && grep -q "$1" "/proc/$p/cmdline" 2>/dev/null; }
tell() {
	echo "=$1"
	head -n 1 "$1/about" 2>/dev/null | head -c 4000 | grep . || echo
	head -n 1 "$1/began" 2>/dev/null | grep . || echo
	head -n 1 "$1/exit" 2>/dev/null | grep . || echo
	if alive "$1"; then echo alive; elif [ -e "$1/pid" ]; then echo gone; else echo; fi
	stat -c '%s %Y' "$1"/*.mp4 2>/dev/null | grep . || echo
	date +%s.%N
	head -c 600 "$1/log" 2>/dev/null | while read -r line || [ -n "$line" ]; do printf '%s ' "$line"; done
	echo
}
`

// inside runs a script in the directory, if there is one.
func inside(script string) string {
	return "{ cd " + directory + " 2>/dev/null || exit 0\n" + functions + script + "\n} </dev/null 2>&1"
}

// describeAll tells of all recordings.
func describeAll() string { return inside(`for r in *; do [ -e "$r/about" ] && tell "$r"; done`) }

// describe tells of one.
func describe(id string) string { return inside("[ -e " + id + "/about ] && tell " + id) }

// begin starts a recorder and waits until it films or has failed. Its last line is "busy ID", or "begun" or
// "ended", with the recording behind it. What stands in the way of the directory is said in the shell's words.
func begin(a about, aboutJSON string, keep int) string {
	args := []string{"screenrecord", "--time-limit", fmt.Sprint(a.TimeLimit)}
	if a.BitRate > 0 {
		args = append(args, "--bit-rate", fmt.Sprint(a.BitRate))
	}
	if a.Size != "" {
		args = append(args, "--size", a.Size)
	}
	film := directory + "/" + a.ID + "/" + a.FileName
	// Who waits for the recorder is a program: a part of this shell would keep the session's output, and with it the
	// session, for as long as it films.
	waiter := guestcommand.Line("sh", "-c", fmt.Sprintf(`%[1]s >log 2>&1 </dev/null &
p=$!
echo $p >pid
wait $p
s=$?
echo "$s $(date +%%s.%%N)" >exit.new
mv exit.new exit`, guestcommand.Line(append(args, film)...)))
	return fmt.Sprintf(`{ mkdir -p %[1]s && cd %[1]s || exit 1
%[2]s
for r in *; do
	[ -e "$r/about" ] && [ ! -e "$r/exit" ] && alive "$r" && { echo "busy $r"; exit 0; }
done
ls -1t | tail -n +%[3]d | while read -r r; do rm -rf -- "./$r"; done
mkdir %[4]s && printf '%%s\n' %[5]s >%[4]s/about && date +%%s.%%N >%[4]s/began || { rm -rf %[4]s; exit 1; }
cd %[4]s
%[6]s </dev/null >/dev/null 2>&1 &
i=0
while [ $i -lt 100 ] && [ ! -e exit ] && [ ! -s %[7]s ]; do sleep 0.1; i=$((i+1)); done
[ -e exit ] && echo ended || echo begun
cd ..
tell %[4]s
} </dev/null 2>&1`, directory, functions, keep, a.ID, guestcommand.Line(aboutJSON), waiter, guestcommand.Line(a.FileName))
}

// end tells a recorder to finish its file, waits until it has, and tells of the recording.
func end(id string) string {
	return inside(fmt.Sprintf(`[ -e %[1]s/about ] || exit 0
if alive %[1]s; then
	kill -s INT "$p"
	i=0
	while [ $i -lt 200 ] && [ ! -e %[1]s/exit ] && alive %[1]s; do sleep 0.1; i=$((i+1)); done
	i=0
	while [ $i -lt 20 ] && [ ! -e %[1]s/exit ]; do sleep 0.1; i=$((i+1)); done # what waits for it notes its end
fi
tell %[1]s`, id))
}

// erase removes a recording that is not running.
func erase(id string) string {
	return inside(fmt.Sprintf("alive %[1]s && { echo busy; exit 0; }\nrm -rf -- ./%[1]s", id))
}
