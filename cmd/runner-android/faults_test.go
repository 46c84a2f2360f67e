package main_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Ensure a boot that fails says which phase, why and what to look at, and leaves nothing.
func TestABootThatFailsIsCleanedUp(t *testing.T) {
	for _, tc := range []struct {
		name, version, fault string
		status               int
		says                 string
	}{
		{"boot failed", "1.40.0", "boot_failed", http.StatusServiceUnavailable, "phase"},
		{"cvd exits without a reason", "1.40.0", "exit:255", http.StatusServiceUnavailable, "phase 1 of 3"},
		{"the disk is full", "1.40.0", "disk_full", http.StatusServiceUnavailable, "space"},
		{"no tap", "1.40.0", "no_tap", http.StatusServiceUnavailable, "tap"},
		{"another user has the locks", "1.40.0", "lock_permission", http.StatusServiceUnavailable, "must be one user's"},
		{"a boot that the launcher gives up", "1.55.2", "boot_timeout:1", http.StatusGatewayTimeout, "Device boot timed out after 1 seconds"},
		{"an adbd that never answers", "1.55.2", "adb_offline", http.StatusGatewayTimeout, "see kernel.log): the device did not boot within 3s"},
		{"an adbd that demands a key", "1.40.0", "adb_auth", http.StatusGatewayTimeout, "the device demands a key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--version", tc.version)
			r := startRunner(h, "CVD_BOOT_TIMEOUT=3s")
			h.inject(tc.fault, "create", 0)
			got, err := r.do("POST", "/sandboxes", createBody("dev1"))
			if err != nil || got.status != tc.status || !strings.Contains(string(got.body), tc.says) {
				t.Fatalf("%d %s, %v; want %d that says %q", got.status, got.body, err, tc.status, tc.says)
			}
			t.Logf("%d %s", got.status, got.body)
			if info := r.info("dev1"); info.State != "error" || info.InstanceNum != 0 || info.Reason == "" {
				t.Errorf("after the failed create: %+v", info)
			}
			h.heal()
			r.create("dev1") // asked again, it works
			r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
			h.wantClean()
		})
	}
}

// Ensure a transient failure costs one silent retry.
func TestATransientFailureIsRetriedOnce(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	h.inject("stale_socket", "create", 1)
	r.create("dev1")
	if n := len(h.processes("crosvm")); n != 1 {
		t.Errorf("%d VMs", n)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}

// Ensure cvd's word is not trusted over what is true.
func TestCvdThatLies(t *testing.T) {
	t.Run("create exits 1 and the device is up", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		r := startRunner(h)
		h.inject("lie:done", "create", 1)
		r.create("dev1")
		r.exec("dev1", "true")
	})
	t.Run("stop exits 0 and nothing is done", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		r := startRunner(h)
		r.create("dev1")
		h.inject("lie:nothing", "stop", 1)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
		if vms := h.processes("crosvm"); len(vms) != 0 {
			t.Errorf("it still runs: %v", vms)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
		h.wantClean()
	})
	t.Run("rm exits 0 and nothing is done", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		r := startRunner(h)
		r.create("dev1")
		h.inject("lie:nothing", "rm", 1)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
		h.wantClean()
	})
	t.Run("fleet prints warnings, garbage, or half of it", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		r := startRunner(h)
		for i, kind := range []string{"warnings", "truncated", "nonjson", "empty"} {
			id := fmt.Sprintf("dev%d", i)
			r.create(id)
			h.inject("fleet_garbage:"+kind, "fleet", 1)
			got, err := r.do("POST", "/sandboxes/"+id+"/destroy", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != http.StatusOK && !strings.Contains(string(got.body), "left behind") {
				t.Errorf("%s: %d %s", kind, got.status, got.body)
			}
			r.wantState(id, "destroyed") // tried again until it is true
		}
		h.wantClean()
	})
	t.Run("Cancelled is a label and no death", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		r := startRunner(h)
		r.create("dev1")
		r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
		h.inject("cancelled:alive", "start", 1)
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
		if fleet := h.cvd("fleet"); !strings.Contains(fleet, "Cancelled") {
			t.Errorf("the label was to lie: %s", fleet)
		}
		r.kill()
		r = startRunner(h, "HEALTH_INTERVAL=500ms")
		r.wantState("dev1", "started")
		eventually(t, 10*time.Second, "the label is part of the evidence", func() error {
			if info := r.info("dev1"); info.State != "started" || !strings.Contains(fmt.Sprintf("%s", info.Evidence), "its list says Cancelled") {
				return fmt.Errorf("%s, %s", info.State, info.Evidence)
			}
			return nil
		})
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
		if vms := h.processes("crosvm"); len(vms) != 0 {
			t.Errorf("it still runs: %v", vms)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
		if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
			t.Errorf("file holds %q", got)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
		h.wantClean()
	})
}

// Ensure a cvd that hangs costs its deadline and no more.
func TestCvdThatHangs(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "CVD_BOOT_TIMEOUT=3s")
	h.inject("hang", "create", 0)
	began := time.Now()
	got, err := r.do("POST", "/sandboxes", createBody("dev1"))
	if err != nil || got.status < 500 || !strings.Contains(string(got.body), "phase 1 of 3") {
		t.Fatalf("%d %s, %v", got.status, got.body, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("gave up after %s", took)
	}
	h.heal()
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.inject("hang:ignore_term", "start", 0)
	r.fails("POST", "/sandboxes/dev1/start", "{}", "phase 1 of 3")
	if info := r.info("dev1"); info.State != "error" || !strings.Contains(info.Reason, "took longer than 3s") {
		t.Errorf("after a start that hung: %+v", info)
	}
	h.heal()
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.inject("boot_timeout", "start", 1)
	r.fails("POST", "/sandboxes/dev1/start", "{}", "phase 3 of 3")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil) // until then a start would wait for that boot
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if got := r.exec("dev1", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("file holds %q", got)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}

// Ensure the wipe that upstream's assembly does on every second restart is found out when it
// happens in spite of the cure.
func TestLostFilesAreSaid(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.exec("dev1", "echo kept > /data/local/tmp/f; sync")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.inject("wipe_on_start", "start", 1)
	got, err := r.do("POST", "/sandboxes/dev1/start", "{}")
	if err != nil || got.status != http.StatusInternalServerError || !strings.Contains(string(got.body), "files were lost") {
		t.Errorf("%d %s, %v; want the loss to be said", got.status, got.body, err)
	}
	if info := r.info("dev1"); info.State != "error" {
		t.Errorf("state: %+v", info)
	}
}

// Ensure what survives a destroy is said, and removed later.
func TestWhatSurvivesIsRemovedLater(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=10s")
	r.create("dev1")
	h.inject("exit:255:busy", "rm", 0)
	got, err := r.do("POST", "/sandboxes/dev1/destroy", nil)
	if err != nil || got.status < 500 || !strings.Contains(string(got.body), "left behind") {
		t.Fatalf("%d %s, %v", got.status, got.body, err)
	}
	h.heal()
	r.wantState("dev1", "destroyed")
	h.wantClean()
}

// Ensure what a failed create leaves running is found and ended.
func TestHelpersOfAFailedCreateAreEnded(t *testing.T) {
	for _, fault := range []string{"port_in_use", "files_in_use"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			r := startRunner(h)
			h.inject(fault, "create", 1)
			_, _ = r.do("POST", "/sandboxes", createBody("dev1")) // the retry may succeed or not
			r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
			if left := h.processes(""); len(left) > 1 { // the host's own
				for pid, args := range left {
					if !strings.Contains(strings.Join(args, " "), "cvd-sim host") {
						t.Errorf("process %d %v is left", pid, args)
					}
				}
			}
			h.wantClean()
		})
	}
}

// Ensure a device that somebody else started under a free number is neither used nor harmed.
func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	body := createBody("dev1")
	body["skipStart"] = true
	r.want(http.StatusCreated, "POST", "/sandboxes", body)
	h.cvd("--group_name=mine", "create", "--host_path="+h.get("CVD_HOME"), "--product_path="+h.get("CVD_ARTIFACTS_PATH")+"/android-LATEST",
		"--instance_nums=1", "--report_anonymous_usage_stats=n", "--daemon")
	stranger := h.crosvm(1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	if n := r.info("dev1").InstanceNum; n == 1 {
		t.Error("the sandbox runs on the stranger's number")
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	if h.crosvm(1) != stranger {
		t.Error("the stranger's device was harmed")
	}
	if fleet := h.cvd("fleet"); !strings.Contains(fleet, "Running") {
		t.Errorf("the stranger's device: %s", fleet)
	}
}

// Ensure a destroy that left something is not undone by a start.
func TestADestroyIsNotTakenBack(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "HEALTH_INTERVAL=10s")
	r.create("dev1")
	h.inject("exit:255:busy", "rm", 0)
	if got, err := r.do("POST", "/sandboxes/dev1/destroy", nil); err != nil || got.status < 500 {
		t.Fatalf("%d %s, %v", got.status, got.body, err)
	}
	if got, err := r.do("POST", "/sandboxes/dev1/start", "{}"); err != nil || got.status != http.StatusConflict {
		t.Errorf("start of a doomed sandbox: %d %s, %v", got.status, got.body, err)
	}
	h.heal()
	r.wantState("dev1", "destroyed")
	h.wantClean()
}

// Ensure a leaked helper that keeps the port does not keep the next device from booting.
func TestALeakedHelper(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	h.inject("leak_helper", "", 1)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	r.create("dev2")
	r.exec("dev2", "true")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/destroy", nil)
	h.wantClean()
}

// Ensure a start makes a device anew only when its group and its disk are both gone, and says so.
func TestRecreate(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	overlay := func() string {
		t.Helper()
		found, err := filepath.Glob(h.get("CVD_RUNTIME_PATH") + "/*/*/home/cuttlefish/instances/cvd-1/overlay.img")
		if err != nil || len(found) != 1 {
			t.Fatalf("overlays: %v, %v", found, err)
		}
		return found[0]
	}
	r.create("dev1")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	disk := overlay()
	if err := os.Rename(disk, disk+".away"); err != nil {
		t.Fatal(err)
	}
	got, err := r.do("POST", "/sandboxes/dev1/start", "{}")
	if err != nil || got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "overlay.img") {
		t.Errorf("start without its disk: %d %s, %v", got.status, got.body, err)
	}
	if err := os.Rename(disk+".away", disk); err != nil {
		t.Fatalf("something was deleted: %v", err)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	h.cvd("--group_name=s_"+hex.EncodeToString([]byte("dev1")), "rm")
	if got := r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}"); !strings.Contains(string(got.body), `"recreated":true`) {
		t.Errorf("start of what was gone: %s", got.body)
	}
	r.exec("dev1", "true")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}
