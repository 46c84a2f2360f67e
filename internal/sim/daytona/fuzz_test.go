package daytona

import (
	"net/http"
	"slices"
	"testing"
)

// Whatever is sent, the double answers: accepted, refused, or in conflict.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		done, failedWith, healthy, `{"state":"error"}`, `{"type":"FORK_SANDBOX","sandboxId":"dev1","payload":{"newSandboxId":"b"}}`,
		`{"type":"RECOVER_SANDBOX","resourceId":"dev1","resourceType":"SNAPSHOT","payloadText":"{"}`,
		`{"type":"PULL_SNAPSHOT","resourceType":"SANDBOX","omit":["snapshot"]}`, `{"fault":"slow:1e99"}`, `null`, `{"status":null}`,
	} {
		f.Add(body)
	}
	accepted := []int{http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}
	f.Fuzz(func(t *testing.T, body string) {
		w := newWorld(t, Options{})
		w.startedSandbox()
		id := w.order(`{"type":"SNAPSHOT_SANDBOX","sandboxId":"dev1"}`).ID
		w.claimNow()
		for _, call := range [][3]string{
			{"POST", "/api/jobs/" + id + "/status", testToken}, {"POST", "/api/runners/healthcheck", testToken},
			{"PUT", "/api/sandbox/dev1/state", testToken}, {"POST", "/sim/jobs", ""}, {"POST", "/sim/faults", ""},
		} {
			if got := w.do(request(t.Context(), call[0], call[1], call[2], body)); !slices.Contains(accepted, got.status) {
				t.Errorf("%s %s: %d %s", call[0], call[1], got.status, got.body)
			}
		}
		for _, path := range []string{"/sim/jobs", "/sim/sandboxes", "/sim/snapshots", "/sim/runner"} {
			if got := w.desk("GET", path, "", nil); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	})
}
