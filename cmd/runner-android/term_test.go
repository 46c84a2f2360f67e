package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Ensure a device that nobody uses is stopped with the reason, Daytona told, and its files kept.
func TestAnIdleDeviceIsStopped(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, append([]string{"IDLE_TIMEOUT=4s"}, quick...)...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	r.exec("a", "echo kept > /data/local/tmp/f")
	eventually(t, 60*time.Second, "it is stopped", func() error {
		got := string(r.want(http.StatusOK, "GET", "/sandboxes/a", nil).body)
		if !strings.Contains(got, `"state":"stopped"`) || !strings.Contains(got, "it was not used for 4s") {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	d.wantBelief("a", "stopped")
	d.mustDo(order{"type": "START_SANDBOX", "sandboxId": "a"})
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	d.wantNoViolations()
}
