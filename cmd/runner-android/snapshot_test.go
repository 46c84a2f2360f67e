package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// save takes a snapshot of a sandbox over REST and returns its hash.
func (r *runner) save(id, org, name string) string {
	r.t.Helper()
	got := r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/snapshot-from-sandbox", fmt.Sprintf(`{"name":%q,"organizationId":%q}`, name, org))
	var info struct {
		Name, Hash, Consistency string
		SizeGB                  float64
		PausedMilliseconds      int
	}
	if err := json.Unmarshal(got.body, &info); err != nil || info.Name != org+"/"+name || len(info.Hash) != 64 || info.SizeGB <= 0 ||
		info.Consistency == "" || info.PausedMilliseconds == 0 && info.Consistency != "stopped" && info.Consistency != "crash" {
		r.t.Fatalf("answered %s, %v", got.body, err)
	}
	return info.Hash
}

// createFrom makes a sandbox of a snapshot.
func (r *runner) createFrom(id, snapshot string) {
	r.t.Helper()
	r.want(http.StatusCreated, "POST", "/sandboxes", fmt.Sprintf(
		`{"id":%q,"userId":"u","osUser":"u","snapshot":%q,"cpuQuota":1,"memoryQuota":2}`, id, snapshot))
}

// wantSound fails unless qemu-img finds every overlay of host and artifacts in order.
func (h *simHost) wantSound() {
	h.t.Helper()
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		h.t.Skip("skipped: needs qemu-img (Debian: qemu-utils)")
	}
	saved, _ := filepath.Glob(h.get("CVD_ARTIFACTS_PATH") + "/snapshots/*/*/instance_data/overlay.img")
	for _, file := range saved {
		alone := `json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"` + file + `"}}`
		if out, err := exec.Command(program, "check", alone).CombinedOutput(); err != nil {
			h.t.Errorf("qemu-img check %s: %v: %s", file, err, out)
		}
	}
	if len(saved) == 0 {
		h.t.Error("nothing is saved")
	}
}

// Ensure what was in a running sandbox when it was saved is in those that are made from it, side by side, also when the
// sandbox is gone; that the sandbox goes on; and that both generations of cvd can do it.
func TestASnapshotBringsTheDataBack(t *testing.T) {
	for _, version := range []string{"1.40.0", "1.55.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--version", version)
			r := startRunner(h)
			r.create("a")
			r.exec("a", "echo kept > /data/local/tmp/f; settings put global marker 42")
			hash := r.save("a", "acme", "golden")
			r.exec("a", "echo later > /data/local/tmp/f")
			if other := r.save("a", "acme", "later"); other == hash {
				t.Error("two snapshots have one hash")
			}
			r.want(http.StatusConflict, "POST", "/sandboxes/a/snapshot-from-sandbox", `{"name":"golden","organizationId":"acme"}`)
			r.want(http.StatusOK, "POST", "/sandboxes/a/destroy", nil)
			r.createFrom("b", "acme/golden")
			r.createFrom("c", "acme/golden")
			for _, id := range []string{"b", "c"} {
				if got := r.exec(id, "cat /data/local/tmp/f; settings get global marker"); got != "kept\n42\n" {
					t.Errorf("%s holds %q", id, got)
				}
			}
			r.exec("b", "echo own > /data/local/tmp/f")
			for range 2 { // the data stay over the next starts
				r.want(http.StatusOK, "POST", "/sandboxes/b/stop", nil)
				r.want(http.StatusOK, "POST", "/sandboxes/b/start", "{}")
			}
			if b, c := r.exec("b", "cat /data/local/tmp/f"), r.exec("c", "cat /data/local/tmp/f"); b != "own\n" || c != "kept\n" {
				t.Errorf("b holds %q and c %q", b, c)
			}
			h.wantSound()
			r.want(http.StatusOK, "POST", "/snapshots/remove?snapshot=acme/golden", nil)
			r.want(http.StatusOK, "POST", "/sandboxes/c/stop", nil)
			r.want(http.StatusOK, "POST", "/sandboxes/c/start", "{}") // needs nothing of it any more
			if got := r.exec("c", "cat /data/local/tmp/f"); got != "kept\n" {
				t.Errorf("c holds %q", got)
			}
			if _, err := os.Stat(h.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/golden"); err == nil {
				t.Error("the snapshot is still there")
			}
			r.save("c", "acme", "second") // nor does what is saved of it
			r.createFrom("d", "acme/second")
			if got := r.exec("d", "cat /data/local/tmp/f"); got != "kept\n" {
				t.Errorf("d holds %q", got)
			}
		})
	}
}

// Ensure a stopped sandbox is saved as it is, that what is damaged or lost here is fetched again, and that where it cannot be
// it is refused and leaves nothing.
func TestSnapshotsOfStoppedSandboxes(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	r.want(http.StatusOK, "POST", "/sandboxes/a/stop", nil)
	r.save("a", "acme", "cold")
	r.createFrom("b", "acme/cold")
	if got := r.exec("b", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("it holds %q", got)
	}
	r.want(http.StatusCreated, "POST", "/sandboxes", `{"id":"later","userId":"u","osUser":"u","snapshot":"acme/cold","cpuQuota":1,"memoryQuota":2,"skipStart":true}`)
	r.want(http.StatusOK, "POST", "/sandboxes/later/start", "{}")
	if got := r.exec("later", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("started later it holds %q", got)
	}
	overlay := h.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/cold/instance_data/overlay.img"
	f, err := os.OpenFile(overlay, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), 300<<10); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.createFrom("c", "acme/cold") // which the bucket has undamaged
	if got := r.exec("c", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("from a snapshot that was damaged here it holds %q", got)
	}
	if err := os.Remove(overlay); err != nil {
		t.Fatal(err)
	}
	r.createFrom("e", "acme/cold")
	if got := r.exec("e", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("from a snapshot whose disk was lost here it holds %q", got)
	}
	r.terminate()
	r = startRunner(h, "AWS_ENDPOINT_URL=", "AWS_DEFAULT_BUCKET=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	if err := os.WriteFile(overlay, []byte("damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := r.do("POST", "/sandboxes", `{"id":"d","userId":"u","osUser":"u","snapshot":"acme/cold","cpuQuota":1,"memoryQuota":2}`)
	if err != nil || got.status != http.StatusConflict || !strings.Contains(string(got.body), "is lost or damaged here") {
		t.Errorf("from a snapshot that is damaged, without a bucket: %d %s, %v", got.status, got.body, err)
	}
	for _, id := range []string{"a", "b", "c", "e", "later"} {
		r.want(http.StatusOK, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// Ensure a device that cannot stand still, or whose crosvm hangs as it is told to, is saved as it runs, which is said,
// and goes on.
func TestDevicesThatCannotStandStill(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	for i, fault := range []string{"suspend_unsupported", "suspend_hang:suspended"} {
		h.inject(fault, "", 1)
		name := fmt.Sprintf("s%d", i)
		r.save("a", "acme", name)
		h.heal()
		var manifest struct{ Consistency string }
		text, err := os.ReadFile(h.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/" + name + "/manifest.json")
		if err == nil {
			err = json.Unmarshal(text, &manifest)
		}
		if err != nil || manifest.Consistency != "crash" {
			t.Errorf("%s: the manifest says %q, %v", fault, manifest.Consistency, err)
		}
		if got := r.exec("a", "echo alive"); got != "alive\n" {
			t.Errorf("%s: it says %q", fault, got)
		}
	}
	h.wantSound()
	r.createFrom("b", "acme/s0")
	if got := r.exec("b", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("it holds %q", got)
	}
}

// Ensure a device that a killed runner left standing still for a snapshot goes on under the next one.
func TestADeviceIsLetGoOnByTheNextRunner(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("a")
	r.kill()
	sockets, err := filepath.Glob(h.get("TMPDIR") + "/cf_avd_*/cvd-1/internal/crosvm_control.sock")
	if err != nil || len(sockets) != 1 {
		t.Fatalf("control sockets: %v, %v", sockets, err)
	}
	if out, err := exec.Command(h.get("CVD_HOME")+"/bin/crosvm", "suspend", sockets[0]).CombinedOutput(); err != nil {
		t.Fatalf("suspend: %v: %s", err, out)
	}
	h.amendRecord("a", func(rec map[string]any) { rec["paused"] = true })
	r = startRunner(h)
	r.wantState("a", "started")
	if got := r.exec("a", "echo alive"); got != "alive\n" {
		t.Errorf("it says %q", got)
	}
}

// Ensure a second sandbox of a snapshot needs one boot, that where assembly loses its disk all the same it gets its data in
// two, and that it is not tried again.
func TestASnapshotIsPutBackInOneBoot(t *testing.T) {
	for _, version := range []string{"1.40.0", "1.55.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--version", version)
			r := startRunner(h)
			r.create("a")
			r.exec("a", "echo kept > /data/local/tmp/f")
			r.save("a", "acme", "golden")
			r.want(http.StatusOK, "POST", "/sandboxes/a/destroy", nil)
			for _, is := range []struct {
				id    string
				wipes int
				boots int
			}{{"b", 0, 2}, {"c", 0, 1}, {"d", 1, 3}, {"e", 0, 2}} {
				if is.wipes > 0 {
					h.inject("wipe_on_start", "start", is.wipes)
				}
				r.createFrom(is.id, "acme/golden")
				// A busy machine may make the runner try a create once more, which boots it all over again.
				again := strings.Contains(r.log.String(), fmt.Sprintf(`"create failed and is tried once more","sandbox_id":%q`, is.id))
				if got := strings.Count(r.log.String(), fmt.Sprintf(`"cvd launched","sandbox_id":%q`, is.id)); got != is.boots && !again {
					t.Errorf("%s was booted %d times, want %d", is.id, got, is.boots)
				}
				if got := r.exec(is.id, "cat /data/local/tmp/f"); got != "kept\n" {
					t.Errorf("%s holds %q", is.id, got)
				}
				r.want(http.StatusOK, "POST", "/sandboxes/"+is.id+"/stop", nil)
				r.want(http.StatusOK, "POST", "/sandboxes/"+is.id+"/start", "{}")
				if got := r.exec(is.id, "cat /data/local/tmp/f"); got != "kept\n" {
					t.Errorf("%s holds %q after its next start", is.id, got)
				}
				r.want(http.StatusOK, "POST", "/sandboxes/"+is.id+"/destroy", nil)
			}
			if why, err := filepath.Glob(h.get("CVD_ARTIFACTS_PATH") + "/.templates/*/unfit"); err != nil || len(why) != 1 {
				t.Errorf("distrusted: %q, %v", why, err)
			}
			h.wantClean()
		})
	}
}

// Ensure a runner that is killed while a sandbox boots with its snapshot's data leaves that to the next one.
func TestARestoreIsCarriedOn(t *testing.T) {
	t.Parallel()
	h := startHost(t, "--boot-time", "3s")
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	r.save("a", "acme", "golden")
	r.createFrom("b", "acme/golden") // leaves what spares c a boot
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = r.do("POST", "/sandboxes", `{"id":"c","userId":"u","osUser":"u","snapshot":"acme/golden","cpuQuota":1,"memoryQuota":2}`)
	}()
	eventually(t, 20*time.Second, "c boots", func() error {
		if !strings.Contains(r.log.String(), `"cvd launched","sandbox_id":"c"`) {
			return errors.New("it was not launched")
		}
		return nil
	})
	r.kill()
	<-ended
	r = startRunner(h)
	r.wantState("c", "started")
	for _, id := range []string{"b", "c"} {
		if got := r.exec(id, "cat /data/local/tmp/f"); got != "kept\n" {
			t.Errorf("%s holds %q", id, got)
		}
	}
}

// Ensure a sandbox that was stopped for its snapshot when the runner was killed is started by the next, and one of a
// reference whose base image was replaced gets its own.
func TestAHaltIsEndedByTheNextRunner(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	r.save("a", "acme", "golden")
	r.want(http.StatusOK, "POST", "/sandboxes/a/stop", nil)
	r.kill()
	h.amendRecord("a", func(rec map[string]any) { rec["halted"] = true })
	link := h.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/golden/super.img"
	image, err := filepath.EvalSymlinks(link)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(link), os.WriteFile(link, make([]byte, info.Size()), 0o644), os.Chtimes(link, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	r = startRunner(h)
	r.wantState("a", "started")
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("it holds %q", got)
	}
	r.createFrom("b", "acme/golden")
	if to, err := os.Readlink(link); err != nil || to == "" {
		t.Errorf("the image in place of its own was used: %q, %v", to, err)
	}
	if got := r.exec("b", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("another holds %q", got)
	}
}
