package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// realADB runs the system's adb against instance 1, with a server of its own that ends with the test.
func (s *sim) realADB() func(args ...string) string {
	s.t.Helper()
	if _, err := exec.LookPath("adb"); err != nil {
		s.t.Skip("skipped: needs adb")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	env := append(os.Environ(), "ANDROID_ADB_SERVER_PORT="+strconv.Itoa(port), "HOME="+s.t.TempDir(), "ADB_USB=0", "ADB_EMU=0", "ADB_LOCAL_TRANSPORT_MAX_PORT=5553")
	run := func(args ...string) string {
		cmd := exec.CommandContext(s.t.Context(), "adb", args...)
		cmd.Env = env
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(&out, "[%v]", err)
		}
		return out.String()
	}
	serial := fmt.Sprintf("127.0.0.1:%d", s.root.ADBPort(1))
	s.t.Cleanup(func() {
		cmd := exec.Command("adb", "kill-server") // the test's context is done by now
		cmd.Env = env
		cmd.Run()
	})
	if out := run("connect", serial); !strings.Contains(out, "connected to") {
		s.t.Fatalf("connect: %s", out)
	}
	return func(args ...string) string { return run(append([]string{"-s", serial}, args...)...) }
}

// Ensure real adb installs, updates and removes apps that "cvd-sim apk" has made, over both ways of streaming.
func TestRealADBInstalls(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	adb := s.realADB()
	dir := t.TempDir()
	build := func(name string, args ...string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if code := buildAPK(append(args, file)); code != 0 {
			t.Fatalf("cvd-sim apk %v: %d", args, code)
		}
		return file
	}
	old := build("old.apk", "--package=com.example.app", "--label=My App", "--size=300K")
	two := build("two.apk", "--package=com.example.app", "--version-code=2", "--version-name=2.0", "--size=3M")
	split := build("split.apk", "--package=com.example.app", "--version-code=2", "--split=config.de")
	thief := build("thief.apk", "--package=com.example.app", "--version-code=3", "--key=thief")
	huge := build("huge.apk", "--package=com.example.huge", "--size=40M")
	torn := filepath.Join(dir, "torn.apk")
	if err := os.WriteFile(torn, []byte(strings.Repeat("no apk", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"install", []string{"install", old}, "Success"},
		{"it is listed", []string{"shell", "pm list packages -3 --show-versioncode"}, "package:com.example.app versionCode:1"},
		{"a split is added with its base", []string{"install-multiple", two, split}, "Success"},
		{"both are there", []string{"shell", "pm path com.example.app"}, "/split_config.de.apk"},
		{"the old way", []string{"install", "--no-streaming", two}, "Success"},
		{"the downgrade", []string{"install", old}, "Failure [INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code 1 is older than current 2]"},
		{"the permitted downgrade", []string{"install", "-r", "-d", old}, "Success"},
		{"another key", []string{"install", thief}, "INSTALL_FAILED_UPDATE_INCOMPATIBLE"},
		{"no APK", []string{"install", torn}, "INSTALL_PARSE_FAILED_NOT_APK"},
		{"it starts", []string{"shell", "am start -W -n com.example.app/.MainActivity"}, "LaunchState: COLD"},
		{"it runs", []string{"shell", "ps -A -o USER,NAME | grep com.example.app"}, "u0_a150"},
		{"removal", []string{"uninstall", "com.example.app"}, "Success"},
		{"removal of nothing", []string{"uninstall", "com.example.app"}, "Failure [DELETE_FAILED_INTERNAL_ERROR]"},
		{"it does not run", []string{"shell", "pidof com.example.app || echo none"}, "none"},
		{"a larger one", []string{"install", huge}, "Success"},
	} {
		if out := adb(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("%s: adb %v: %s", c.name, c.args, out)
		}
	}
	s.ok("--group_name=s_1", "stop")
	s.touch()
	s.ok("--group_name=s_1", "start")
	if got := s.guest(1, "pm list packages -3; su 0 ls /data/app | wc -l"); got != "package:com.example.huge\n1" {
		t.Errorf("after a power cut: %q", got)
	}
}

// Ensure "cvd-sim apk" refuses what makes no APK, and leaves no file behind.
func TestAPKVerbRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "a.apk")
	for _, args := range [][]string{{}, {out, "b.apk"}, {"--size=x", out}, {"--size=5T", out}, {"--size=4G", out}, {"--package=", out}, {"--nope", out}} {
		if code := buildAPK(args); code == 0 {
			t.Errorf("cvd-sim apk %v: status 0", args)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
