package daytona

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// States of the runner's row.
const (
	runnerInitializing = "initializing"
	runnerReady        = "ready"
	runnerUnresponsive = "unresponsive"
)

const maxHealthchecks = 200

// runner is the row of the one runner.
type runner struct {
	id, state                            string
	createdAt, lastChecked               time.Time
	appVersion, domain, proxyURL, apiURL string
	serviceHealth                        any
	metrics                              fields
	healthchecks                         []healthRecord
	healthchecksSeen                     int
}

// healthRecord is one healthcheck as it came.
type healthRecord struct {
	At     string          `json:"at"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// healthcheck takes the runner's sign of life. What it does not say stays, except the services' health.
func (s *Server) healthcheck(r *http.Request) answer {
	f, err := readFields(r)
	if err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	wrong, healthy := checkHealth(f)
	body, err := json.Marshal(f)
	if err != nil {
		panic(err) // it was JSON before
	}
	now := s.enter()
	defer s.mu.Unlock()
	a := answer{status: http.StatusCreated}
	if len(wrong) > 0 {
		a = refused(http.StatusBadRequest, wrong...)
		s.accuseLocked(badHealthcheck, "", fmt.Sprintf("a healthcheck that is refused: %s", a.body))
	}
	s.runner.healthchecksSeen++
	s.runner.healthchecks = keepLast(append(s.runner.healthchecks, healthRecord{iso(now), a.status, body}), maxHealthchecks)
	if len(wrong) > 0 {
		return a
	}
	s.judgeMetrics(f)
	s.runner.lastChecked, s.runner.state = now, runnerReady
	if !healthy {
		s.runner.state = runnerUnresponsive
	}
	s.runner.appVersion, s.runner.serviceHealth = f.str("appVersion"), f["serviceHealth"]
	for name, column := range map[string]*string{
		"domain": &s.runner.domain, "proxyUrl": &s.runner.proxyURL, "apiUrl": &s.runner.apiURL,
	} {
		if v := f.str(name); v != "" {
			*column = v
		}
	}
	if metrics, isObject := f["metrics"].(map[string]any); isObject {
		s.runner.metrics = metrics
	}
	s.wake()
	return a
}

// checkHealth validates as Daytona does: nested numbers of metrics are not looked at.
func checkHealth(f fields) (wrong []string, healthy bool) {
	_, wrongVersion := f.text("appVersion", false)
	wrong = append(wrong, wrongVersion)
	for _, name := range []string{"domain", "proxyUrl", "apiUrl"} {
		_, complaint := f.text(name, true)
		wrong = append(wrong, complaint)
	}
	healthy = true
	services, isList := f["serviceHealth"].([]any)
	if f["serviceHealth"] != nil && !isList {
		wrong = append(wrong, "serviceHealth must be an array")
	}
	for i, item := range services {
		service, _ := item.(map[string]any)
		prefix := fmt.Sprintf("serviceHealth.%d.", i)
		if _, complaint := fields(service).text("serviceName", false); complaint != "" {
			wrong = append(wrong, prefix+complaint)
		}
		isHealthy, isBool := service["healthy"].(bool)
		if !isBool {
			wrong = append(wrong, prefix+"healthy must be a boolean value")
		}
		if _, complaint := fields(service).text("errorReason", true); complaint != "" {
			wrong = append(wrong, prefix+complaint)
		}
		healthy = healthy && isHealthy
	}
	return complaints(wrong...), healthy
}

// judgeMetrics notes figures that would keep the runner from ever getting a sandbox.
func (s *Server) judgeMetrics(f fields) {
	metrics, isObject := f["metrics"].(map[string]any)
	if !isObject {
		return // optional; the reference's first healthcheck has none
	}
	if fields(metrics).number("gpu") > 0 {
		s.accuseLocked(reportsGPU, "", "gpu above 0: such a runner is kept for sandboxes with GPUs")
	}
	for _, total := range []string{"cpu", "memoryGiB", "diskGiB"} {
		if fields(metrics).number(total) <= 0 {
			s.accuseLocked(poorTotals, total, "metrics without a total above 0: the availability score has no value then")
		}
	}
}

// runnerMe is the runner's own row.
func (s *Server) runnerMe(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	return ok(s.runnerRow())
}

// runnerRow is that row as the API shows it. The lock is held.
func (s *Server) runnerRow() map[string]any {
	row := map[string]any{
		"id": s.runner.id, "name": "runner-android", "region": regionID, "sandboxClass": sandboxClass, "apiVersion": "2",
		"state": s.runner.state, "domain": s.runner.domain, "proxyUrl": s.runner.proxyURL, "apiUrl": s.runner.apiURL,
		"appVersion": s.runner.appVersion, "serviceHealth": s.runner.serviceHealth, "unschedulable": false, "draining": false,
		"lastChecked": isoOrNull(s.runner.lastChecked), "createdAt": iso(s.runner.createdAt),
		"cpu": s.runner.metrics.number("cpu"), "memory": s.runner.metrics.number("memoryGiB"),
		"disk": s.runner.metrics.number("diskGiB"), "gpu": s.runner.metrics.number("gpu"),
	}
	for name, value := range s.runner.metrics {
		if _, taken := row[name]; !taken && name != "memoryGiB" && name != "diskGiB" {
			row[name] = value
		}
	}
	return row
}

// keepLast drops what is before the last n.
func keepLast[T any](list []T, n int) []T {
	if len(list) > n {
		return append(list[:0:0], list[len(list)-n:]...)
	}
	return list
}
