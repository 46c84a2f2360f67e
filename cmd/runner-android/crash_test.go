package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Ensure devices outlive a killed runner and are adopted untouched.
func TestKilledRunnerIsSucceeded(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.create("dev2")
	r.exec("dev1", "echo kept > /data/local/tmp/f")
	before := r.info("dev1")
	vm := h.crosvm(before.InstanceNum)
	r.kill()
	r = startRunner(h)
	after := r.wantState("dev1", "started")
	if after.InstanceNum != before.InstanceNum || after.ADBPort != before.ADBPort || h.crosvm(after.InstanceNum) != vm {
		t.Errorf("before %+v, after %+v, crosvm %d and %d", before, after, vm, h.crosvm(after.InstanceNum))
	}
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.wantState("dev2", "started")
	for _, id := range []string{"dev1", "dev2"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure a runner that is killed at any moment of a create is succeeded by one that converges:
// asked again it answers with the one device, no number is leaked, and destroy leaves nothing.
func TestKilledDuringCreate(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	for i, moment := range []time.Duration{
		0, 5, 20, 60, 120, 250, 400, 600, 900, // ms after the request
	} {
		id := fmt.Sprintf("dev%d", i)
		t.Run(fmt.Sprintf("%d ms in", moment), func(t *testing.T) {
			r := startRunner(h)
			r.t = t
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				_, _ = r.do("POST", "/sandboxes", createBody(id)) // cut off by the kill
			}()
			<-time.After(moment * time.Millisecond)
			r.kill()
			<-answered
			r = startRunner(h)
			r.t = t
			r.create(id)
			info := r.wantState(id, "started")
			if info.InstanceNum != 1 {
				t.Errorf("number %d; want 1, everything before was destroyed", info.InstanceNum)
			}
			if vms := h.processes("crosvm"); len(vms) != 1 {
				t.Errorf("%d crosvm processes: %v", len(vms), vms)
			}
			if got := r.exec(id, "echo alive"); got != "alive\n" {
				t.Errorf("it says %q", got)
			}
			r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
			r.kill()
			h.wantClean()
		})
	}
}

// Ensure a runner that is killed during stop, start and destroy is succeeded by one that
// carries on or says what is true.
func TestKilledDuringStopStartDestroy(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	cut := func(path, body string, moment time.Duration) {
		t.Helper()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _ = r.do("POST", "/sandboxes/dev1/"+path, body)
		}()
		<-time.After(moment)
		r.kill()
		<-answered
		r = startRunner(h)
	}
	for _, moment := range []time.Duration{1, 30, 150} {
		cut("stop", `{}`, moment*time.Millisecond)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{}`)
		r.wantState("dev1", "stopped")
		cut("start", `{}`, moment*time.Millisecond)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", `{}`)
		r.wantState("dev1", "started")
		if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
			t.Fatalf("file holds %q", got)
		}
	}
	cut("destroy", "", 60*time.Millisecond)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	r.wantState("dev1", "destroyed")
	h.wantClean()
}

// Ensure SIGTERM ends the runner with 0 and no device: a create in flight is told to ask again
// and goes on.
func TestSIGTERMDuringCreate(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	h.inject("slow_boot:2", "", 0)
	got := make(chan reply, 1)
	go func() {
		answer, _ := r.do("POST", "/sandboxes", createBody("dev1"))
		got <- answer
	}()
	eventually(t, 10*time.Second, "cvd launches the device", func() error {
		if len(h.processes("crosvm")) == 0 { // the cvd that is there first may only have been asked something
			return errors.New("no crosvm")
		}
		return nil
	})
	if code := r.terminate(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
	if answer := <-got; answer.status != http.StatusServiceUnavailable || !strings.Contains(string(answer.body), "continues") {
		t.Errorf("the create was answered %d %s", answer.status, answer.body)
	}
	r = startRunner(h)
	r.wantState("dev1", "started")
	if n := len(h.processes("crosvm")); n != 1 {
		t.Errorf("%d VMs; want the one that went on", n)
	}
}

// Ensure a device of an older installation is adopted by its number, whatever its group is
// called.
func TestOlderInstallationsAreAdopted(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	h.cvd("--group_name=cvd_7", "create", "--host_path="+h.get("CVD_HOME"), "--product_path="+h.get("CVD_ARTIFACTS_PATH")+"/android-LATEST",
		"--instance_nums=3", "--report_anonymous_usage_stats=n", "--daemon")
	instances := h.get("CVD_INSTANCES_PATH")
	if err := os.MkdirAll(instances, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(instances, "mappings.json"), []byte(`{"old-one": 3}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r := startRunner(h)
	info := r.wantState("old-one", "started")
	if info.InstanceNum != 3 {
		t.Errorf("info: %+v", info)
	}
	r.exec("old-one", "echo kept > /data/local/tmp/f")
	r.want(http.StatusOK, "POST", "/sandboxes/old-one/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/old-one/start", "{}")
	if got := r.exec("old-one", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.create("new-one")
	if n := r.info("new-one").InstanceNum; n == 3 {
		t.Error("the new one got the old one's number")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/old-one/destroy", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/new-one/destroy", nil)
	h.wantClean()
}

// Ensure a damaged ledger costs nothing that can be found again.
func TestADamagedLedgerIsRebuilt(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.create("dev2")
	r.kill()
	instances := h.get("CVD_INSTANCES_PATH")
	for _, name := range []string{"mappings.json", "dev2/instance.json"} {
		if err := os.WriteFile(filepath.Join(instances, name), []byte("{torn"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r = startRunner(h)
	r.wantState("dev1", "started")
	r.wantState("dev2", "started")
	if got := r.exec("dev2", "echo alive"); got != "alive\n" {
		t.Errorf("it says %q", got)
	}
	aside, err := filepath.Glob(instances + "/mappings.json.*")
	if err != nil || len(aside) == 0 {
		t.Errorf("the bad file was not kept aside: %v %v", aside, err)
	}
	r.kill()
	var mappings map[string]int
	data, err := os.ReadFile(filepath.Join(instances, "mappings.json"))
	if err == nil {
		err = json.Unmarshal(data, &mappings)
	}
	if err != nil || mappings["dev1"] != 1 || mappings["dev2"] != 2 {
		t.Errorf("mappings after the rebuild: %v, %v", mappings, err)
	}
}

// Ensure files that a start lost are missed also by the runner that carries the start on.
func TestLostFilesAreSaidAfterARestart(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.inject("wipe_on_start", "start", 1)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = r.do("POST", "/sandboxes/dev1/start", "{}")
	}()
	eventually(t, 10*time.Second, "cvd starts the device", func() error {
		for _, args := range h.processes("cvd") {
			if slices.Contains(args, "start") { // it is asked for its version and its list as well
				return nil
			}
		}
		return errors.New("no cvd start")
	})
	r.kill()
	<-answered
	r = startRunner(h)
	if info := r.wantState("dev1", "error"); !strings.Contains(info.Reason, "files were lost") {
		t.Errorf("reason %q", info.Reason)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}") // whoever starts it again accepts that
	r.wantState("dev1", "started")
}

// Ensure a second runner on the same ledger is refused.
func TestASecondRunnerIsRefused(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	second := runnerCommand(h, fmt.Sprintf("API_PORT=%d", freePort(t)))
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprint(r.cmd.Process.Pid)) {
		t.Errorf("the second runner: %v, %s; want a refusal that names pid %d", err, out, r.cmd.Process.Pid)
	}
}

// Ensure a command that the runner's end cuts off is told so, and not that the device went.
func TestSIGTERMDuringExec(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	got := make(chan reply, 1)
	go func() {
		answer, _ := r.do("POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"touch /data/local/tmp/begun; sleep 60"}`)
		got <- answer
	}()
	eventually(t, 10*time.Second, "the command runs", func() error {
		if code, _ := r.execCode("dev1", "test -e /data/local/tmp/begun"); code != 0 {
			return errors.New("it has not begun")
		}
		return nil
	})
	if code := r.terminate(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
	if answer := <-got; answer.status != http.StatusServiceUnavailable {
		t.Errorf("the command was answered %d %s; want 503", answer.status, answer.body)
	}
}
