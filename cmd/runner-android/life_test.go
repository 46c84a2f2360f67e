package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Ensure a device goes through its whole life on both generations of cvd, keeps its files
// over three restarts, and leaves nothing.
func TestLifeOfADevice(t *testing.T) {
	for _, version := range []string{"1.40.0", "1.55.2"} {
		t.Run("cvd "+version, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--version", version)
			r := startRunner(h)
			r.create("dev1")
			if got := strings.TrimSpace(r.exec("dev1", "getprop ro.product.model")); !strings.Contains(got, "Cuttlefish") {
				t.Errorf("model %q", got)
			}
			if got := r.exec("dev1", "echo $((6*7))"); got != "42\n" {
				t.Errorf("6*7 is %q", got)
			}
			info := r.info("dev1")
			if info.State != "started" || len(info.Evidence) == 0 || info.InstanceNum != 1 {
				t.Errorf("info: %+v", info)
			}
			for i := range 3 {
				r.exec("dev1", fmt.Sprintf("echo file %d > /data/local/tmp/f%d", i, i))
				r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{"force":false}`)
				r.wantState("dev1", "stopped")
				r.want(http.StatusConflict, "POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"true"}`)
				r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", `{}`)
				for j := range i + 1 {
					if got := r.exec("dev1", fmt.Sprintf("cat /data/local/tmp/f%d", j)); got != fmt.Sprintf("file %d\n", j) {
						t.Fatalf("after restart %d file %d holds %q", i+1, j, got)
					}
				}
			}
			r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
			if tree := r.want(http.StatusOK, "GET", "/debug/actors", nil).body; strings.Contains(string(tree), "dev1") {
				t.Errorf("the tree still shows it: %s", tree)
			}
			if info := r.info("dev1"); info.State != "destroyed" {
				t.Errorf("state after destroy: %+v", info)
			}
			h.wantClean()
		})
	}
}

// Ensure several devices live side by side, each with its own number, port and files.
func TestDevicesSideBySide(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	ids := []string{"a", "b.c", "d_e-F"}
	errs := make(chan error, len(ids))
	for _, id := range ids {
		go func() {
			got, err := r.do("POST", "/sandboxes", createBody(id))
			if err == nil && got.status != http.StatusCreated {
				err = fmt.Errorf("%s: %d %s", id, got.status, got.body)
			}
			errs <- err
		}()
	}
	for range ids {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	ports := map[int]string{}
	for _, id := range ids {
		r.exec(id, "echo "+id+" > /data/local/tmp/who")
		info := r.info(id)
		if other, twice := ports[info.ADBPort]; twice {
			t.Errorf("%s and %s share port %d", id, other, info.ADBPort)
		}
		ports[info.ADBPort] = id
	}
	for _, id := range ids {
		if got := r.exec(id, "cat /data/local/tmp/who"); got != id+"\n" {
			t.Errorf("%s holds the file of %q", id, got)
		}
	}
	var list []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes", nil).body, &list); err != nil || len(list) != len(ids) {
		t.Errorf("list: %v, %v", list, err)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/a/destroy", nil)
	if got := r.exec("b.c", "echo alive"); got != "alive\n" {
		t.Errorf("a neighbour after the destroy: %q", got)
	}
	for _, id := range ids[1:] {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure the system's adb works on a device while the runner uses it.
func TestRealADB(t *testing.T) {
	t.Parallel()
	adb, err := exec.LookPath("adb")
	if err != nil {
		t.Skip("skipped: needs adb")
	}
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	serial := r.info("dev1").ADBSerial
	home := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(adb, args...)
		cmd.Env = append(os.Environ(), "HOME="+home, "ANDROID_ADB_SERVER_PORT="+strconv.Itoa(adbServerPort), "ADB_USB=0", "ADB_EMU=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("adb %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("start-server")
	t.Cleanup(func() { run("kill-server") })
	if out := run("connect", serial); !strings.Contains(out, "connected to") {
		t.Fatalf("connect: %s", out)
	}
	busy := make(chan error, 1)
	go func() {
		for range 50 {
			if got, err := r.do("POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"echo busy"}`); err != nil || got.status != 200 {
				busy <- fmt.Errorf("%d %s %w", got.status, got.body, err)
				return
			}
		}
		busy <- nil
	}()
	if out := run("-s", serial, "shell", "echo $((6*7)); getprop ro.product.model"); !strings.HasPrefix(out, "42\n") {
		t.Errorf("shell: %q", out)
	}
	file := filepath.Join(home, "file")
	want := strings.Repeat("0123456789abcdef", 64<<10)
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	run("-s", serial, "push", file, "/data/local/tmp/pushed")
	if got := r.exec("dev1", "wc -c < /data/local/tmp/pushed"); strings.TrimSpace(got) != strconv.Itoa(len(want)) {
		t.Errorf("the runner sees %q bytes of the pushed file", got)
	}
	run("-s", serial, "pull", "/data/local/tmp/pushed", file+".back")
	if back, err := os.ReadFile(file + ".back"); err != nil || string(back) != want {
		t.Errorf("pulled %d bytes, %v; want what was pushed", len(back), err)
	}
	if err := <-busy; err != nil {
		t.Errorf("the runner beside adb: %v", err)
	}
	run("disconnect", serial)
}

// adbServerPort keeps the tests' adb server apart from the one of whoever runs them.
const adbServerPort = 15037

// Ensure what a caller sends reaches the guest's shell as it is, and nothing else.
func TestExec(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "EXEC_MAX_OUTPUT=64KiB")
	r.create("dev1")
	big := strings.Repeat("x", 2<<20)
	for _, tc := range []struct {
		name, command string
		code          int
		want          string
	}{
		{"quotes", `printf '%s\n' "a'b" 'c"d' e\ f`, 0, "a'b\nc\"d\ne f\n"},
		{"newlines and substitution", "x=$(echo 1\necho 2)\necho \"$x\"", 0, "1\n2\n"},
		{"an exit code", "exit 7", 7, ""},
		{"an unknown command", "no-such-command", 127, ""},
		{"both streams", "echo out; echo err >&2; echo out2", 0, "out\nerr\nout2\n"},
		{"2 MiB of it", "x='" + big + "'; echo ${#x}", 0, strconv.Itoa(len(big)) + "\n"},
		{"the host's files are out of reach", "cat /etc/passwd", 1, ""},
		{"no default time limit, no stdin of ours", "cat", 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out := r.execCode("dev1", tc.command)
			if code != tc.code || tc.want != "" && out != tc.want {
				t.Errorf("exit code %d, output %.200q; want %d, %q", code, out, tc.code, tc.want)
			}
		})
	}
	t.Run("output without end is cut and said", func(t *testing.T) {
		got := r.want(200, "POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"head -c 1000000 /dev/zero | tr '\\0' x"}`)
		if got.header.Get("X-Daytona-Output-Truncated") == "" || len(got.body) > 80<<10 || !strings.Contains(string(got.body[len(got.body)-200:]), "bytes") {
			t.Errorf("%d bytes, header %q, end %.200q", len(got.body), got.header.Get("X-Daytona-Output-Truncated"), got.body[len(got.body)-200:])
		}
	})
	t.Run("a time-out ends the whole group", func(t *testing.T) {
		r.want(http.StatusRequestTimeout, "POST", "/sandboxes/dev1/toolbox/process/execute",
			`{"command":"(sleep 300 & sleep 301) ; echo never","timeout":1}`)
		eventually(t, 5e9, "no sleep is left in the guest", func() error {
			if out := r.exec("dev1", "ps -A"); strings.Contains(out, "sleep") {
				return fmt.Errorf("ps: %s", out)
			}
			return nil
		})
	})
	t.Run("cwd and envs", func(t *testing.T) {
		got := r.want(200, "POST", "/sandboxes/dev1/toolbox/process/execute", map[string]any{
			"command": "pwd; echo \"$A\"", "cwd": "/data/local/tmp", "envs": map[string]string{"A": "it's $HOME"},
		})
		if !strings.Contains(string(got.body), `/data/local/tmp\nit's $HOME\n`) {
			t.Errorf("body %s", got.body)
		}
	})
}
