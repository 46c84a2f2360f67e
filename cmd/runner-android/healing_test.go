package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Ensure a device that is killed is started again with its files where the configuration says so, and that
// Daytona takes it for started all the while.
func TestADeadDeviceIsRestartedWithItsFiles(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, append([]string{"RESTART_POLICY=on-failure"}, quick...)...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	r.exec("a", "echo kept > /data/local/tmp/f; sync")
	h.killVM(1)
	eventually(t, 60*time.Second, "it is started again", func() error {
		got := string(r.want(http.StatusOK, "GET", "/sandboxes/a", nil).body)
		if !strings.Contains(got, `"state":"started"`) || !strings.Contains(got, "it was restarted: the device died") {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	if metrics := string(r.want(http.StatusOK, "GET", "/metrics", nil).body); !strings.Contains(metrics, `device_restarts_total{outcome="ok"} 1`) {
		t.Error("the metrics do not count it")
	}
	if tree := string(r.want(http.StatusOK, "GET", "/debug/actors", nil).body); !strings.Contains(tree, "1 of 3 times within 1h0m0s") {
		t.Errorf("the tree: %s", tree)
	}
	if sb := d.sandbox("a"); sb.State != "started" || d.stateReports() != 0 {
		t.Errorf("Daytona takes it for %+v after %d reports", sb, d.stateReports())
	}
	d.wantNoViolations()
}
