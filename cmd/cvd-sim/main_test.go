package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// The test binary is all programs of the simulated host, and the command that "cvd-sim host" runs.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if _, isFace := faces()[name]; isFace || name == "cvd-sim" {
		os.Exit(dispatch(name, os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "test-service" {
		os.Exit(testService())
	}
	// A program under the race detector waits a second before it exits, unless told otherwise.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// testService serves on API_PORT, prints its environment to stderr and launches a device.
func testService() int {
	for _, line := range os.Environ() {
		fmt.Fprintln(os.Stderr, line)
	}
	cvd := exec.Command(os.Getenv("CVD_PATH"), "--group_name=s_1", "create", "--host_path="+os.Getenv("CVD_HOME"),
		"--product_path="+os.Getenv("CVD_ARTIFACTS_PATH")+"/"+simhost.BaseImage)
	if out, err := cvd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "create: %v\n%s", err, out)
		return 1
	}
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("API_PORT"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

const bootTime = 150 * time.Millisecond

// patience bounds all waits for something that should happen at once.
const patience = 15 * time.Second

// sim is a simulated host of one test.
type sim struct {
	t    *testing.T
	root *simroot.Root
}

var nextPorts atomic.Int32

// freePorts returns a base with some free ports behind it.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 500 {
		base := 12000 + (os.Getpid()*13+int(nextPorts.Add(1))*8)%16000
		free := true
		for port := base; port < base+8; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// shortDir is a temporary directory whose name leaves room for the sockets of devices.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newSim(t *testing.T, version string) *sim {
	t.Helper()
	root, err := simroot.Create(shortDir(t), simroot.Settings{
		Version: version, BootTime: bootTime.String(), ADBBasePort: freePorts(t), Accounts: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := simhost.Furnish(root, exe); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := simhost.EndProcesses(root); err != nil {
			t.Error(err)
		}
	})
	return &sim{t, root}
}

// result is what a finished cvd left.
type result struct {
	stdout, stderr string
	code           int // 128 + n for signal n
}

func (s *sim) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.root.CVDProgram(), args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+s.root.OwnTempDir())
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		cmd.Env = append(cmd.Env, "HOME="+u.HomeDir)
	}
	return cmd
}

func (s *sim) cvd(args ...string) result {
	s.t.Helper()
	return s.finish(s.command(args...))
}

func (s *sim) finish(cmd *exec.Cmd) result {
	s.t.Helper()
	return s.begin(cmd)()
}

// begin starts a command and returns what waits for its end.
func (s *sim) begin(cmd *exec.Cmd) func() result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() result {
		s.t.Helper()
		return s.end(cmd, &stdout, &stderr)
	}
}

func (s *sim) end(cmd *exec.Cmd, stdout, stderr *bytes.Buffer) result {
	s.t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return result{stdout.String(), stderr.String(), code}
}

// ok runs cvd and wants success.
func (s *sim) ok(args ...string) result {
	s.t.Helper()
	r := s.cvd(args...)
	if r.code != 0 {
		s.t.Fatalf("cvd %v: exit %d\n%s", args, r.code, r.stderr)
	}
	return r
}

// fails runs cvd and wants exit 255, no result, and the words on stderr.
func (s *sim) fails(words string, args ...string) {
	s.t.Helper()
	r := s.cvd(args...)
	if r.code != 255 || r.stdout != "" || !strings.Contains(r.stderr, words) {
		s.t.Errorf("cvd %v: exit %d, stdout %q; want 255, nothing, and %q in\n%s", args, r.code, r.stdout, words, r.stderr)
	}
}

func (s *sim) createArgs(group string, more ...string) []string {
	return append([]string{
		"--group_name=" + group, "create", "--host_path=" + s.root.HostHome(),
		"--product_path=" + filepath.Join(s.root.ArtifactsDir(), simhost.BaseImage), "--report_anonymous_usage_stats=n",
	}, more...)
}

func (s *sim) inject(rules ...inject.Rule) {
	s.t.Helper()
	for _, r := range rules {
		if _, err := inject.Open(s.root.InjectFile()).Add(r); err != nil {
			s.t.Fatal(err)
		}
	}
}

// group is a group as cvd prints it.
type group struct {
	Name       string `json:"group_name"`
	StartTime  string `json:"start_time"`
	MetricsDir string `json:"metrics_dir"`
	Instances  []struct {
		Name        string   `json:"instance_name"`
		Status      string   `json:"status"`
		AssemblyDir string   `json:"assembly_dir"`
		InstanceDir string   `json:"instance_dir"`
		ADBPort     int      `json:"adb_port"`
		ADBSerial   string   `json:"adb_serial"`
		DeviceID    string   `json:"webrtc_device_id"`
		WebAccess   string   `json:"web_access"`
		Displays    []string `json:"displays"`
		Warning     string   `json:"warning"`
	} `json:"instances"`
}

func (s *sim) parse(text string) group {
	s.t.Helper()
	var g group
	if err := json.Unmarshal([]byte(text), &g); err != nil || len(g.Instances) != 1 {
		s.t.Fatalf("not a group of one instance (%v): %s", err, text)
	}
	return g
}

func (s *sim) fleet() []group {
	s.t.Helper()
	var f struct {
		Groups []group `json:"groups"`
	}
	r := s.ok("fleet")
	if err := json.Unmarshal([]byte(r.stdout), &f); err != nil {
		s.t.Fatalf("%v: %s", err, r.stdout)
	}
	return f.Groups
}

// state is what the database has for the only instance of a group; "" when there is no such group.
func (s *sim) state(name string) string {
	s.t.Helper()
	data, err := instancedb.Open(s.root.Database()).Read()
	if err != nil {
		s.t.Fatal(err)
	}
	if g := data.Group(name); g != nil {
		return g.Instances[0].State.String()
	}
	return ""
}

// processes are the host's programs of that name that are no zombies.
func (s *sim) processes(name string) []proctable.Process {
	var found []proctable.Process
	for _, p := range proctable.Below(s.root.Dir) {
		if filepath.Base(p.Exe) == name && p.State != 'Z' {
			found = append(found, p)
		}
	}
	return found
}

// await waits until the condition holds.
func (s *sim) await(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			s.t.Fatalf("after %s still not: %s\n%v", patience, what, proctable.Below(s.root.Dir))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *sim) awaitNoProcesses() {
	s.t.Helper()
	s.await("no processes are left", func() bool { return len(proctable.Below(s.root.Dir)) == 0 })
}

func (s *sim) answers(n int) bool {
	reply, err := launcher.Ask(simroot.UDSDirIn(s.root.OwnTempDir(), os.Getuid(), n), launcher.Status, time.Second)
	return err == nil && reply == launcher.Success
}

func (s *sim) listening(n int) bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.root.ADBPort(n)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
