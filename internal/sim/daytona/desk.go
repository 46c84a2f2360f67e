package daytona

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// maxWait bounds how long the desk keeps somebody waiting.
const maxWait = time.Hour

// waitOf reads ?wait=90s; a bare number is seconds.
func waitOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		seconds, errNumber := strconv.ParseFloat(text, 64)
		if errNumber != nil || !(seconds <= maxWait.Seconds()) {
			return 0, fmt.Errorf("wait is %q: want a time such as 90s, at most %s", text, maxWait)
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d <= 0 || d > maxWait {
		return 0, fmt.Errorf("wait is %q: want a time such as 90s, at most %s", text, maxWait)
	}
	return d, nil
}

// jobRecord is all that the double knows about a job.
type jobRecord struct {
	ID             string          `json:"id"`
	Type           string          `json:"type"`
	Status         string          `json:"status"`
	ResourceType   string          `json:"resourceType"`
	ResourceID     string          `json:"resourceId"`
	Generation     generation      `json:"generation"`
	Origin         string          `json:"origin"`
	ErrorMessage   string          `json:"errorMessage"`
	ResultMetadata any             `json:"resultMetadata"` // parsed; null when there is none
	Payload        any             `json:"payload"`        // parsed, or the text when it is not JSON
	TraceContext   json.RawMessage `json:"traceContext"`
	Transitions    []transition    `json:"transitions"`
	Reports        int             `json:"reports"`
	SettledBy      string          `json:"settledBy"`
	SandboxState   string          `json:"sandboxState"` // right after it was settled; now, while it is open
	CreatedAt      string          `json:"createdAt"`
	UpdatedAt      string          `json:"updatedAt"`
	StartedAt      *string         `json:"startedAt"`
	CompletedAt    *string         `json:"completedAt"`
}

// record is taken under the lock and shares nothing that changes later.
func (s *Server) record(j *job) jobRecord {
	state := j.stateAfter
	if sb := s.findSandbox(j.resourceID); state == "" && sb != nil && j.resourceType == sandboxResource {
		state = sb.state
	}
	return jobRecord{
		ID: j.id, Type: j.kind, Status: j.status, ResourceType: j.resourceType, ResourceID: j.resourceID,
		Generation: j.generation, Origin: j.origin, ErrorMessage: j.errorMessage,
		ResultMetadata: parsed(j.result), Payload: parsed(j.payload), TraceContext: j.trace,
		Transitions: append([]transition{}, j.transitions...), Reports: j.reports, SettledBy: j.settledBy, SandboxState: state,
		CreatedAt: iso(j.createdAt), UpdatedAt: iso(j.updatedAt), StartedAt: isoOrNull(j.startedAt), CompletedAt: isoOrNull(j.completedAt),
	}
}

func parsed(text *string) any {
	switch {
	case text == nil:
		return nil
	case json.Valid([]byte(*text)):
		return json.RawMessage(*text)
	}
	return *text
}

func (s *Server) deskJobs(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	list := make([]jobRecord, 0, len(s.jobs.all))
	for _, j := range s.jobs.all {
		list = append(list, s.record(j))
	}
	return ok(list)
}

func (s *Server) deskJob(r *http.Request) answer {
	wait, err := waitOf(r)
	if err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	s.enter()
	j := s.jobs.find(r.PathValue("id"))
	s.mu.Unlock()
	if j == nil {
		return refused(http.StatusNotFound, "there is no such job: GET /sim/jobs lists them")
	}
	status := http.StatusOK
	if wait > 0 && !s.await(r, wait, func(time.Time) bool { return j.settled() }) {
		status = http.StatusAccepted
	}
	s.enter()
	defer s.mu.Unlock()
	return answer{status: status, body: s.record(j)}
}

// sandboxRecord is a sandbox with what only the API knows.
type sandboxRecord struct {
	sandboxDTO
	BackupSnapshot string     `json:"backupSnapshot"`
	Generation     generation `json:"generation"`
}

func (s *Server) deskSandboxes(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	list := make([]sandboxRecord, 0, len(s.sandboxes))
	for _, sb := range s.sandboxes {
		list = append(list, sandboxRecord{s.dto(sb), sb.backupSnapshot, sb.generation})
	}
	return ok(list)
}

// snapshotRecord is a snapshot on the runner.
type snapshotRecord struct {
	Ref         string   `json:"ref"`
	Names       []string `json:"names"`
	State       string   `json:"state"`
	ErrorReason string   `json:"errorReason"`
	Hash        string   `json:"hash"`
	SizeGB      float64  `json:"sizeGB"`
	Entrypoint  any      `json:"entrypoint"`
	Cmd         any      `json:"cmd"`
	UpdatedAt   string   `json:"updatedAt"`
}

func (s *Server) deskSnapshots(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	list := make([]snapshotRecord, 0, len(s.snapshots))
	for _, sn := range s.snapshots {
		list = append(list, snapshotRecord{
			sn.ref, append([]string{}, sn.names...), sn.state, sn.errorReason, sn.hash, sn.sizeGB, sn.entrypoint, sn.cmd, iso(sn.updatedAt),
		})
	}
	return ok(list)
}

// runnerRecord is the runner's row and its last sign of life.
type runnerRecord struct {
	ID              string          `json:"id"`
	State           string          `json:"state"`
	LastChecked     *string         `json:"lastChecked"`
	Healthchecks    int             `json:"healthchecks"`    // all that came
	LastHealthcheck json.RawMessage `json:"lastHealthcheck"` // body of the last one; null before the first
}

func (s *Server) deskRunner(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	r := runnerRecord{
		ID: s.runner.id, State: s.runner.state, LastChecked: isoOrNull(s.runner.lastChecked), Healthchecks: s.runner.healthchecksSeen,
	}
	if n := len(s.runner.healthchecks); n > 0 {
		r.LastHealthcheck = s.runner.healthchecks[n-1].Body
	}
	return ok(r)
}

func (s *Server) deskHealthchecks(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	return ok(append([]healthRecord{}, s.runner.healthchecks...))
}

func (s *Server) deskRequests(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	return ok(append([]requestRecord{}, s.book.requests...))
}

func (s *Server) deskViolations(*http.Request) answer {
	s.enter()
	defer s.mu.Unlock()
	list := make([]violation, 0, len(s.book.violations))
	for _, v := range s.book.violations {
		list = append(list, *v)
	}
	return ok(list)
}
