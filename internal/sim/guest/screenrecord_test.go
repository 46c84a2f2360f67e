package guest_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// fileOf is the content of a guest's file.
func fileOf(t *testing.T, g *guest.Guest, name string) []byte {
	t.Helper()
	f, err := g.Files(true).Open(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// await runs a script until it prints something.
func await(t *testing.T, g *guest.Guest, script string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got := sh(t, g, script); got.out != "" {
			return got.out
		}
	}
	t.Fatalf("nothing from %s", script)
	return ""
}

// Ensure a recorder that is told to stop leaves a movie of what happened, and one that is killed none.
func TestTheScreenIsRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		signal string
		status string
		ended  bool
	}{{"INT", "0", true}, {"HUP", "0", true}, {"KILL", "137", false}} {
		t.Run(c.signal, func(t *testing.T) {
			t.Parallel()
			g := boot(t, guest.Options{})
			// As a runner does: the recorder has a process of its own, and lives on when its shell is gone.
			got := sh(t, g, `cd /data/local/tmp; (screenrecord a.mp4 </dev/null >log 2>&1 & echo $! >pid; wait $!; echo $? >status) </dev/null >/dev/null 2>&1 & `)
			if got.err != "" || got.status != 0 {
				t.Fatalf("%+v", got)
			}
			await(t, g, `n=$(stat -c %s /data/local/tmp/a.mp4 2>/dev/null); [ "${n:-0}" -gt 1000 ] && echo a frame`)
			if got := await(t, g, `tr '\0' ' ' </proc/$(cat /data/local/tmp/pid)/cmdline`); !strings.HasPrefix(got, "screenrecord a.mp4") {
				t.Errorf("the process is %q", got)
			}
			before := len(fileOf(t, g, "/data/local/tmp/a.mp4"))
			sh(t, g, "am start -n com.example.notes/.MainActivity")
			for end := time.Now().Add(20 * time.Second); len(fileOf(t, g, "/data/local/tmp/a.mp4")) == before; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("no frame of what has changed")
				}
			}
			sh(t, g, "kill -"+c.signal+" $(cat /data/local/tmp/pid)")
			if got := await(t, g, "cat /data/local/tmp/status 2>/dev/null"); got != c.status+"\n" {
				t.Errorf("the recorder ended with %q: %s", got, fileOf(t, g, "/data/local/tmp/log"))
			}
			data := fileOf(t, g, "/data/local/tmp/a.mp4")
			file, err := mp4.DecodeFile(bytes.NewReader(data))
			if ended := err == nil && file.Moov != nil; ended != c.ended {
				t.Fatalf("ended is %t: %v", ended, err)
			}
			if c.ended && file.Moov.Trak.GetNrSamples() < 2 {
				t.Errorf("%d frames", file.Moov.Trak.GetNrSamples())
			}
		})
	}
}

// Ensure screenrecord says what is wrong with its arguments, obeys them, and streams.
func TestScreenrecordsArguments(t *testing.T) {
	t.Parallel()
	new15, old10 := boot(t, guest.Options{}), boot(t, guest.Options{Release: "10"})
	for _, c := range []struct {
		g           *guest.Guest
		script, out string
		err         string
		status      int
	}{
		{new15, "screenrecord", "", "Must specify output file (see --help).", 2},
		{new15, "screenrecord --size 3 a", "", "Invalid size '3', must be width x height", 2},
		{new15, "screenrecord --bit-rate 5 /sdcard/a", "", "Bit rate 5bps outside acceptable range [100000,200000000]", 2},
		{new15, "screenrecord --time-limit x /sdcard/a", "", "Error parsing time limit argument", 2},
		{old10, "screenrecord --time-limit 181 /sdcard/a", "", "Time limit 181s outside acceptable range [1,180]", 2},
		{new15, "screenrecord --output-format gif /sdcard/a", "", "Unknown format 'gif'", 2},
		{new15, "screenrecord --nope /sdcard/a", "", "unrecognized option '--nope'", 2},
		{new15, "screenrecord --size 33x33 /sdcard/a", "", "ERROR: unable to configure video/avc codec at 33x33", 1},
		{new15, "screenrecord /nope/a.mp4", "", "Unable to open '/nope/a.mp4': No such file or directory", 1},
		{new15, "screenrecord --time-limit 1 --size 360x640 --bit-rate 4M --verbose /sdcard/a.mp4 | grep -v seconds; head -c 8 /sdcard/a.mp4 | tail -c 4",
			"Main display is 720x1280 @60.00fps (orientation=0)\nConfiguring recorder for 360x640 video/avc at 4.00Mbps\nTime limit reached\nftyp", "", 0},
		{new15, "screenrecord --output-format=h264 --time-limit=1 - | head -c 5 | od -An -tx1", " 00 00 00 01 67\n", "", 0},
	} {
		if got := sh(t, c.g, c.script); got.out != c.out || got.status != c.status || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" {
			t.Errorf("%s: %+v", c.script, got)
		}
	}
}

// Ensure a stream has each change as soon as it is seen, and ends when nobody listens any more.
func TestTheScreenIsStreamed(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	var out lockedBuffer
	s, err := g.Start(guest.Spec{Script: "screenrecord --output-format=h264 --time-limit 60 -", Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	grown := func(least int) int {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if n := len(out.String()); n > least {
				return n
			}
		}
		t.Fatalf("no more than %d bytes came", least)
		return 0
	}
	first := grown(1000)
	sh(t, g, "input tap 360 400; am start -n com.example.notes/.MainActivity")
	grown(first)
	s.Hangup()
	if status := s.Wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	stream := out.String()
	for _, unit := range []string{"\x00\x00\x00\x01\x67", "\x00\x00\x00\x01\x68", "\x00\x00\x00\x01\x65"} {
		if !strings.HasPrefix(stream, "\x00\x00\x00\x01\x67") || !strings.Contains(stream, unit) {
			t.Errorf("no unit % x", unit)
		}
	}
}

// Ensure a full disk ends the film, in words.
func TestTheDiskIsFull(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	got := sh(t, g, "cd /data/local/tmp; i=0; while dd if=/dev/zero of=fill$i bs=1024 count=8192 2>/dev/null; do i=$((i+1)); done; screenrecord --time-limit 20 a.mp4")
	if got.status != 1 || !strings.Contains(got.err, "No space left on device") {
		t.Errorf("%+v", got)
	}
}

// Ensure what a job is made of does not change what it does.
func TestJobsOfOneProgram(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	for script, want := range map[string]string{
		"A=1 env >/data/local/tmp/f & wait; grep ^A= /data/local/tmp/f": "A=1\n",
		"f() { echo $1; }; f x & wait":                                  "x\n",
		"sleep 5 & kill $!; wait $!; echo $?":                           "143\n",
		"nope 2>/dev/null & wait $!; echo $?":                           "127\n",
		"echo a & wait; true & wait $!; echo $?; cd / & wait; pwd":      "a\n0\n/\n",
		"sh -c 'exit 3' & wait $!; echo $?":                             "3\n",
	} {
		if got := sh(t, g, script); got.out != want {
			t.Errorf("%s: %+v", script, got)
		}
	}
}
