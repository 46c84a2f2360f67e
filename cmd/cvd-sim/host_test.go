package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

func itoa(n int) string { return strconv.Itoa(n) }

// hostRun is a running "cvd-sim host".
type hostRun struct {
	cmd    *exec.Cmd
	ready  chan string // the ready line
	stderr sharedBuffer
}

// sharedBuffer may be read while a process writes to it.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func startHost(t *testing.T, dir string, port int) *hostRun {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &hostRun{ready: make(chan string, 1)}
	h.cmd = &exec.Cmd{
		Path: exe,
		Args: []string{"cvd-sim", "host", "--root", dir, "--boot-time", bootTime.String(), "--", exe, "test-service"},
		Env:  append(os.Environ(), "API_PORT="+itoa(port), "CVD_HOST_CPUS=3"),
	}
	h.cmd.Stderr = &h.stderr
	h.cmd.WaitDelay = patience // a command that outlives its host keeps stdout
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.ready)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "demo ready") {
				h.ready <- lines.Text()
				return
			}
		}
	}()
	return h
}

func (h *hostRun) awaitReady(t *testing.T) string {
	t.Helper()
	select {
	case line := <-h.ready:
		if line == "" {
			t.Fatalf("the host ended without a ready line\n%s", h.stderr.String())
		}
		return line
	case <-time.After(patience):
		_ = h.cmd.Process.Kill()
		t.Fatal("no ready line")
		return ""
	}
}

func TestHostRunsACommandAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	dir, port := shortDir(t), freePorts(t)
	h := startHost(t, dir, port)
	line := h.awaitReady(t)
	root, err := simroot.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://127.0.0.1:" + itoa(port), "demo-token", ":" + itoa(root.Settings.ADBBasePort), "  proxy http://127.0.0.1:", "  daytona http://127.0.0.1:",
		"  operator http://127.0.0.1:" + itoa(root.Settings.OperatorHTTP), "  display http://6080-<id>.proxy.localhost:"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not say %s", line, want)
		}
	}
	if len(proctable.Below(dir)) < 3 {
		t.Error("the command's device does not run")
	}
	bucket := put(t, line, "org/one/manifest.json", "kept")
	second := &exec.Cmd{Path: h.cmd.Path, Args: h.cmd.Args, Env: h.cmd.Env}
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use by another cvd-sim host (process "+itoa(h.cmd.Process.Pid)) {
		t.Errorf("a second host on the root: %v\n%s", err, out)
	}
	if err := h.cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait() // the service ends by the signal
	if left := proctable.Below(dir); len(left) != 0 {
		t.Errorf("processes are left: %v", left)
	}
	log, err := os.ReadFile(filepath.Join(dir, "runner.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"CVD_PATH=" + dir + "/usr/bin/cvd", "CVD_HOME=" + dir + "/home", "TMPDIR=" + dir + "/tmp", "API_TOKEN=demo-token",
		"CVD_RUNTIME_PATH=" + dir + "/var/tmp/cvd", "CVD_INSTANCES_PATH=" + dir + "/instances", "CVD_HOST_CPUS=3",
	} {
		if !strings.Contains(string(log), want+"\n") || !strings.Contains(h.stderr.String(), want+"\n") {
			t.Errorf("%s is missing in runner.log or on stderr", want)
		}
	}
	for _, want := range []string{
		"AWS_ENDPOINT_URL=" + strings.TrimSuffix(bucket, "/"+simhost.Bucket), "AWS_DEFAULT_BUCKET=" + simhost.Bucket, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=demo-access-key", "AWS_SECRET_ACCESS_KEY=demo-secret-key",
	} {
		if !strings.Contains(string(log), "\n"+want+"\n") {
			t.Errorf("%q is not in the command's environment", want)
		}
	}
	if object, err := os.ReadFile(filepath.Join(dir, "s3", simhost.Bucket, "org", "one", "manifest.json")); err != nil || string(object) != "kept" {
		t.Errorf("the object is %q, %v", object, err)
	}
	_, daytonaURL, _ := strings.Cut(line, "  daytona ")
	if want := "\nDAYTONA_API_URL=" + daytonaURL + "/api\n"; !strings.Contains(string(log), want) {
		t.Errorf("%q is not in the command's environment", want)
	}
	if want := fmt.Sprintf("\nCVD_OPERATOR_URL=http://127.0.0.1:%d\n", root.Settings.OperatorHTTP); !strings.Contains(string(log), want) {
		t.Errorf("%q is not in the command's environment", want)
	}
}

// put stores an object in the bucket that a ready line names, and returns the bucket's URL.
func put(t *testing.T, line, key, content string) string {
	t.Helper()
	_, rest, _ := strings.Cut(line, "  s3 ")
	bucket, _, _ := strings.Cut(rest, "  ")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, bucket+"/"+key, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("the bucket of %q: %v", line, err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("PUT %s/%s: %s", bucket, key, resp.Status)
	}
	return bucket
}

func TestAHostAfterAKilledOneEndsWhatThatLeft(t *testing.T) {
	t.Parallel()
	dir, port := shortDir(t), freePorts(t)
	first := startHost(t, dir, port)
	first.awaitReady(t)
	devices := proctable.Below(dir)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if _, err := first.cmd.Process.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(devices) < 3 || !devices[0].Alive() {
		t.Fatalf("the devices of the killed host do not run: %v", devices)
	}
	inodes := inode(t, filepath.Join(dir, "artifacts", "android-LATEST", "super.img"))
	// The service of the second run would create a group that exists, so it is not asked for one.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	second := &exec.Cmd{Path: exe, Args: []string{"cvd-sim", "host", "--root", dir, "--", dir + "/usr/bin/cvd", "fleet"},
		Env: append(os.Environ(), "API_PORT="+itoa(port))}
	out, err := second.Output()
	if err != nil || !strings.Contains(string(out), `"Unreachable"`) {
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Errorf("second host: %v\n%s", err, out)
	}
	for _, p := range devices {
		if p.Alive() {
			t.Errorf("%s outlived the reboot", p.Exe)
		}
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+itoa(port)); err == nil {
		conn.Close()
		t.Error("the command of the killed host still serves")
	}
	if inode(t, filepath.Join(dir, "artifacts", "android-LATEST", "super.img")) != inodes {
		t.Error("the base image was made anew")
	}
}

func inode(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String() + " " + strconv.FormatUint(st.Ino, 10)
}

func TestHostRefuses(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	tests := []struct {
		name, root, port, want string
	}{
		{"a root whose sockets would be too long", filepath.Join(shortDir(t), strings.Repeat("deep", 15)), "1", "choose a root with a shorter path"},
		{"a port that is taken", shortDir(t), itoa(taken.Addr().(*net.TCPAddr).Port), "is taken by process " + itoa(os.Getpid())},
		{"a port that is none", shortDir(t), "many", "want a port number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := &exec.Cmd{Path: exe, Args: []string{"cvd-sim", "host", "--root", tt.root, "--", "true"}, Env: append(os.Environ(), "API_PORT="+tt.port)}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestInjectVerb(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	run := func(args ...string) result {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return s.finish(&exec.Cmd{Path: exe, Args: append([]string{"cvd-sim", "inject", "--root", s.root.Dir}, args...)})
	}
	if r := run("add", "--fault", "exit:9", "--command", "fleet", "--times", "1"); r.code != 0 || r.stdout != "r1\n" {
		t.Fatalf("add: %+v", r)
	}
	if r := run("list"); !strings.Contains(r.stdout, "exit:9") {
		t.Errorf("list: %+v", r)
	}
	if r := s.cvd("fleet"); r.code != 9 {
		t.Errorf("fleet: %+v", r)
	}
	if r := run("clear", "r1"); r.code != 0 {
		t.Errorf("clear: %+v", r)
	}
	if r := run("add", "--fault", "explode"); r.code != 1 || !strings.Contains(r.stderr, "fleet_garbage") {
		t.Errorf("an unknown fault: %+v", r)
	}
}
