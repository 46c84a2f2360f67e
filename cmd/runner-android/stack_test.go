package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The end-to-end tests start the built binaries: cvd-sim as a host, runner-android on it with
// the environment that the host exports, exactly as on a real one. The runner is started and
// killed by the tests, the host's command only waits.

const token = "e2e-token"

// client gives up after two minutes, which is longer than any answer may take here.
var client = &http.Client{Timeout: 2 * time.Minute}

// binaries is where TestMain built the two programs.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ra-bin")
	if err == nil {
		binaries = dir
		var out []byte
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir+"/", "../runner-android", "../cvd-sim")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the binaries:", err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// simHost is a simulated Cuttlefish host.
type simHost struct {
	t    *testing.T
	root string
	env  []string            // as it exports it
	user *syscall.Credential // who it and its runner run as; nil: who runs the tests
	cmd  *exec.Cmd

	faults []map[string]any
}

// startHost starts a host of the given cvd version and waits for its environment.
func startHost(t *testing.T, args ...string) *simHost {
	t.Helper()
	return startHostAs(t, nil, nil, args...)
}

// startHostAs starts a host of another user's, with variables of its own.
func startHostAs(t *testing.T, user *syscall.Credential, env []string, args ...string) *simHost {
	t.Helper()
	root, err := os.MkdirTemp("", "ra") // short: Unix sockets below it have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	h := &simHost{t: t, root: root, user: user}
	if user != nil {
		if err := errors.Join(os.Chown(root, int(user.Uid), int(user.Gid)), os.Chmod(binaries, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	envFile := filepath.Join(root, "env")
	all := append([]string{"host", "--root", root, "--boot-time", "600ms"}, args...)
	all = append(all, "--", "sh", "-c", "env -0 > '"+envFile+".new'; mv '"+envFile+".new' '"+envFile+"'; exec sleep 600")
	h.cmd = exec.Command(filepath.Join(binaries, "cvd-sim"), all...)
	h.cmd.Env = append(append(os.Environ(), "API_PORT="+strconv.Itoa(freePort(t)), "API_TOKEN="+token, "LOG_LEVEL=debug"), env...)
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	log := &lockedBuffer{}
	h.cmd.Stdout, h.cmd.Stderr = log, log
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("the host said:\n%s", log)
		}
		_ = os.RemoveAll(root)
	})
	eventually(t, 20*time.Second, "the host exports its environment", func() error {
		data, err := os.ReadFile(envFile)
		if err != nil {
			return fmt.Errorf("%w; it said: %s", err, log)
		}
		h.env = strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
		return nil
	})
	return h
}

func (h *simHost) stop() {
	if h.cmd.ProcessState != nil {
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		_ = h.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = h.cmd.Process.Kill()
		<-done
		h.t.Error("the host did not stop within 20 s")
	}
}

// get returns an exported variable.
func (h *simHost) get(name string) string {
	for _, kv := range h.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	h.t.Fatalf("the host does not export %s", name)
	return ""
}

// inject makes the host misbehave from now on: fault is one of docs/simulator.md, command the
// cvd subcommand that it meets ("" for any), times how often (0: always).
func (h *simHost) inject(fault, command string, times int) {
	h.t.Helper()
	h.injectInto(0, fault, command, times)
}

// injectInto does the same to one instance alone; 0 is every one.
func (h *simHost) injectInto(n int, fault, command string, times int) {
	h.t.Helper()
	h.faults = append(h.faults, map[string]any{
		"fault": fault, "match": map[string]any{"command": command, "instance": n, "times": times},
	})
	data, err := json.Marshal(h.faults)
	if err == nil {
		err = os.WriteFile(h.root+"/inject.json.new", data, 0o644)
	}
	if err == nil {
		err = os.Rename(h.root+"/inject.json.new", h.root+"/inject.json")
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// heal takes all failures back.
func (h *simHost) heal() {
	h.t.Helper()
	h.faults = nil
	if err := os.Remove(h.root + "/inject.json"); err != nil {
		h.t.Fatal(err)
	}
}

// cvd runs the host's cvd as an operator would.
func (h *simHost) cvd(args ...string) string {
	h.t.Helper()
	cmd := exec.Command(h.get("CVD_PATH"), args...)
	cmd.Env = h.env
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			h.t.Fatalf("cvd %v: %v: %s", args, err, exit.Stderr)
		}
		h.t.Fatalf("cvd %v: %v", args, err)
	}
	return string(out)
}

// amendRecord changes what is on record of a sandbox, while no runner runs.
func (h *simHost) amendRecord(id string, change func(map[string]any)) {
	h.t.Helper()
	file := filepath.Join(h.get("CVD_INSTANCES_PATH"), id, "instance.json")
	var rec map[string]any
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	change(rec)
	if text, err = json.Marshal(rec); err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// processes lists the command lines below the host's root whose executable has this name.
func (h *simHost) processes(name string) map[int][]string {
	h.t.Helper()
	out := map[int][]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, dir := range dirs {
		exe, err := os.Readlink(dir + "/exe")
		raw, err2 := os.ReadFile(dir + "/cmdline")
		if err != nil || err2 != nil || !strings.HasPrefix(exe, h.root+"/") {
			continue
		}
		if args := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00"); name == "" || filepath.Base(exe) == name {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			out[pid] = args
		}
	}
	return out
}

// crosvm returns the pid of the VM of instance n.
func (h *simHost) crosvm(n int) int {
	h.t.Helper()
	want := fmt.Sprintf("/cvd-%d/internal/crosvm_control.sock", n)
	for pid, args := range h.processes("crosvm") {
		for _, a := range args {
			if strings.HasPrefix(a, "--socket=") && strings.HasSuffix(a, want) {
				return pid
			}
		}
	}
	h.t.Fatalf("no crosvm of cvd-%d", n)
	return 0
}

// wantClean fails unless nothing of any device is left on the host.
func (h *simHost) wantClean() {
	h.t.Helper()
	eventually(h.t, 10*time.Second, "nothing of a device is left", func() error {
		var left []string
		for _, name := range []string{"crosvm", "run_cvd", "process_restarter", "cvd"} {
			for pid, args := range h.processes(name) {
				left = append(left, fmt.Sprintf("process %d %v", pid, args))
			}
		}
		uid := strconv.Itoa(os.Getuid())
		for _, pattern := range []string{
			h.get("CVD_RUNTIME_PATH") + "/" + uid + "/[0-9]*", h.get("CVD_RUNTIME_PATH") + "/lock/local-instance-*",
			h.get("TMPDIR") + "/cf_avd_" + uid + "/*", h.get("TMPDIR") + "/cf_env_" + uid + "/*", h.get("TMPDIR") + "/vsock_*",
		} {
			found, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			left = append(left, found...)
		}
		entries, err := os.ReadDir(h.get("CVD_INSTANCES_PATH"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				left = append(left, "record "+e.Name())
			}
		}
		outcomes, err := filepath.Glob(h.get("CVD_INSTANCES_PATH") + "/.outcomes/*")
		if err != nil {
			return err
		}
		left = append(left, outcomes...)
		base, _ := strconv.Atoi(h.get("CVD_ADB_BASE_PORT"))
		for n := range 4 {
			if conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", base+n), time.Second); err == nil {
				_ = conn.Close()
				left = append(left, fmt.Sprintf("listener on port %d", base+n))
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("left: %s", strings.Join(left, "; "))
		}
		return nil
	})
}

func createBody(id string) map[string]any {
	return map[string]any{
		"id": id, "userId": "org", "osUser": "daytona", "snapshot": "android-LATEST",
		"cpuQuota": 1, "memoryQuota": 2, "storageQuota": 8,
	}
}

func (r *runner) create(id string) {
	r.t.Helper()
	r.want(http.StatusCreated, "POST", "/sandboxes", createBody(id))
}

// exec runs a command in the guest and returns its output; the exit code must be 0.
func (r *runner) exec(id, command string) string {
	r.t.Helper()
	code, out := r.execCode(id, command)
	if code != 0 {
		r.t.Fatalf("%q: exit code %d: %s", command, code, out)
	}
	return out
}

func (r *runner) execCode(id, command string) (int, string) {
	r.t.Helper()
	got := r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/toolbox/process/execute", map[string]any{"command": command})
	var res struct {
		ExitCode int    `json:"exitCode"`
		Result   string `json:"result"`
	}
	if err := json.Unmarshal(got.body, &res); err != nil {
		r.t.Fatal(err)
	}
	return res.ExitCode, res.Result
}

// eventually waits for a condition and reports the last thing seen.
func eventually(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := firstPort + (os.Getpid()*37+int(portsGiven.Add(1)))%portCount // two runs at once begin elsewhere
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// The ports are handed out once each, and from where the kernel takes none by itself: some are used only seconds after
// they were chosen, when the simulated host is up.
const (
	firstPort = 21000
	portCount = 5000
)

var portsGiven atomic.Int64

// lockedBuffer keeps what a process says.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := bufio.NewScanner(bytes.NewReader(b.buf.Bytes()))
	lines.Buffer(nil, 1<<20)
	var out []string
	for lines.Scan() {
		out = append(out, lines.Text())
	}
	return strings.Join(out[max(0, len(out)-120):], "\n")
}
