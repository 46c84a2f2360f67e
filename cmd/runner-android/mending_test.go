package main_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// reboot has the host do as after a loss of power: all its processes end, its /tmp is empty.
func (h *simHost) reboot() {
	h.t.Helper()
	if out, err := exec.Command(filepath.Join(binaries, "cvd-sim"), "reboot", "--root", h.root).CombinedOutput(); err != nil {
		h.t.Fatalf("reboot: %v: %s", err, out)
	}
}

// wantMetric waits until the metrics have the line.
func (r *runner) wantMetric(line string) {
	r.t.Helper()
	eventually(r.t, 30*time.Second, "the metrics have "+line, func() error {
		if got := string(r.want(http.StatusOK, "GET", "/metrics", nil).body); !strings.Contains(got, line+"\n") {
			return fmt.Errorf("they have not")
		}
		return nil
	})
}

// Ensure a device that dies while no runner looks is in error with the reason, Daytona hears of it, what it left is
// removed, others are not touched; and that after a reboot of the host all are stopped, and start with their files.
func TestWhatHappensWhileNoRunnerLooks(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "b"})
	r.exec("a", "echo kept > /data/local/tmp/f; sync")
	other := h.crosvm(2)
	r.kill()
	h.killVM(1)
	r = startRunner(h, quick...)
	if info := r.wantState("a", "error"); !strings.Contains(info.Reason, "died while no runner looked") {
		t.Errorf("reason %q", info.Reason)
	}
	d.wantBelief("a", "error")
	r.wantMetric(`runner_android_device_mends_total{kind="leftovers_removed"} 1`)
	r.wantEvidence("a", "runner", "removed what the dead device left")
	if left, err := filepath.Glob(h.get("TMPDIR") + "/cf_avd_*/cvd-1"); err != nil || len(left) > 0 {
		t.Errorf("left of its sockets: %v, %v", left, err)
	}
	r.wantState("b", "started")
	if h.crosvm(2) != other {
		t.Error("the other device was touched")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/a/start", "{}")
	r.kill()
	h.reboot()
	r = startRunner(h, append([]string{"RESTART_POLICY=on-failure"}, quick...)...)
	for _, id := range []string{"a", "b"} {
		if info := r.wantState(id, "stopped"); info.Reason == "" {
			t.Errorf("%s is stopped without a reason", id)
		}
	}
	r.want(http.StatusOK, "POST", "/sandboxes/a/start", "{}")
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.wantMetric(`runner_android_device_crashes_total{death="crashed"} 0`)
	d.wantNoViolations()
}

// Ensure an ADB connection that hangs is made anew, which is counted and shown, and the device stays started.
func TestAHungADBConnection(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	r.create("dev1")
	h.inject("adb_offline", "", 0)
	r.wantEvidence("dev1", "adb", "no connection to")
	h.heal()
	r.wantMetric(`runner_android_device_mends_total{kind="adb_renewed"} 1`)
	r.wantState("dev1", "started")
	r.wantEvidence("dev1", "runner", "made anew")
	r.exec("dev1", "true")
	r.wantMetric(`runner_android_device_crashes_total{death="crashed"} 0`)
}
