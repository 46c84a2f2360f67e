package adbd

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// adb runs the system's adb with a server of its own, which ends with the test.
type adb struct {
	t    *testing.T
	env  []string
	addr string
}

func newADB(t *testing.T, addr string) *adb {
	t.Helper()
	if _, err := exec.LookPath("adb"); err != nil {
		t.Skip("skipped: needs adb")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	a := &adb{t: t, addr: addr, env: append(os.Environ(), "ANDROID_ADB_SERVER_PORT="+strconv.Itoa(port),
		"HOME="+t.TempDir(), "ADB_EMU=0", "ADB_USB=0", "ADB_LOCAL_TRANSPORT_MAX_PORT=5553")}
	t.Cleanup(func() {
		cmd := exec.Command("adb", "kill-server")
		cmd.Env = a.env
		cmd.Run()
	})
	return a
}

// run runs adb and returns its outputs and status.
func (a *adb) run(stdin string, args ...string) (out, errs string, status int) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), "adb", args...)
	cmd.Env = a.env
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			a.t.Fatal(err)
		}
		status = exit.ExitCode()
	}
	return o.String(), e.String(), status
}

// do is run on the device; it must succeed.
func (a *adb) do(args ...string) string {
	a.t.Helper()
	out, errs, status := a.run("", append([]string{"-s", a.addr}, args...)...)
	if status != 0 {
		a.t.Fatalf("adb %v: status %d, out %q, err %q", args, status, out, errs)
	}
	return out
}

func TestRealADB(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	a := newADB(t, addr)
	if out, _, _ := a.run("", "connect", addr); !strings.HasPrefix(out, "connected to "+addr) {
		t.Fatalf("connect: %q", out)
	}
	if out, _, _ := a.run("", "devices", "-l"); !strings.Contains(out, addr) ||
		!strings.Contains(out, "device product:aosp_cf_x86_64_phone model:Cuttlefish_x86_64_phone device:vsoc_x86_64") {
		t.Errorf("devices: %q", out)
	}
	for _, c := range []struct {
		name, stdin string
		args        []string
		out, err    string
		status      int
	}{
		{"getprop", "", []string{"shell", "getprop", "ro.product.model"}, "Cuttlefish x86_64 phone\n", "", 0},
		{"exit codes", "", []string{"shell", "exit 7"}, "", "", 7},
		{"stderr is apart", "", []string{"shell", "echo a; echo b >&2"}, "a\n", "b\n", 0},
		{"stdin and its end", "one\ntwo\n", []string{"shell", "wc -l"}, "2\n", "", 0},
		{"a script on stdin", "echo $((6*7))\ncat\nrest\n", []string{"shell", "sh"}, "42\nrest\n", "", 0},
		{"exec-out", "", []string{"exec-out", `printf '\000\001\r\n'`}, "\x00\x01\r\n", "", 0},
		{"exec-in", "text", []string{"exec-in", "head -c 4 >/data/local/tmp/in"}, "", "", 0},
		{"what exec-in wrote", "", []string{"shell", "cat /data/local/tmp/in"}, "text", "", 0},
		{"without shell v2", "", []string{"shell", "-x", "echo old"}, "old\n", "", 0},
		{"quotes", "", []string{"shell", `echo 'a "b" $x' "\$y"`}, "a \"b\" $x $y\n", "", 0},
		{"get-state", "", []string{"get-state"}, "device\n", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, status := a.run(c.stdin, append([]string{"-s", addr}, c.args...)...)
			if out != c.out || errs != c.err || status != c.status {
				t.Errorf("got %q, %q, %d; want %q, %q, %d", out, errs, status, c.out, c.err, c.status)
			}
		})
	}
	t.Run("push and pull", func(t *testing.T) { pushAndPull(t, a) })
	t.Run("directories", func(t *testing.T) { directories(t, a) })
	t.Run("failures", func(t *testing.T) { failures(t, a) })
	if out := a.do("root"); !strings.Contains(out, "restarting adbd as root") {
		t.Errorf("root: %q", out)
	}
	a.run("", "disconnect", addr)
	a.run("", "connect", addr)
	if out := a.do("shell", "id", "-u"); out != "0\n" {
		t.Errorf("after root: %q", out)
	}
}

func pushAndPull(t *testing.T, a *adb) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 256 << 10, 20 << 20} {
		name := filepath.Join(dir, strconv.Itoa(size))
		data := make([]byte, size)
		rand.Read(data)
		if err := os.WriteFile(name, data, 0o640); err != nil {
			t.Fatal(err)
		}
		remote := "/data/local/tmp/new/dir/" + strconv.Itoa(size)
		a.do("push", name, remote)
		if out := a.do("shell", "stat", "-c", "%s_%a_%U", remote); out != strconv.Itoa(size)+"_666_shell\n" {
			t.Errorf("size %d: %q", size, out)
		}
		a.do("pull", remote, name+".back")
		if back, err := os.ReadFile(name + ".back"); err != nil || !bytes.Equal(back, data) {
			t.Errorf("size %d: %d bytes came back, %v", size, len(back), err)
		}
	}
}

func directories(t *testing.T, a *adb) {
	dir := filepath.Join(t.TempDir(), "tree")
	for _, name := range []string{"a", "b/c", "b/d e/f"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a.do("push", dir, "/sdcard/Download/")
	if out := a.do("shell", "cd /sdcard/Download; find tree -type f | sort; cat 'tree/b/d e/f'"); out != "tree/a\ntree/b/c\ntree/b/d e/f\nb/d e/f" {
		t.Errorf("got %q", out)
	}
	back := t.TempDir()
	a.do("pull", "/sdcard/Download/tree", back)
	if data, err := os.ReadFile(filepath.Join(back, "tree", "b", "d e", "f")); err != nil || string(data) != "b/d e/f" {
		t.Errorf("got %q, %v", data, err)
	}
}

func failures(t *testing.T, a *adb) {
	dir := t.TempDir()
	file := filepath.Join(dir, "big")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"push", file, "/system/x"}, "couldn't create file: Permission denied"},
		{[]string{"push", file, "/nope/x"}, "secure_mkdirs() failed"},
		{[]string{"pull", "/data/property/persistent_properties", dir}, "Permission denied"},
		{[]string{"pull", "/nope", dir}, "failed to stat remote object"},
		{[]string{"shell", "nope"}, "inaccessible or not found"},
	} {
		out, errs, status := a.run("", append([]string{"-s", a.addr}, c.args...)...)
		if status == 0 || !strings.Contains(out+errs, c.want) {
			t.Errorf("adb %v: status %d, %q %q; want %q", c.args, status, out, errs, c.want)
		}
	}
}
