package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

// inBucket are the variables of a host whose snapshots are at a server, or at a proxy before it.
func inBucket(s *s3storetest.Server, endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_DEFAULT_BUCKET=" + s.Bucket, "AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
	}
}

// wantSent waits until the work on a snapshot has ended well.
func (r *runner) wantSent(name, work string) {
	r.t.Helper()
	eventually(r.t, time.Minute, name+" is in the bucket", func() error {
		got, err := r.do("GET", "/snapshots/"+name+"/progress", nil)
		if err != nil {
			return err
		}
		var p struct{ Work, State, Error string }
		if err := json.Unmarshal(got.body, &p); err != nil {
			return err
		}
		if p.Work != work || p.State != "done" {
			return fmt.Errorf("%d %s", got.status, got.body)
		}
		return nil
	})
}

// Ensure a snapshot moves between two runners that share nothing but a bucket: other roots, other users. Files, settings and
// apps are there, and the snapshot is the same by its hash.
func TestASnapshotMovesToAnotherHost(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can be two users")
	}
	server := s3storetest.Start(t)
	bucket := inBucket(server, server.Endpoint)
	here := startHostAs(t, nil, bucket)
	a := startRunner(here)
	a.create("a")
	a.exec("a", "echo kept > /data/local/tmp/f; settings put global marker 42")
	apk := makeAPK(t, "--package", "com.example.kept", "--version-code", "7")
	if got, err := a.send("POST", "/sandboxes/a/android/install", strings.NewReader(string(apk)), map[string]string{"Content-Type": "application/vnd.android.package-archive"}); err != nil || got.status != 200 {
		t.Fatalf("install: %d %s, %v", got.status, got.body, err)
	}
	packages := a.exec("a", "pm list packages -3")
	hash := a.save("a", "acme", "golden")
	a.want(http.StatusOK, "POST", "/sandboxes/a/destroy", nil)
	a.want(http.StatusOK, "POST", "/snapshots/remove?snapshot=acme/golden", nil)
	if _, err := os.Stat(here.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/golden"); err == nil {
		t.Error("the local copy is still there")
	}
	a.createFrom("a2", "acme/golden")                                    // here again
	there := startHostAs(t, &syscall.Credential{Uid: 1, Gid: 1}, bucket) // Debian's daemon, which has a home
	b := startRunner(there)
	var seen struct{ Hash string }
	if err := json.Unmarshal(b.want(http.StatusOK, "POST", "/snapshots/inspect", `{"snapshot":"acme/golden"}`).body, &seen); err != nil || seen.Hash != hash {
		t.Errorf("the other host sees %s, want %s (%v)", seen.Hash, hash, err)
	}
	b.createFrom("b", "acme/golden")
	for id, r := range map[string]*runner{"a2": a, "b": b} {
		if got := r.exec(id, "cat /data/local/tmp/f; settings get global marker"); got != "kept\n42\n" {
			t.Errorf("%s holds %q", id, got)
		}
		if got := r.exec(id, "pm list packages -3"); got != packages || got == "" {
			t.Errorf("%s has the apps %q, want %q", id, got, packages)
		}
	}
	there.wantSound()
	owner, err := os.Stat(there.get("CVD_ARTIFACTS_PATH") + "/snapshots/acme/golden/instance_data/overlay.img")
	if err != nil || owner.Sys().(*syscall.Stat_t).Uid != 1 {
		t.Errorf("its files: %v, %v", owner, err)
	}
	b.want(http.StatusOK, "POST", "/snapshots/remove?snapshot=acme/golden&everywhere=true", nil)
	if left, _ := filepath.Glob(filepath.Join(server.Dir, "snapshots", "acme", "*")); len(left) > 0 {
		t.Errorf("left in the bucket: %q", left)
	}
	b.want(http.StatusNotFound, "POST", "/snapshots/inspect", `{"snapshot":"acme/golden"}`)
}

// Ensure a runner that is killed while it sends a snapshot leaves none in the bucket, and that the next one sends it.
func TestAKilledRunnerSendsItsSnapshot(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	proxy := server.Proxy(t)
	h := startHostAs(t, nil, inBucket(server, proxy.Endpoint))
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	r.want(http.StatusOK, "POST", "/sandboxes/a/stop", nil)
	held := make(chan struct{})
	defer close(held)
	proxy.Add(s3storetest.Fault{Op: "CompleteMultipartUpload", Key: "acme/golden", Times: -1, Hold: held})
	failed := make(chan error, 1)
	go func() {
		_, err := r.do("POST", "/sandboxes/a/snapshot-from-sandbox", `{"name":"golden","organizationId":"acme"}`)
		failed <- err
	}()
	eventually(t, 30*time.Second, "it is being sent", func() error {
		if proxy.Count("CompleteMultipartUpload") == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	r.kill()
	<-failed
	manifest := server.Dir + "/snapshots/acme/golden/manifest.json"
	if _, err := os.Stat(manifest); err == nil {
		t.Error("the bucket has the manifest of what is not whole")
	}
	proxy.Clear()
	r = startRunner(h)
	r.wantSent("acme/golden", "send")
	if _, err := os.Stat(manifest); err != nil {
		t.Error(err)
	}
	r.want(http.StatusOK, "POST", "/snapshots/remove?snapshot=acme/golden", nil)
	r.createFrom("b", "acme/golden")
	if got := r.exec("b", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("it holds %q", got)
	}
	r.wantMetric(`runner_android_snapshot_transfers_total{outcome="ok",work="send"} 1`)
}

// Ensure a sandbox is archived and comes back: backed up, destroyed, and created from the backup's reference; and that a
// bucket that is down fails the backup, and the sandbox alone goes on.
func TestBackups(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	proxy := server.Proxy(t)
	h := startHostAs(t, nil, inBucket(server, proxy.Endpoint))
	r := startRunner(h)
	r.create("a")
	r.exec("a", "echo kept > /data/local/tmp/f")
	const ref = "registry.example:5000/daytona/backup-a:2026-11-26T10-00-00-000Z"
	backUp := func(want string) {
		t.Helper()
		r.want(http.StatusCreated, "POST", "/sandboxes/a/backup", fmt.Sprintf(`{"snapshot":%q,"registry":{"url":"registry.example:5000"}}`, ref))
		eventually(t, 90*time.Second, "the backup ends", func() error {
			var info struct{ BackupState, BackupSnapshot, BackupError string }
			got := r.want(http.StatusOK, "GET", "/sandboxes/a", nil)
			if err := json.Unmarshal(got.body, &info); err != nil || info.BackupState != want || info.BackupSnapshot != ref || (info.BackupError != "") != (want == "FAILED") {
				return fmt.Errorf("%s, %w", got.body, err)
			}
			return nil
		})
	}
	proxy.Add(s3storetest.Fault{Times: -1, Status: 403, Code: "ExpiredToken"})
	backUp("FAILED")
	proxy.Clear()
	backUp("COMPLETED")
	r.wantState("a", "started")
	if left, _ := filepath.Glob(h.get("CVD_ARTIFACTS_PATH") + "/snapshots/backups/*"); len(left) > 0 {
		t.Errorf("a backup takes room on this host: %q", left)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/a/destroy", nil)
	r.createFrom("a", ref)
	if got := r.exec("a", "cat /data/local/tmp/f"); got != "kept\n" {
		t.Errorf("it holds %q", got)
	}
}
