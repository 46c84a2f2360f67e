package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"
)

// Ensure groups of which only what cvd's list says is on record, as it is of condemned ones, leave nothing behind,
// running or stopped. (That it takes ten minutes to condemn one is proved in virtual time.)
func TestCondemnedGroupsLeaveNothing(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.create("dev2")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/stop", nil)
	r.kill()
	for _, id := range []string{"dev1", "dev2"} {
		h.amendRecord(id, func(rec map[string]any) {
			paths, _ := rec["paths"].(map[string]any)
			bare := map[string]any{
				"version": 1, "sandbox_id": id, "group": rec["group"], "instance_num": rec["instance_num"], "intent": "destroyed", "created": true,
				"paths": map[string]any{"group_home": paths["group_home"], "instance_dir": paths["instance_dir"]},
			}
			clear(rec)
			maps.Copy(rec, bare)
		})
	}
	r = startRunner(h)
	eventually(t, 60*time.Second, "they are no more", func() error {
		var all []json.RawMessage
		if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes", nil).body, &all); err != nil || len(all) > 0 {
			return fmt.Errorf("%s, %w", all, err)
		}
		return nil
	})
	h.wantClean()
}
