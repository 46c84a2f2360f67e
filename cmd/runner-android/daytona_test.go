package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// quick makes the runner notice within a second what takes half a minute otherwise.
var quick = []string{"POLL_TIMEOUT=1s", "HEALTHCHECK_INTERVAL=500ms"}

// Ensure every type of job of both generations is done, or fails with a reason, and is reported as
// Daytona wants it.
func TestEveryTypeOfJob(t *testing.T) {
	for _, generation := range []string{"new", "feb"} {
		t.Run(generation, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			r := startRunner(h, quick...)
			d := h.desk()
			const completed, failed = "COMPLETED", "FAILED"
			rows := []struct {
				name   string
				order  order
				status string
				want   string // part of the result, or of the error
				state  string // of the sandbox on the runner afterwards; empty: not compared
			}{
				{"create", order{"type": "CREATE_SANDBOX", "sandboxId": "a"}, completed, `{"daemonVersion":""}`, "started"},
				{"create once more", order{"type": "CREATE_SANDBOX", "sandboxId": "a"}, completed, `{"daemonVersion":""}`, "started"},
				{"create of an unknown image", order{"type": "CREATE_SANDBOX", "sandboxId": "b", "snapshot": "nothing"}, failed, "image nothing does not exist", "destroyed"},
				{"create with a torn payload", order{"type": "CREATE_SANDBOX", "sandboxId": "b", "payloadText": "{"}, failed, "payload: ", "destroyed"},
				{"create without a payload", order{"type": "CREATE_SANDBOX", "sandboxId": "b", "payload": nil}, failed, "payload is required", "destroyed"},
				{"resize of a running one", order{"type": "RESIZE_SANDBOX", "sandboxId": "a", "payload": order{"cpu": 3, "memory": 6, "disk": 0}}, completed, "", "started"},
				{"a smaller disk", order{"type": "RESIZE_SANDBOX", "sandboxId": "a", "payload": order{"disk": 8}}, failed, "can only grow", "started"},
				{"backup", order{"type": "CREATE_BACKUP", "sandboxId": "a"}, completed, "", "started"},
				{"snapshot of a sandbox", order{"type": "SNAPSHOT_SANDBOX", "sandboxId": "a",
					"payload": order{"name": "mine", "organizationId": "acme"}}, completed, `"ref":"acme/mine"`, "started"},
				{"snapshot of nobody", order{"type": "SNAPSHOT_SANDBOX", "sandboxId": "nobody",
					"payload": order{"name": "other", "organizationId": "acme"}}, failed, "does not exist on this runner", "destroyed"},
				{"create from the snapshot", order{"type": "CREATE_SANDBOX", "sandboxId": "d", "snapshot": "acme/mine"}, completed, "", "started"},
				{"remove the snapshot", order{"type": "REMOVE_SNAPSHOT", "snapshot": "acme/mine"}, completed, "", ""},
				{"destroy what was made from it", order{"type": "DESTROY_SANDBOX", "sandboxId": "d"}, completed, "", "destroyed"},
				{"fork", order{"type": "FORK_SANDBOX", "sandboxId": "a"}, failed, "cannot be forked", "started"},
				{"pause", order{"type": "PAUSE_SANDBOX", "sandboxId": "a"}, failed, "cannot be paused", "started"},
				{"an unknown type", order{"type": "TELEPORT_SANDBOX", "sandboxId": "a"}, failed, "unknown job type: TELEPORT_SANDBOX", "started"},
				{"network settings that forbid something", order{"type": "UPDATE_SANDBOX_NETWORK_SETTINGS", "sandboxId": "a"}, failed, "not enforced", "started"},
				{"network settings that do not", order{"type": "UPDATE_SANDBOX_NETWORK_SETTINGS", "sandboxId": "a",
					"payload": order{"networkBlockAll": false, "networkAllowList": ""}}, completed, "", "started"},
				{"stop", order{"type": "STOP_SANDBOX", "sandboxId": "a"}, completed, "", "stopped"},
				{"a larger disk", order{"type": "RESIZE_SANDBOX", "sandboxId": "a", "payload": order{"disk": 40}}, failed, "cannot grow on Cuttlefish", "stopped"},
				{"start", order{"type": "START_SANDBOX", "sandboxId": "a"}, completed, `{"daemonVersion":""}`, "started"},
				{"start of nobody", order{"type": "START_SANDBOX", "sandboxId": "nobody"}, failed, "does not exist on this runner", "destroyed"},
				{"recover", order{"type": "RECOVER_SANDBOX", "sandboxId": "a", "payload": order{"skipStart": true}}, completed, "", "stopped"},
				{"build", order{"type": "BUILD_SNAPSHOT", "snapshot": "a:1"}, failed, "not built from Dockerfiles", ""},
				{"inspect", order{"type": "INSPECT_SNAPSHOT_IN_REGISTRY", "snapshot": "docker.io/android-LATEST:1.0"}, completed, `"hash":"`, ""},
				{"inspect of nothing", order{"type": "INSPECT_SNAPSHOT_IN_REGISTRY", "snapshot": "docker.io/windows:11"}, failed, "is not on this host", ""},
				{"pull", order{"type": "PULL_SNAPSHOT", "snapshot": "android-LATEST:1.0", "payload": order{"destinationRef": "r.example/p/android:x"}}, completed, `"name":"r.example/p/android:x"`, ""},
				{"create from what was pulled", order{"type": "CREATE_SANDBOX", "sandboxId": "c", "snapshot": "r.example/p/android:x"}, completed, "", "started"},
				{"remove it", order{"type": "REMOVE_SNAPSHOT", "snapshot": "r.example/p/android:x"}, completed, "", ""},
				{"create from what was removed", order{"type": "CREATE_SANDBOX", "sandboxId": "e", "snapshot": "r.example/p/android:x"}, failed, "does not exist", "destroyed"},
				{"remove a base image, which stays", order{"type": "REMOVE_SNAPSHOT", "snapshot": "android-LATEST"}, completed, "", ""},
				{"destroy", order{"type": "DESTROY_SANDBOX", "sandboxId": "a"}, completed, "", "destroyed"},
				{"destroy of who is gone", order{"type": "DESTROY_SANDBOX", "sandboxId": "a"}, completed, "", "destroyed"},
				{"destroy the other one", order{"type": "DESTROY_SANDBOX", "sandboxId": "c"}, completed, "", "destroyed"},
			}
			for _, row := range rows {
				row.order["generation"] = generation
				job := d.do(row.order)
				said := string(job.ResultMetadata) + job.ErrorMessage
				if job.Status != row.status || !strings.Contains(said, row.want) || job.SettledBy != "runner" || job.Reports != 1 {
					t.Errorf("%s: %s, %s; want %s with %q; settled by %q after %d reports",
						row.name, job.Status, said, row.status, row.want, job.SettledBy, job.Reports)
				}
				if id, ok := row.order["sandboxId"].(string); ok && row.state != "" {
					if info := r.info(id); info.State != row.state {
						t.Errorf("%s: the sandbox is %s (%s); want %s", row.name, info.State, info.Reason, row.state)
					}
				}
				if row.name == "start" { // with what the resize asked for
					record, err := os.ReadFile(h.get("CVD_INSTANCES_PATH") + "/a/instance.json")
					if err != nil || !strings.Contains(string(record), `"--cpus=3"`) || !strings.Contains(string(record), `"--memory_mb=6144"`) {
						t.Errorf("the device was not launched with its new size: %s, %v", record, err)
					}
				}
			}
			d.wantNoViolations()
			h.wantClean()
		})
	}
}

// Ensure an outage of the API costs nothing: what is at work ends, is reported once when the API is
// back, and jobs come again within one poll.
func TestOutageOfTheAPI(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	job := d.order(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	eventually(t, 10*time.Second, "the job is at work", func() error {
		if info := r.info("a"); info.State != "creating" {
			return fmt.Errorf("the sandbox is %s", info.State)
		}
		return nil
	})
	d.fault("all", "down", 0)
	r.wantState("a", "started")
	vm := h.crosvm(1)
	eventually(t, 10*time.Second, "the runner notices the outage", func() error {
		if !strings.Contains(r.log.String(), "outcome of a job kept: the API did not take it") {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	next := d.order(order{"type": "STOP_SANDBOX", "sandboxId": "b", "force": true})
	d.heal()
	began := time.Now()
	if job = d.settled(job); job.Status != "COMPLETED" || job.Reports != 1 {
		t.Errorf("the create: %+v", job)
	}
	if next = d.settled(next); next.Status != "FAILED" {
		t.Errorf("the job ordered meanwhile: %+v", next)
	}
	if took := time.Since(began); took > 5*time.Second { // the longest pause is 1.5 s
		t.Errorf("it took %s until the runner was back", took)
	}
	if h.crosvm(1) != vm {
		t.Error("the device was touched")
	}
	d.wantNoViolations()
}

// Ensure each way in which the API can misbehave costs no job.
func TestMisbehavingAPI(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	for i, f := range []struct {
		route, fault string
		times        int
	}{
		{"poll", "lost", 1}, {"poll", "truncated", 1}, {"poll", "garbage", 2}, {"poll", "status:500", 2}, {"poll", "status:429:1", 2},
		{"poll", "status:408", 2}, {"poll", "half_closed", 2}, {"poll", "close", 2}, {"list", "status:503", 4}, {"list", "garbage", 4},
		{"report", "lost", 1}, {"report", "truncated", 1}, {"report", "status:500", 2}, {"report", "status:429", 2}, {"report", "garbage", 1},
		{"report", "close", 2}, {"report", "slow:300ms", 1}, {"job", "status:500", 2}, {"healthcheck", "status:500", 2}, {"all", "status:502", 6},
	} {
		d.fault(f.route, f.fault, f.times)
		job := d.do(order{"type": "DESTROY_SANDBOX", "sandboxId": fmt.Sprint("s", i), "force": true})
		if job.Status != "COMPLETED" || job.Reports != 1 {
			t.Errorf("%s on %s: %s after %d reports", f.fault, f.route, job.Status, job.Reports)
		}
		d.heal()
	}
	d.wantRunner("ready")
	d.wantNoViolations()
	if got := r.info("s0").State; got != "destroyed" {
		t.Errorf("a sandbox that never was is %s", got)
	}
}

// Ensure a token that Daytona does not know is said loudly, and touches no device.
func TestATokenThatDaytonaDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	vm := h.crosvm(1)
	d.fault("all", "status:401", 0)
	eventually(t, 20*time.Second, "it is said", func() error {
		log := r.log.String()
		for _, want := range []string{`"level":"error"`, "healthcheck refused: Daytona does not know this runner", "daytona's API gave no jobs"} {
			if !strings.Contains(log, want) {
				return fmt.Errorf("the log lacks %q", want)
			}
		}
		return nil
	})
	var info struct {
		Daytona struct {
			Registered bool
			Reason     string
		}
	}
	if err := json.Unmarshal(r.want(200, "GET", "/info", nil).body, &info); err != nil || info.Daytona.Registered ||
		!strings.Contains(info.Daytona.Reason, "DAYTONA_RUNNER_TOKEN") {
		t.Errorf("info: %+v, %v", info, err)
	}
	if h.crosvm(1) != vm || r.exec("a", "echo alive") != "alive\n" {
		t.Error("the device was touched")
	}
	d.heal()
	d.wantRunner("ready")
	d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
}

// Ensure a runner that dies between doing a job and reporting it reports it once in its next life,
// whether the outcome had reached the disk or not.
func TestKillBetweenDoingAndReporting(t *testing.T) {
	for _, tc := range []struct {
		name string
		kept bool
	}{{"the outcome is on disk", true}, {"the outcome is not on disk", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			r := startRunner(h, quick...)
			d := h.desk()
			d.fault("report", "down", 0)
			job := d.order(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
			outcomes := h.get("CVD_INSTANCES_PATH") + "/.outcomes"
			eventually(t, 20*time.Second, "the outcome is on disk", func() error {
				files, err := os.ReadDir(outcomes)
				if err == nil && len(files) != 1 {
					err = fmt.Errorf("%d files", len(files))
				}
				return err
			})
			vm := h.crosvm(1)
			r.kill()
			if !tc.kept {
				if err := os.RemoveAll(outcomes); err != nil {
					t.Fatal(err)
				}
			}
			d.heal()
			r = startRunner(h, quick...)
			if job = d.settled(job); job.Status != "COMPLETED" || job.Reports != 1 {
				t.Errorf("the job: %+v", job)
			}
			if h.crosvm(1) != vm {
				t.Error("the device was made anew")
			}
			r.wantState("a", "started")
			d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
			d.wantOnce()
			d.wantNoViolations()
			h.wantClean()
		})
	}
}

// Ensure kill -9 at any moment of a job neither loses nor doubles it.
func TestKillDuringJobs(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	d := h.desk()
	orders := []order{
		{"type": "CREATE_SANDBOX", "sandboxId": "a"}, {"type": "STOP_SANDBOX", "sandboxId": "a"}, {"type": "START_SANDBOX", "sandboxId": "a"},
		{"type": "RECOVER_SANDBOX", "sandboxId": "a"}, {"type": "DESTROY_SANDBOX", "sandboxId": "a"},
	}
	r := startRunner(h, quick...)
	for i, o := range orders {
		job := d.order(o)
		time.AfterFunc(time.Duration(i*120)*time.Millisecond, func() { _ = r.cmd.Process.Kill() })
		<-r.gone
		r = startRunner(h, quick...)
		if job = d.settled(job); job.Status != "COMPLETED" {
			t.Errorf("%s: %s %s", job.Type, job.Status, job.ErrorMessage)
		}
		if job.Type == "RECOVER_SANDBOX" { // its START follows by itself
			eventually(t, 30*time.Second, "no job is open", func() error {
				for _, j := range d.jobs() {
					if j.Status != "COMPLETED" && j.Status != "FAILED" {
						return fmt.Errorf("%s is %s", j.Type, j.Status)
					}
				}
				return nil
			})
		}
	}
	d.wantNoViolations()
	h.wantClean()
}

// Ensure a stop is followed by a backup that nobody asked for, that the sandbox can be started beside it, and that without a
// bucket it fails at once with a reason.
func TestUnaskedBackups(t *testing.T) {
	t.Parallel()
	for status, env := range map[string][]string{"COMPLETED": nil, "FAILED": {"AWS_ENDPOINT_URL="}} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			h := startHostAs(t, nil, env, "--time-scale", "20")
			startRunner(h, quick...)
			d := h.desk()
			d.wantRunner("ready")
			d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
			d.mustDo(order{"type": "STOP_SANDBOX", "sandboxId": "a"})
			eventually(t, 60*time.Second, "the backup ends", func() error {
				for _, j := range d.jobs() {
					if j.Type == "CREATE_BACKUP" && j.Origin == "stop" && j.Status == status && (status == "COMPLETED" || strings.Contains(j.ErrorMessage, "AWS_DEFAULT_BUCKET")) {
						return nil
					}
				}
				return fmt.Errorf("jobs: %+v", d.jobs())
			})
			if job := d.mustDo(order{"type": "START_SANDBOX", "sandboxId": "a", "backup": true}); job.SandboxState != "started" {
				t.Errorf("after the start: %+v", job)
			}
			d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
			d.wantNoViolations()
		})
	}
}

// Ensure a job that the API gave up meanwhile ends quietly: its outcome is taken by nobody.
func TestALateOutcomeIsDropped(t *testing.T) {
	t.Parallel()
	h := startHost(t, "--time-scale", "900", "--boot-time", "5s") // a create is stale after 2 s, without signs of life
	r := startRunner(h, quick...)
	d := h.desk()
	job := d.settled(d.order(order{"type": "CREATE_SANDBOX", "sandboxId": "a", "force": true}))
	if job.Status != "FAILED" || job.SettledBy != "api" {
		t.Fatalf("the API did not give it up: %+v", job)
	}
	r.wantState("a", "started")
	eventually(t, 10*time.Second, "the runner hears that it was given up", func() error {
		if !strings.Contains(r.log.String(), "job was settled already") {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	r.want(200, "POST", "/sandboxes/a/destroy", nil) // a job would be given up as well
	h.wantClean()
}

// Ensure Daytona hears how the runner is, and takes it out of service when it is gone.
func TestHealthchecks(t *testing.T) {
	t.Parallel()
	h := startHost(t, "--time-scale", "30")
	r := startRunner(h, quick...)
	d := h.desk()
	d.wantRunner("ready")
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	eventually(t, 10*time.Second, "a healthcheck shows the sandbox", func() error {
		all := d.healthchecks()
		last := all[len(all)-1]
		m := last.Body.Metrics
		if m["currentStartedSandboxes"] != 1 || m["currentAllocatedCpu"] != 2 || m["currentAllocatedMemoryGiB"] != 4 || m["currentAllocatedDiskGiB"] != 20 ||
			m["currentSnapshotCount"] != 1 || m["cpu"] != 32 || m["memoryGiB"] != 64 || m["diskGiB"] != 2048 || m["currentMemoryUsagePercentage"] <= 0 {
			return fmt.Errorf("metrics %v", m)
		}
		if last.Body.Domain != "127.0.0.1" || last.Body.APIURL != r.url || last.Body.ProxyURL != r.url || last.Body.AppVersion == "" {
			return fmt.Errorf("body %+v", last.Body)
		}
		var healthy []string
		for _, s := range last.Body.ServiceHealth {
			if s.Healthy {
				healthy = append(healthy, s.ServiceName)
			}
		}
		if got := strings.Join(healthy, " "); got != "adb cvd disk" {
			return fmt.Errorf("healthy are %s", got)
		}
		return nil
	})
	r.kill()
	d.wantRunner("unresponsive")
	startRunner(h, quick...)
	d.wantRunner("ready")
	d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
	d.wantNoViolations()
}

// Ensure a broken cvd takes the host out of rotation, and a mended one brings it back.
func TestABrokenHostIsReported(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	startRunner(h, quick...)
	d := h.desk()
	d.wantRunner("ready")
	h.inject("exit:1:broken", "version", 0)
	eventually(t, 30*time.Second, "Daytona hears of it", func() error {
		if got := d.runnerState(); got != "unresponsive" {
			return fmt.Errorf("the runner is %s", got)
		}
		return nil
	})
	h.heal()
	eventually(t, 30*time.Second, "Daytona hears that it is mended", func() error {
		if got := d.runnerState(); got != "ready" {
			return fmt.Errorf("the runner is %s", got)
		}
		return nil
	})
}

// Ensure a runner without Daytona says so, and serves its REST API.
func TestARunnerThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, "DAYTONA_API_URL=")
	r.create("a")
	if info := string(r.want(200, "GET", "/info", nil).body); !strings.Contains(info, `"registered":false,"reason":"DAYTONA_API_URL is not set`) {
		t.Errorf("info: %s", info)
	}
	if !strings.Contains(r.log.String(), "NOT REGISTERED with Daytona") {
		t.Error("the log does not say so")
	}
	r.want(200, "POST", "/sandboxes/a/destroy", nil)
	if n := len(h.desk().healthchecks()); n != 0 {
		t.Errorf("%d healthchecks arrived", n)
	}
}

// Ensure metrics are what Prometheus's own linter wants, after a bit of everything.
func TestMetricsAreClean(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("skipped: needs promtool")
	}
	h := startHost(t)
	r := startRunner(h, quick...)
	d := h.desk()
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a"})
	d.mustDo(order{"type": "RESIZE_SANDBOX", "sandboxId": "a", "payload": order{"cpu": 1}})
	d.do(order{"type": "TELEPORT_SANDBOX", "sandboxId": "a"})
	r.want(404, "GET", "/nothing", nil)
	d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
	text := string(r.want(200, "GET", "/metrics", nil).body)
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, want := range []string{
		`container_operation_total{operation="create",status="success"} 1`, `container_operation_total{operation="destroy",status="success"} 1`,
		`container_operation_total{operation="resize",status="success"} 1`, `container_operation_duration_seconds_bucket{operation="create",le="300"} 1`,
		`runner_android_registered 1`, `runner_android_job_duration_seconds_count{status="FAILED",type="UNKNOWN"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, `"a"`) {
		t.Error("a sandbox's id is a label")
	}
}
