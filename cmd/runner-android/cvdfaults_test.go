package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fails sends a request and returns the answer, which must be a failure that says why.
func (r *runner) fails(method, path string, body any, says string) reply {
	r.t.Helper()
	got, err := r.do(method, path, body)
	if err != nil || got.status < 400 || !strings.Contains(string(got.body), says) {
		r.t.Fatalf("%s %s: %d %s, %v; want a failure that says %q", method, path, got.status, got.body, err, says)
	}
	return got
}

// database is the file that cvd keeps its groups in.
func (h *simHost) database() string {
	return filepath.Join(h.get("CVD_RUNTIME_PATH"), strconv.Itoa(os.Getuid()), "instance_database.binpb")
}

// wantCVDEvidence waits until the evidence of cvd's list says something, and the sandbox is started all the while.
func (r *runner) wantCVDEvidence(id, says string) {
	r.t.Helper()
	r.wantState(id, "started")
	eventually(r.t, 30*time.Second, id+" is started and "+says, func() error {
		if info := r.info(id); info.State != "started" {
			r.t.Fatalf("%s is %s (%s)", id, info.State, info.Reason)
		}
		if got := r.evidence(id, "cvd"); got != says {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// Ensure what cvd claims with its exit status is compared with what is true, whatever it was told to do.
func TestCvdThatLiesAtEveryStep(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	h.inject("lie:nothing", "create", 1)
	r.create("dev1") // a second create is the cure
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	h.inject("lie:done", "stop", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.inject("lie:nothing", "start", 1)
	r.fails("POST", "/sandboxes/dev1/start", "{}", "phase 1 of 3")
	if info := r.info("dev1"); info.State != "error" || info.Reason == "" {
		t.Errorf("after a start that did nothing: %+v", info)
	}
	h.inject("lie:done", "start", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	h.inject("lie:done", "rm", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}

// Ensure a cvd whose tools fail to stop a device, and one that removes half of it, leave nothing.
func TestStopsAndRemovalsThatFail(t *testing.T) {
	t.Parallel()
	h := startHost(t, "--version", "1.55.2") // the one that says so; of one that hides it TestCvdThatLies tells
	r := startRunner(h)
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	h.inject("stop_fails", "stop", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	if vms := h.processes("crosvm"); len(vms) != 0 {
		t.Errorf("it still runs: %v", vms)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	for i, fault := range []string{"rm_partial:files", "rm_partial:db", "lock_stale"} {
		if i > 0 {
			r.create("dev1")
		}
		h.inject(fault, "rm", 1)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
		h.wantClean()
		h.heal()
	}
}

// Ensure a list of cvd's that never comes holds up nobody: not a new runner, not a command, not a stop and a start.
func TestAListThatNeverComes(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	h.inject("hang:ignore_term", "fleet", 0)
	if code := r.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	began := time.Now()
	r = startRunner(h, "HEALTH_INTERVAL=500ms")
	r.wantState("dev1", "started")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	r.create("dev2")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	h.heal()
	h.inject("fleet_slow:1", "fleet", 0)
	for pid, args := range h.processes("cvd") {
		if strings.Contains(strings.Join(args, " "), "fleet") { // the one that hangs still
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for _, id := range []string{"dev1", "dev2"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	if code := r.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.wantClean()
}

// Ensure labels of cvd's that nobody corrects are evidence and no verdict, and that a device under each of them can be
// stopped, started and destroyed.
func TestLabelsThatNobodyCorrects(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	h.inject("starting_forever", "create", 1)
	r.create("starting") // the launch was killed, and repeated
	r.create("mute")
	for _, id := range []string{"starting", "mute"} {
		r.exec(id, "echo kept > /data/local/tmp/f; sync")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/starting/stop", nil)
	h.injectInto(r.info("starting").InstanceNum, "starting_forever:alive", "start", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/starting/start", "{}")
	h.injectInto(r.info("mute").InstanceNum, "unreachable", "", 0)
	r.kill()
	r = startRunner(h, "HEALTH_INTERVAL=500ms")
	r.wantCVDEvidence("starting", "its list says Starting")
	r.wantCVDEvidence("mute", "its list says Unreachable")
	h.heal()
	for _, id := range []string{"starting", "mute"} {
		r.exec(id, "true")
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/stop", nil)
		if _, there := h.vm(r.info(id).InstanceNum); there {
			t.Errorf("%s still runs", id)
		}
	}
	for _, id := range []string{"starting", "mute"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/start", "{}")
		if got := r.exec(id, "cat /data/local/tmp/f"); got != "kept\n" {
			t.Errorf("%s: file holds %q", id, got)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure a running device that cvd's list omits, because its database was damaged, is used on, ended by its
// processes, and not made anew over the files that are there; and that a destroy leaves nothing.
func TestADeviceThatCvdHasForgotten(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.create("dev2")
	r.kill()
	h.inject("db_corrupt:truncated", "fleet", 1)
	r = startRunner(h, "HEALTH_INTERVAL=500ms")
	r.wantCVDEvidence("dev2", "its list does not have it")
	r.wantCVDEvidence("dev1", "its list says Running")
	for _, id := range []string{"dev1", "dev2"} {
		r.exec(id, "echo kept > /data/local/tmp/f; sync")
	}
	r.create("dev3") // it gets a number of its own, although cvd thinks that 2 is free
	if n := r.info("dev3").InstanceNum; n != 3 {
		t.Errorf("dev3 has number %d", n)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/stop", nil)
	if _, there := h.vm(2); there {
		t.Error("dev2 still runs")
	}
	r.fails("POST", "/sandboxes/dev2/start", "{}", "cvd knows no such group")
	if info := r.info("dev2"); info.State != "error" || !strings.Contains(info.Reason, "cvd knows no such group") {
		t.Errorf("dev2: %+v", info)
	}
	disks, err := filepath.Glob(h.get("CVD_RUNTIME_PATH") + "/*/*/home/cuttlefish/instances/cvd-2/overlay.img")
	if err != nil || len(disks) != 1 {
		t.Errorf("the disk of dev2: %v, %v", disks, err)
	}
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("dev1: file holds %q", got)
	}
	for _, id := range []string{"dev1", "dev2", "dev3"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure of two groups under one name neither is guessed: the device is used on and ended by its processes, and
// what cvd cannot tell apart is said until somebody has repaired it.
func TestTwoGroupsOfOneName(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.kill()
	content, err := os.ReadFile(h.database())
	if err == nil {
		err = os.WriteFile(h.database(), append(content, content...), 0o640) // a repeated field, said twice
	}
	if err != nil {
		t.Fatal(err)
	}
	r = startRunner(h, "HEALTH_INTERVAL=2s")
	r.wantCVDEvidence("dev1", "its list says listed 2 times")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	if _, there := h.vm(1); there {
		t.Error("it still runs")
	}
	r.fails("POST", "/sandboxes/dev1/start", "{}", "several groups of this name")
	if info := r.info("dev1"); info.State != "error" || !strings.Contains(info.Reason, "several groups of this name") {
		t.Errorf("after the start: %+v", info)
	}
	r.fails("POST", "/sandboxes/dev1/destroy", nil, "left behind: its entry in cvd's database")
	if err := os.WriteFile(h.database(), content, 0o640); err != nil {
		t.Fatal(err)
	}
	r.wantState("dev1", "destroyed")
	h.wantClean()
}

// Ensure a lock that somebody left for a number that is free does not keep the number from being used, and that one
// which somebody holds, for which cvd waits without end, costs a create its time and no more.
func TestAStaleLock(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	locks := filepath.Join(h.get("CVD_RUNTIME_PATH"), "lock")
	if err := os.MkdirAll(locks, 0o755); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(locks, "local-instance-1.lock")
	if err := os.WriteFile(lock, []byte("I"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := startRunner(h, "CVD_BOOT_TIMEOUT=3s")
	r.create("dev1")
	if n := r.info("dev1").InstanceNum; n != 1 {
		t.Errorf("number %d", n)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()

	held, err := os.Create(lock)
	if err == nil {
		defer held.Close()
		err = syscall.Flock(int(held.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.fails("POST", "/sandboxes", createBody("dev2"), "phase 1 of 3")
	if info := r.info("dev2"); info.State != "error" || info.InstanceNum != 0 || info.Reason == "" {
		t.Errorf("after the failed create: %+v", info)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	r.create("dev2")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/destroy", nil)
	h.wantClean()
}

// vm is the pid of the VM of instance n, if one is there.
func (h *simHost) vm(n int) (pid int, there bool) {
	h.t.Helper()
	want := fmt.Sprintf("/cvd-%d/internal/crosvm_control.sock", n)
	for pid, args := range h.processes("crosvm") {
		for _, a := range args {
			if strings.HasPrefix(a, "--socket=") && strings.HasSuffix(a, want) {
				return pid, true
			}
		}
	}
	return 0, false
}

// Ensure devices that a reboot of the host took are said to be gone, under the runner and before it starts, and
// start again with their files; and that a pid on record which belongs to somebody else by then is left alone.
func TestTheHostIsRebooted(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=500ms")
	for _, id := range []string{"dev1", "dev2"} {
		r.create(id)
		r.exec(id, "echo kept > /data/local/tmp/f; sync")
	}
	h.reboot() // as far as the runner can tell, all devices die at once
	for _, id := range []string{"dev1", "dev2"} {
		if info := r.wantState(id, "error"); !strings.Contains(info.Reason, "the device died") {
			t.Errorf("%s: reason %q", id, info.Reason)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/start", "{}")
	}
	r.kill()
	h.reboot()
	innocent := exec.Command("sleep", "600")
	innocent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := innocent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = innocent.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = innocent.Process.Kill()
		<-ended
	})
	h.amendRecord("dev1", func(rec map[string]any) { rec["launcher"] = map[string]any{"pid": innocent.Process.Pid, "start": 1} })
	r = startRunner(h, "HEALTH_INTERVAL=500ms")
	for _, id := range []string{"dev1", "dev2"} {
		if info := r.wantState(id, "stopped"); info.Reason == "" {
			t.Errorf("%s: it is not said why", id)
		}
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	select {
	case <-ended:
		t.Fatal("whoever had the pid of the launching cvd was ended")
	default:
	}
	for _, id := range []string{"dev1", "dev2"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/start", "{}")
		if got := r.exec(id, "cat /data/local/tmp/f"); got != "kept\n" {
			t.Errorf("%s: file holds %q", id, got)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure a VM that died and was never reaped, whose launcher therefore goes on answering, is a failure to whoever
// uses the device, within bounds, and can be stopped and started.
func TestAVMThatIsAZombie(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=500ms")
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	h.inject("zombie_vm", "", 1)
	eventually(t, 20*time.Second, "what is known of it says so", func() error {
		adb, launcher, process := r.evidence("dev1", "adb"), r.evidence("dev1", "launcher"), r.evidence("dev1", "process")
		if !strings.Contains(adb, "connection refused") || launcher != "answers" || process != "no crosvm of cvd-1" {
			return fmt.Errorf("its evidence is %s", r.info("dev1").Evidence)
		}
		return nil
	})
	began := time.Now()
	r.fails("POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"true"}`, "no adb connection")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a command failed after %s", took)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}
