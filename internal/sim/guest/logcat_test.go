package guest_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// Ensure logcat, log and bugreportz take what people and programs give them, and say what Android's do.
func TestLogcat(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	const say = "logcat -c -b all; log -p e -t One 'first thing'; log -t Two second; log -p w -t One third; "
	for _, c := range []struct {
		name, script string
		out          string // a regular expression for all of it
		err          string // a part of it
		status       int
	}{
		{"buffers", "logcat -d -b events,radio -v tag", `^--------- beginning of events\nI/boot_progress_start: 4210\nI/am_proc_start: \[0,910,10100,com\.android\.systemui,service,com\.android\.systemui/\.SystemUIService\]\n--------- beginning of radio\nD/RILJ    : .*\n$`, "", 0},
		{"brief", say + "logcat -d -v brief", `^--------- beginning of main\nE/One     \( *\d+\): first thing\nI/Two     \( *\d+\): second\nW/One     \( *\d+\): third\n$`, "", 0},
		{"threadtime is what it does by itself", say + "logcat -d -s Two", `^--------- beginning of main\n\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d+ +\d+ I Two     : second\n$`, "", 0},
		{"uid, year and usec", say + "logcat -d -v threadtime,year -v usec,uid Two:I *:S", `\n20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}  2000: +\d+ +\d+ I Two     : second\n$`, "", 0},
		{"epoch", say + "logcat -d -v time -v epoch -s Two", `\n +\d{10}\.\d{3} I/Two     \( *\d+\): second\n$`, "", 0},
		{"raw, process, tag, thread", "logcat -c; log -t T m; for v in raw process tag thread; do logcat -d -v $v | tail -n 1; done", `^m\nI\( *\d+\) m  \(T\)\nI/T       : m\nI\( *\d+: *\d+\) m\n$`, "", 0},
		{"long", "logcat -c; log -t T m; logcat -d -v long", `^--------- beginning of main\n\[ \S+ \S+  ?\d+: *\d+ I/T        \]\nm\n\n$`, "", 0},
		{"lines of one message", "logcat -c; log -t T 'a\nb'; logcat -d -v tag", `^--------- beginning of main\nI/T       : a\nI/T       : b\n$`, "", 0},
		{"levels", say + "logcat -d -v tag '*:W'", `main\nE/One     : first thing\nW/One     : third\n$`, "", 0},
		{"a tag's level", say + "logcat -d -v tag One:E '*:S'", `main\nE/One     : first thing\n$`, "", 0},
		{"filters of the environment", say + "export ANDROID_LOG_TAGS='*:E'; logcat -d -v tag", `main\nE/One     : first thing\n$`, "", 0},
		{"adb's environment", say + `export ANDROID_LOG_TAGS="''"; exec logcat '-d' '-v' 'tag'`, `main\nE/One     : first thing\nI/Two     : second\nW/One     : third\n$`, "", 0},
		{"an expression", say + "logcat -d -v tag -e '^s.c'", `main\nI/Two     : second\n$`, "", 0},
		{"how many", say + "logcat -v tag -m 1", `main\nE/One     : first thing\n$`, "", 0},
		{"the last ones", say + "logcat -v tag -t 2", `main\nI/Two     : second\nW/One     : third\n$`, "", 0},
		{"from a time", say + "logcat -v tag -t 4102444800.0; logcat -v tag -t 1700000000.5 | wc -l; logcat -t '01-01 00:00:00.000' | wc -l", `^4\n4\n$`, "", 0},
		{"a process", say + "logcat -d --pid=1; logcat -d --pid $$", `^$`, "", 0},
		{"a user", say + "logcat -d -v tag --uid=10; logcat -d --uid 10,2000 | wc -l", `^4\n$`, "", 0},
		{"dividers", "logcat -c -b all; log a; logcat -d -D -b all", `^--------- beginning of main\n`, "", 0},
		{"sizes", "logcat -b main -G 1M; logcat -g -b main,crash", `^main: ring buffer is 1024 KiB \(\d+ KiB consumed, \d+ KiB readable\), max entry is 5120 B, max payload is 4068 B\ncrash: ring buffer is 256 KiB`, "", 0},
		{"a level that is none", "log -p x a", "^$", "log: bad -p 'x'", 1},
		{"nothing to say", "log -t a", "^$", "log: Needs 1 argument", 1},
		{"an unknown option", "logcat -y", "^$", "logcat: invalid option -- 'y'", 1},
		{"an unknown buffer", "logcat -b nope", "^$", "unknown buffer nope", 1},
		{"an unknown format", "logcat -v nope", "^$", `Invalid parameter "nope" to -v`, 1},
		{"a bad time", "logcat -t yesterday", "^$", `-t "yesterday" not in time format`, 1},
		{"a bad filter", "logcat -d '*:q'", "^$", "Invalid filter expression '*:q'", 1},
		{"a flood", "logcat -c; logflood 100000 500; logcat -d -s Flood | wc -l", "^501\n$", "", 0},
	} {
		got := sh(t, g, c.script)
		if !regexp.MustCompile(c.out).MatchString(got.out) || (got.err == "") != (c.err == "") || !strings.Contains(got.err, c.err) || got.status != c.status {
			t.Errorf("%s: %q, %q, status %d", c.name, got.out, got.err, got.status)
		}
		sh(t, g, "logcat -G 256K")
	}
}

// Ensure binary records are logd's, for texts and events.
func TestLogcatInBinary(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	raw := []byte(sh(t, g, "logcat -c -b main; log -p w -t Tag 'a\nb'; exec logcat -B -d -b main,events").out)
	var payloads []string
	for len(raw) > 0 {
		if len(raw) < 28 {
			t.Fatalf("%d bytes are left", len(raw))
		}
		size, head := int(binary.LittleEndian.Uint16(raw)), int(binary.LittleEndian.Uint16(raw[2:]))
		if head != 28 || len(raw) < head+size {
			t.Fatalf("header of %d, payload of %d in %d bytes", head, size, len(raw))
		}
		if id := binary.LittleEndian.Uint32(raw[20:]); id == 0 {
			if uid := binary.LittleEndian.Uint32(raw[24:]); uid != 2000 {
				t.Errorf("uid %d", uid)
			}
		}
		payloads = append(payloads, string(raw[head:head+size]))
		raw = raw[head+size:]
	}
	want := []string{"\xb8\x0b\x00\x00\x00\x72\x10\x00\x00", "\x05Tag\x00a\nb\x00"}
	if !slices.Contains(payloads, want[0]) || !slices.Contains(payloads, want[1]) {
		t.Errorf("%q", payloads)
	}
}

// Ensure bugreportz makes an archive, in each of its ways, and an old one in that which it has.
func TestBugreportz(t *testing.T) {
	t.Parallel()
	g, old := boot(t, guest.Options{}), boot(t, guest.Options{Release: "10"})
	if got := sh(t, g, "bugreportz -v; bugreportz -x"); got.out != "" || !strings.HasPrefix(got.err, "1.2\nInvalid option: -x\nusage: bugreportz") || got.status != 1 {
		t.Errorf("%+v", got)
	}
	wantReport(t, []byte(sh(t, g, "exec bugreportz -s").out))
	if got := sh(t, old, "bugreportz -s"); got.status != 1 {
		t.Errorf("an old one: %+v", got)
	}
	got := sh(t, old, "bugreportz -p")
	said := regexp.MustCompile(`^BEGIN:(/\S+\.zip)\n(?:PROGRESS:\d+/10\n){10}OK:(/\S+\.zip)\n$`).FindStringSubmatch(got.out)
	if len(said) != 3 || said[1] != said[2] {
		t.Fatalf("%+v", got)
	}
	wantReport(t, []byte(sh(t, old, "cat "+said[2]).out))
}

func wantReport(t *testing.T, archive []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all += f.Name + "\n" + string(text)
	}
	for _, part := range []string{"main_entry.txt", "------ SYSTEM LOG", "beginning of main", "[ro.build.version.release]", "mCurrentFocus", "system_server"} {
		if !strings.Contains(all, part) {
			t.Errorf("the report lacks %q", part)
		}
	}
}
