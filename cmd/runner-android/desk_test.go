package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// desk is where the tests are users of Daytona: they order jobs from the simulated API, and read what
// it believes (docs/simulator.md).
type desk struct {
	t   *testing.T
	url string
}

func (h *simHost) desk() desk {
	h.t.Helper()
	return desk{h.t, strings.TrimSuffix(h.get("DAYTONA_API_URL"), "/api") + "/sim"}
}

// jobRecord is what the API knows of a job.
type jobRecord struct {
	ID             string          `json:"id"`
	Type           string          `json:"type"`
	Status         string          `json:"status"`
	Origin         string          `json:"origin"`
	ResourceID     string          `json:"resourceId"`
	ErrorMessage   string          `json:"errorMessage"`
	ResultMetadata json.RawMessage `json:"resultMetadata"`
	Reports        int             `json:"reports"`
	SettledBy      string          `json:"settledBy"`
	SandboxState   string          `json:"sandboxState"`
}

// order is the desk's short form of a job.
type order map[string]any

func (d desk) call(method, path string, body, into any) int {
	d.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			d.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, d.url+path, in)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		d.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			d.t.Fatalf("%s %s: %v: %s", method, path, err, data)
		}
	}
	return resp.StatusCode
}

// order puts a job into the queue.
func (d desk) order(o order) jobRecord {
	d.t.Helper()
	var job jobRecord
	d.call("POST", "/jobs", o, &job)
	return job
}

// settled waits until the job is settled.
func (d desk) settled(job jobRecord) jobRecord {
	d.t.Helper()
	if d.call("GET", "/jobs/"+job.ID+"?wait=60s", nil, &job) != http.StatusOK {
		d.t.Fatalf("%s of %s is not settled within a minute: %+v", job.Type, job.ResourceID, job)
	}
	return job
}

// do orders a job and waits until it is settled.
func (d desk) do(o order) jobRecord {
	d.t.Helper()
	return d.settled(d.order(o))
}

// mustDo wants it to be completed.
func (d desk) mustDo(o order) jobRecord {
	d.t.Helper()
	job := d.do(o)
	if job.Status != "COMPLETED" {
		d.t.Fatalf("%v: %s %s", o, job.Status, job.ErrorMessage)
	}
	return job
}

func (d desk) jobs() []jobRecord {
	d.t.Helper()
	var all []jobRecord
	d.call("GET", "/jobs", nil, &all)
	return all
}

// fault makes the API misbehave, at most so many times; 0 is until cleared.
func (d desk) fault(route, fault string, times int) {
	d.t.Helper()
	d.call("POST", "/faults", map[string]any{"route": route, "fault": fault, "times": times}, nil)
}

func (d desk) heal() {
	d.t.Helper()
	d.call("DELETE", "/faults", nil, nil)
}

// wantNoViolations fails when the runner did what a good one never does.
func (d desk) wantNoViolations() {
	d.t.Helper()
	var all []struct {
		Kind, Subject, Text string
		Count               int
	}
	d.call("GET", "/violations", nil, &all)
	for _, v := range all {
		d.t.Errorf("violation %s of %s, %d times: %s", v.Kind, v.Subject, v.Count, v.Text)
	}
}

// wantOnce fails unless each job was reported exactly once.
func (d desk) wantOnce() {
	d.t.Helper()
	for _, j := range d.jobs() {
		if j.SettledBy != "runner" || j.Reports != 1 {
			d.t.Errorf("%s of %s: %s, settled by %q, reported %d times", j.Type, j.ResourceID, j.Status, j.SettledBy, j.Reports)
		}
	}
}

// healthcheck is what the API heard last.
type healthcheck struct {
	Body struct {
		AppVersion, Domain, ProxyURL, APIURL string
		ServiceHealth                        []struct {
			ServiceName string
			Healthy     bool
		}
		Metrics map[string]float64
	}
	Status int
}

func (d desk) healthchecks() []healthcheck {
	d.t.Helper()
	var all []healthcheck
	d.call("GET", "/healthchecks", nil, &all)
	return all
}

func (d desk) runnerState() string {
	d.t.Helper()
	var runner struct{ State string }
	d.call("GET", "/runner", nil, &runner)
	return runner.State
}

func (d desk) wantRunner(state string) {
	d.t.Helper()
	eventually(d.t, 10*time.Second, "Daytona takes the runner for "+state, func() error {
		if got := d.runnerState(); got != state {
			return fmt.Errorf("it takes it for %s", got)
		}
		return nil
	})
}
