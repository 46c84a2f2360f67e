package main_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

type transition struct{ From, To, Reason string }

// wentThrough returns what a sandbox went through, newest first.
func (r *runner) wentThrough(id string) (all []transition) {
	r.t.Helper()
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes/"+id+"/transitions", nil).body, &all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// Ensure a device whose crosvm is killed is in error within two intervals, with the reason wherever people look,
// and starts again with its files.
func TestADeviceThatDies(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	const interval = 5 * time.Second
	r := startRunner(h, "HEALTH_INTERVAL="+interval.String())
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	if err := syscall.Kill(h.crosvm(1), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	info := r.wantState("dev1", "error")
	if took := time.Since(began); took > 2*interval {
		t.Errorf("in error after %s", took)
	} else {
		t.Logf("in error after %s: %s; %s", took, info.Reason, info.Evidence)
	}
	if !strings.Contains(info.Reason, "the device died: no process of it is left") {
		t.Errorf("reason %q", info.Reason)
	}
	tree := string(r.want(http.StatusOK, "GET", "/debug/actors", nil).body)
	for _, want := range []string{`"state":"error"`, `"from":"started","to":"error","reason":"the device died: `, `"layer":"process"`, `"age":`} {
		if !strings.Contains(tree, want) {
			t.Errorf("the tree has no %s: %s", want, tree)
		}
	}
	metrics := r.want(http.StatusOK, "GET", "/metrics", nil).body
	for _, want := range []string{`runner_android_device_crashes_total{death="crashed"} 1`, `runner_android_sandboxes{state="error"} 1`} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).Match(metrics) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.kill()
	r = startRunner(h)
	r.wantState("dev1", "started")
	eventually(t, 5*time.Second, "what it went through under the killed runner is known", func() error {
		all := r.wentThrough("dev1")
		died := func(t transition) bool { return t.To == "error" && strings.HasPrefix(t.Reason, "the device died: ") }
		if len(all) < 4 || all[len(all)-1].To != "creating" || !slices.ContainsFunc(all, died) {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	r.want(http.StatusNotFound, "GET", "/sandboxes/dev1/transitions", nil)
	h.wantClean()
}

// Ensure a device that is switched off from inside, or by cvd, is stopped and no crash.
func TestADeviceThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=2s")
	r.create("dev1")
	_, _ = r.do("POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"reboot -p"}`) // its answer may be cut off
	if info := r.wantState("dev1", "stopped"); !strings.Contains(info.Reason, "Android switched itself off") {
		t.Errorf("reason %q", info.Reason)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	h.cvd("--group_name=s_"+hex.EncodeToString([]byte("dev1")), "stop")
	if info := r.wantState("dev1", "stopped"); !strings.Contains(info.Reason, "stopped by somebody else") {
		t.Errorf("reason %q", info.Reason)
	}
	metrics := string(r.want(http.StatusOK, "GET", "/metrics", nil).body)
	if !strings.Contains(metrics, `runner_android_device_crashes_total{death="crashed"} 0`) {
		t.Error("it counts as a crash")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}
