package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fire is callers that take, use and remove snapshots at once, while the runner is killed now and then.
type fire struct {
	t      *testing.T
	runner atomic.Pointer[runner]
	until  time.Time
	made   atomic.Int64 // sandboxes that came up
}

// ask sends a request to the runner that lives. What it does not hear an answer to is told by status 0.
func (f *fire) ask(method, path string, body any) reply {
	got, err := f.runner.Load().do(method, path, body)
	if err != nil {
		<-time.After(20 * time.Millisecond) // the runner is away
		return reply{}
	}
	if got.status == http.StatusInternalServerError {
		f.t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
	}
	return got
}

// act does one thing that a caller might.
func (f *fire) act(rng *rand.Rand, id string) {
	snapshot := fmt.Sprintf("acme/s%d", rng.IntN(2))
	switch rng.IntN(8) {
	case 0, 1:
		f.ask("POST", "/sandboxes/a/snapshot-from-sandbox", map[string]any{"name": strings.TrimPrefix(snapshot, "acme/"), "organizationId": "acme", "stop": rng.IntN(3) == 0})
	case 2, 3, 4:
		got := f.ask("POST", "/sandboxes", map[string]any{"id": id, "userId": "u", "osUser": "u", "snapshot": snapshot, "cpuQuota": 1, "memoryQuota": 2})
		if got.status == http.StatusCreated {
			f.made.Add(1)
			f.wantData(id)
		}
		f.ask("POST", "/sandboxes/"+id+"/destroy", nil)
	case 5, 6:
		f.ask("POST", fmt.Sprintf("/snapshots/remove?snapshot=%s&everywhere=%t", snapshot, rng.IntN(2) == 0), nil)
	default:
		f.ask("POST", "/snapshots/pull", map[string]any{"snapshot": snapshot, "destinationRef": "r/p/x:1"})
	}
}

// wantData fails unless a sandbox that came up has the data of its snapshot, as far as it can be asked.
func (f *fire) wantData(id string) {
	got := f.ask("POST", "/sandboxes/"+id+"/toolbox/process/execute", map[string]any{"command": "cat /data/local/tmp/f"})
	var said struct{ Result string }
	if got.status == http.StatusOK && (json.Unmarshal(got.body, &said) != nil || said.Result != "kept\n") {
		f.t.Errorf("%s holds %s", id, got.body)
	}
}

// Ensure whatever meets of takings, creates, removals, pulls and kills, no sandbox comes up without its snapshot's data, nobody
// hears of an internal error, and nothing is left.
func TestSnapshotsUnderFire(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	f := &fire{t: t, until: time.Now().Add(12 * time.Second)}
	f.runner.Store(startRunner(h))
	f.runner.Load().create("a")
	f.runner.Load().exec("a", "echo kept > /data/local/tmp/f")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var callers sync.WaitGroup
	for n := range 3 {
		callers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			for i := 0; time.Now().Before(f.until); i++ {
				f.act(rng, fmt.Sprintf("f%d-%d", n, i))
				<-time.After(50 * time.Millisecond) // the machine is others' as well
			}
		})
	}
	for range 2 {
		<-time.After(5 * time.Second) // what is under way then is cut short
		f.runner.Load().kill()
		f.runner.Store(startRunner(h))
	}
	callers.Wait()
	r := f.runner.Load()
	r.wantState("a", "started")
	var left []struct{ ID, State string }
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes", nil).body, &left); err != nil {
		t.Fatal(err)
	}
	for _, sb := range left {
		if sb.State == "started" {
			f.wantData(sb.ID)
		}
		r.want(http.StatusOK, "POST", "/sandboxes/"+sb.ID+"/destroy", nil)
	}
	if f.made.Load() == 0 {
		t.Error("no sandbox came up")
	}
	t.Logf("%d sandboxes came up", f.made.Load())
	h.wantClean()
}
