package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Ensure a device whose ADB fails in one way or another stays what it is, is a failure with a reason within bounds to
// whoever uses it, costs its neighbour nothing, and is well again once the fault is gone.
func TestADBFaults(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=500ms")
	r.create("dev1")
	r.create("dev2")
	for _, tc := range []struct{ fault, command, says, evidence string }{
		{"adb_refused", "true", "no adb connection", "connection refused"},
		{"adb_offline", "true", "", "did not answer"},
		{"adb_auth", "true", "", "the device demands a key that it knows"},
		{"adb_flap:0.2", "sleep 1", "", ""},
		{"adb_stall_acks", "x='" + strings.Repeat("x", 2<<20) + "'", "time", "answered in"},
		{"adb_drop_after:20000", "head -c 100000 /dev/zero | tr '\\0' x", "connection lost", "answered in"},
	} {
		h.injectInto(1, tc.fault, "", 0)
		eventually(t, 20*time.Second, tc.fault+" shows", func() error {
			began := time.Now()
			got, err := r.do("POST", "/sandboxes/dev1/toolbox/process/execute", map[string]any{"command": tc.command, "timeout": 1})
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: a command took %s", tc.fault, took)
			}
			if err != nil || got.status == http.StatusOK || !strings.Contains(string(got.body), tc.says) {
				return fmt.Errorf("%d %.200s, %w", got.status, got.body, err)
			}
			return nil
		})
		r.exec("dev2", "true")
		eventually(t, 20*time.Second, "what is known of it says so", func() error {
			if info := r.info("dev1"); info.State != "started" {
				t.Fatalf("%s: it is %s (%s)", tc.fault, info.State, info.Reason)
			}
			if got := r.evidence("dev1", "adb"); !strings.Contains(got, tc.evidence) {
				return fmt.Errorf("the evidence of %s is %q", tc.fault, got)
			}
			return nil
		})
		h.heal()
		eventually(t, 20*time.Second, "commands run after "+tc.fault, func() error {
			got, err := r.do("POST", "/sandboxes/dev1/toolbox/process/execute", `{"command":"echo whole","timeout":1}`)
			if err != nil || got.status != http.StatusOK || !strings.Contains(string(got.body), `"whole\n"`) {
				return fmt.Errorf("%d %.200s, %w", got.status, got.body, err)
			}
			return nil
		})
	}
	for _, tr := range r.wentThrough("dev1") {
		if tr.From == "started" {
			t.Errorf("it went from started to %s: %s", tr.To, tr.Reason)
		}
	}
	for _, id := range []string{"dev1", "dev2"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}
