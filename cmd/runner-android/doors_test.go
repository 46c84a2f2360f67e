package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Ensure bad input is answered as Daytona's runner does, and leaves nothing behind.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	long := strings.Repeat("a", 10_000)
	for _, tc := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"unknown id", "GET", "/sandboxes/nobody", "", 200},
		{"start of an unknown id", "POST", "/sandboxes/nobody/start", "{}", 404},
		{"stop of an unknown id", "POST", "/sandboxes/nobody/stop", "", 404},
		{"destroy of an unknown id", "POST", "/sandboxes/nobody/destroy", "", 200},
		{"delete of an unknown id", "DELETE", "/sandboxes/nobody", "", 200},
		{"exec of an unknown id", "POST", "/sandboxes/nobody/toolbox/process/execute", `{"command":"true"}`, 404},
		{"id with a slash", "GET", "/sandboxes/a%2Fb", "", 400},
		{"id with dots", "GET", "/sandboxes/..%2f..%2fetc", "", 400},
		{"id with NUL", "GET", "/sandboxes/a%00b", "", 400},
		{"id that is too long", "GET", "/sandboxes/" + long, "", 400},
		{"body that is not JSON", "POST", "/sandboxes", "id=dev1", 400},
		{"empty body", "POST", "/sandboxes", "", 400},
		{"wrong type", "POST", "/sandboxes", `{"id":7,"snapshot":"android-LATEST"}`, 400},
		{"no snapshot", "POST", "/sandboxes", `{"id":"dev1"}`, 400},
		{"bad id in the body", "POST", "/sandboxes", `{"id":"../dev1","snapshot":"android-LATEST"}`, 400},
		{"zero quota", "POST", "/sandboxes", `{"id":"dev1","snapshot":"android-LATEST","cpuQuota":0}`, 400},
		{"negative quota", "POST", "/sandboxes", `{"id":"dev1","snapshot":"android-LATEST","memoryQuota":-1}`, 400},
		{"fractional quota", "POST", "/sandboxes", `{"id":"dev1","snapshot":"android-LATEST","memoryQuota":1.5}`, 400},
		{"unknown snapshot", "POST", "/sandboxes", `{"id":"dev1","snapshot":"no-such-image"}`, 404},
		{"snapshot with dots", "POST", "/sandboxes", `{"id":"dev1","snapshot":"../../etc"}`, 400},
		{"body over the limit", "POST", "/sandboxes", `{"id":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"start without a body", "POST", "/sandboxes/nobody/start", "", 400},
		{"unknown route", "GET", "/nothing/here", "", 404},
		{"wrong method", "PUT", "/sandboxes/nobody", "", 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := r.do(tc.method, tc.path, tc.body)
			if err != nil || got.status != tc.want {
				t.Errorf("%d %.300s, %v; want %d", got.status, got.body, err, tc.want)
			}
		})
	}
	if entries, err := os.ReadDir(h.get("CVD_INSTANCES_PATH")); err == nil {
		for _, e := range entries {
			if e.IsDir() {
				t.Errorf("left on disk: %s", e.Name())
			}
		}
	}
}

// Ensure the token is wanted everywhere but at GET /.
func TestToken(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	for _, path := range []string{"/info", "/metrics", "/sandboxes", "/sandboxes/x", "/debug/actors", "/debug/pprof/", "/sandboxes/x/adb/info"} {
		for _, header := range []string{"", "Bearer wrong", "bearer " + token, token} {
			req, err := http.NewRequest("GET", r.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("GET %s with %q: %d; want 401", path, header, resp.StatusCode)
			}
		}
		if got, err := r.do("GET", path, nil); err != nil || got.status == http.StatusUnauthorized {
			t.Errorf("GET %s with the token: %d, %v", path, got.status, err)
		}
	}
	if log := r.log.String(); strings.Contains(log, token) {
		t.Error("the log has the token")
	}
}

// Ensure two creates of one id are one device, and a destroy during a create wins.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			got, err := r.do("POST", "/sandboxes", createBody("dev1"))
			if err == nil && got.status != http.StatusCreated {
				err = fmt.Errorf("%d %s", got.status, got.body)
			}
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := len(h.processes("crosvm")); n != 1 {
		t.Errorf("%d VMs; want 1", n)
	}
	created := make(chan reply, 1)
	go func() {
		got, _ := r.do("POST", "/sandboxes", createBody("dev2"))
		created <- got
	}()
	r.wantState("dev2", "creating")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/destroy", nil)
	if got := <-created; got.status != http.StatusConflict {
		t.Errorf("the create was answered %d %s; want 409", got.status, got.body)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.wantClean()
}

// Ensure a full host refuses with the sums, and reserves nothing.
func TestAFullHost(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "CVD_HOST_MEMORY_MB=6000")
	r.create("dev1")
	r.create("dev2")
	got, err := r.do("POST", "/sandboxes", createBody("dev3"))
	if err != nil || got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "RESOURCE_EXHAUSTED") ||
		!strings.Contains(string(got.body), "MB") {
		t.Errorf("%d %s, %v; want 503 with the sums", got.status, got.body, err)
	}
	if info := r.info("dev3"); info.State != "destroyed" {
		t.Errorf("dev3: %+v", info)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	r.create("dev3") // a stopped device gave its memory back
	got, err = r.do("POST", "/sandboxes/dev1/start", "{}")
	if err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("start on a full host: %d %s, %v", got.status, got.body, err)
	}
	r.wantState("dev1", "stopped")
}

// Ensure a wrong configuration stops the start with one message that lists all of it.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	cmd := runnerCommand(h, "CVD_MAX_INSTANCES=many", "HEALTH_INTERVAL=-1s", "API_TOKEN=", "DAYTONA_RUNNER_TOKEN=")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit code %d, %v; want 2", cmd.ProcessState.ExitCode(), err)
	}
	for _, name := range []string{"CVD_MAX_INSTANCES", "HEALTH_INTERVAL", "DAYTONA_RUNNER_TOKEN"} {
		if !strings.Contains(string(out), name) {
			t.Errorf("%s is not named: %s", name, out)
		}
	}
}
