package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sandboxRecord is what the API believes of a sandbox.
type sandboxRecord struct {
	ID, State, DesiredState, ErrorReason string
	Recoverable                          bool
}

// sandbox returns the record of one sandbox; the zero record when there is none.
func (d desk) sandbox(id string) sandboxRecord {
	d.t.Helper()
	var all []sandboxRecord
	d.call("GET", "/sandboxes", nil, &all)
	for _, sb := range all {
		if sb.ID == id {
			return sb
		}
	}
	return sandboxRecord{}
}

// wantBelief waits until the API takes the sandbox for this.
func (d desk) wantBelief(id, state string) sandboxRecord {
	d.t.Helper()
	var sb sandboxRecord
	eventually(d.t, 30*time.Second, "Daytona takes "+id+" for "+state, func() error {
		if sb = d.sandbox(id); sb.State != state {
			return fmt.Errorf("it takes it for %s (%s)", sb.State, sb.ErrorReason)
		}
		return nil
	})
	return sb
}

// stateReports counts the reports of states that were answered with 200.
func (d desk) stateReports() (n int) {
	d.t.Helper()
	var all []struct {
		Method, Path string
		Status       int
	}
	d.call("GET", "/requests", nil, &all)
	for _, r := range all {
		if r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/state") && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

func (h *simHost) killVM(n int) {
	h.t.Helper()
	if err := syscall.Kill(h.crosvm(n), syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}

// Ensure Daytona hears once that a device died, with a reason that helps, and can have it recovered.
func TestACrashIsReportedToDaytona(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "b"})
	r.exec("a", "echo kept > /data/local/tmp/f; sync")
	h.killVM(1)
	sb := d.wantBelief("a", "error")
	for _, want := range []string{"died", "kernel.log: ", "launcher.log: ", "crosvm"} {
		if !strings.Contains(sb.ErrorReason, want) {
			t.Errorf("the reason lacks %q: %s", want, sb.ErrorReason)
		}
	}
	if !sb.Recoverable || len(sb.ErrorReason) > 1100 {
		t.Errorf("the record: %+v", sb)
	}
	if got := d.sandbox("b"); got.State != "started" {
		t.Errorf("the other one: %+v", got)
	}
	if tree := string(r.want(http.StatusOK, "GET", "/debug/actors", nil).body); !strings.Contains(tree, "root/crashes") || !strings.Contains(tree, "compared_at") {
		t.Errorf("the tree: %s", tree)
	}
	eventually(t, 10*time.Second, "the metrics show it", func() error {
		metrics := string(r.want(http.StatusOK, "GET", "/metrics", nil).body)
		for _, want := range []string{`crashes_total{what="device"} 1`, `state_reports_total{outcome="taken"} 1`, "state_reports_open 0"} {
			if !strings.Contains(metrics, "runner_android_"+want+"\n") {
				return fmt.Errorf("no %q", want)
			}
		}
		return nil
	})
	d.mustDo(order{"type": "RECOVER_SANDBOX", "sandboxId": "a", "payload": order{"errorReason": sb.ErrorReason}})
	d.wantBelief("a", "started")
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	if n := d.stateReports(); n != 1 {
		t.Errorf("%d reports; want one", n)
	}
	if left, err := filepath.Glob(h.get("CVD_INSTANCES_PATH") + "/.reports/*"); err != nil || len(left) != 0 {
		t.Errorf("left on disk: %v, %v", left, err)
	}
	d.wantNoViolations()
}

// Ensure a crash is reported whatever the API does meanwhile, and once.
func TestACrashIsReportedToAnAPIThatMisbehaves(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	reports := 0
	for _, f := range []struct {
		route, fault string
		times        int
	}{
		{"state", "status:401", 2}, {"state", "status:500", 4}, {"state", "garbage", 4}, {"state", "slow:2s", 1}, {"state", "close", 4},
		{"state", "lost", 1}, {"state", "down", 4}, {"for-runner", "status:500", 4}, {"for-runner", "garbage", 4}, {"all", "status:502", 6},
	} {
		h.killVM(1)
		d.fault(f.route, f.fault, f.times)
		sb := d.wantBelief("a", "error")
		if !strings.Contains(sb.ErrorReason, "died") {
			t.Errorf("%s on %s: %+v", f.fault, f.route, sb)
		}
		d.heal()
		reports++
		d.mustDo(order{"type": "START_SANDBOX", "sandboxId": "a"})
		d.wantBelief("a", "started")
	}
	if n := d.stateReports(); n < reports || n > reports+5 { // garbage has status 200
		t.Errorf("%d reports; want %d, and 4 that met garbage", n, reports)
	}
	d.wantNoViolations()
}

// Ensure a crash while the API is away is reported when it is back.
func TestACrashDuringAnOutage(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	d.fault("all", "down", 0)
	h.killVM(1)
	eventually(t, 20*time.Second, "the report is kept", func() error {
		if !strings.Contains(r.log.String(), "report kept: the API did not take it") {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	if sb := d.sandbox("a"); sb.State != "started" {
		t.Errorf("during the outage: %+v", sb)
	}
	d.heal()
	if sb := d.wantBelief("a", "error"); !strings.Contains(sb.ErrorReason, "died") {
		t.Errorf("afterwards: %+v", sb)
	}
	if n := d.stateReports(); n != 1 {
		t.Errorf("%d reports; want one", n)
	}
	d.wantNoViolations()
}

// Ensure a runner that dies between a crash and its report reports it in its next life, whether the
// report had reached the disk or not.
func TestKillBetweenCrashAndReport(t *testing.T) {
	for _, tc := range []struct {
		name string
		kept bool
	}{{"the report is on disk", true}, {"the report is not on disk", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			r := startRunner(h, quick...)
			d := h.desk()
			d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
			d.fault("state", "down", 0)
			h.killVM(1)
			report := h.get("CVD_INSTANCES_PATH") + "/.reports/a.json"
			eventually(t, 20*time.Second, "the report is on disk", func() error {
				_, err := os.Stat(report)
				return err
			})
			r.kill()
			if !tc.kept {
				if err := os.Remove(report); err != nil {
					t.Fatal(err)
				}
			}
			d.heal()
			startRunner(h, quick...)
			if tc.kept {
				if sb := d.wantBelief("a", "error"); !strings.Contains(sb.ErrorReason, "died") || !strings.Contains(sb.ErrorReason, "launcher.log: ") {
					t.Errorf("the record: %+v", sb)
				}
			}
			eventually(t, 20*time.Second, "Daytona knows that it does not run", func() error {
				if sb := d.sandbox("a"); sb.State != "error" && sb.State != "stopped" {
					return fmt.Errorf("it takes it for %s", sb.State)
				}
				return nil
			})
			eventually(t, 10*time.Second, "nothing is left on disk", func() error {
				if _, err := os.Stat(report); !os.IsNotExist(err) {
					return fmt.Errorf("it is there: %w", err)
				}
				return nil
			})
			if n := d.stateReports(); n != 1 {
				t.Errorf("%d reports; want one", n)
			}
			d.wantNoViolations()
		})
	}
}

// Ensure Daytona learns what others did to a sandbox through the runner's own API, and that jobs are
// reported by nobody else.
func TestStatesAreKeptInStep(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	d.mustDo(order{"type": "STOP_SANDBOX", "sandboxId": "a"})
	d.mustDo(order{"type": "START_SANDBOX", "sandboxId": "a"})
	if n := d.stateReports(); n != 0 {
		t.Errorf("%d reports beside the jobs", n)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/a/stop", nil)
	d.wantBelief("a", "stopped")
	r.want(http.StatusOK, "POST", "/sandboxes/a/start", "{}")
	d.wantBelief("a", "started")
	if n := d.stateReports(); n != 2 {
		t.Errorf("%d reports; want two", n)
	}
	d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
	d.wantNoViolations()
}
