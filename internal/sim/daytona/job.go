package daytona

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Statuses of a job.
const (
	pending    = "PENDING"
	inProgress = "IN_PROGRESS"
	completed  = "COMPLETED"
	failed     = "FAILED"
)

func statuses() []string { return []string{pending, inProgress, completed, failed} }

// Types of jobs that the API gives a meaning to. Others may be ordered too.
const (
	createSandbox   = "CREATE_SANDBOX"
	startSandbox    = "START_SANDBOX"
	stopSandbox     = "STOP_SANDBOX"
	destroySandbox  = "DESTROY_SANDBOX"
	resizeSandbox   = "RESIZE_SANDBOX"
	recoverSandbox  = "RECOVER_SANDBOX"
	updateNetwork   = "UPDATE_SANDBOX_NETWORK_SETTINGS"
	createBackup    = "CREATE_BACKUP"
	snapshotSandbox = "SNAPSHOT_SANDBOX"
	forkSandbox     = "FORK_SANDBOX"
	pauseSandbox    = "PAUSE_SANDBOX"
	pullSnapshot    = "PULL_SNAPSHOT"
	buildSnapshot   = "BUILD_SNAPSHOT"
	removeSnapshot  = "REMOVE_SNAPSHOT"
	inspectSnapshot = "INSPECT_SNAPSHOT_IN_REGISTRY"
)

// Types of resources.
const (
	sandboxResource  = "SANDBOX"
	snapshotResource = "SNAPSHOT"
)

const maxJobs = 1000

// errInProgress is Daytona's answer to a second job for a resource.
var errInProgress = errors.New("An operation is already in progress for this resource") //nolint:staticcheck // Daytona's words

// job is a row of the queue.
type job struct {
	id, kind, status         string
	resourceType, resourceID string
	payload                  *string // JSON in a string; nil when there is none
	trace                    json.RawMessage
	errorMessage             string
	result                   *string // resultMetadata as it was reported
	generation               generation
	origin                   string // who ordered it: "desk" or one of the API's own reasons

	createdAt, updatedAt, startedAt, completedAt time.Time

	transitions []transition
	reports     int    // accepted ones
	answerLost  bool   // a fault swallowed the answer to the last accepted report
	settledBy   string // "runner" or "api"
	stateAfter  string // the sandbox's state right after the job was settled
}

// transition is a change of status.
type transition struct {
	To string `json:"to"`
	At string `json:"at"`
}

func (j *job) settled() bool { return j.status == completed || j.status == failed }

func (j *job) to(status string, now time.Time) {
	j.status, j.updatedAt = status, now
	j.transitions = append(j.transitions, transition{status, iso(now)})
}

// wireJob is a job as the API shows it. The result is never shown.
type wireJob struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Status       string          `json:"status"`
	ResourceType string          `json:"resourceType"`
	ResourceID   string          `json:"resourceId"`
	Payload      *string         `json:"payload,omitempty"`
	TraceContext json.RawMessage `json:"traceContext,omitempty"`
	ErrorMessage string          `json:"errorMessage,omitempty"`
	CreatedAt    string          `json:"createdAt"`
	UpdatedAt    string          `json:"updatedAt"`
}

func (j *job) wire() wireJob {
	return wireJob{
		ID: j.id, Type: j.kind, Status: j.status, ResourceType: j.resourceType, ResourceID: j.resourceID,
		Payload: j.payload, TraceContext: j.trace, ErrorMessage: j.errorMessage,
		CreatedAt: iso(j.createdAt), UpdatedAt: iso(j.updatedAt),
	}
}

// jobStore keeps the jobs, oldest first.
type jobStore struct{ all []*job }

// add inserts a job. At most one open job per resource may exist, and besides one open backup.
func (st *jobStore) add(j *job, now time.Time) error {
	for _, other := range st.all {
		if !other.settled() && other.resourceType == j.resourceType && other.resourceID == j.resourceID &&
			(other.kind == createBackup) == (j.kind == createBackup) {
			return errInProgress
		}
	}
	if len(st.all) >= maxJobs {
		oldest := slices.IndexFunc(st.all, (*job).settled)
		if oldest < 0 {
			return fmt.Errorf("there are %d open jobs: let the runner settle some first", maxJobs)
		}
		st.all = without(st.all, oldest)
	}
	j.id, j.createdAt = newID(), now
	j.to(pending, now)
	st.all = append(st.all, j)
	return nil
}

// without is a copy: somebody may be walking over the list.
func without[T any](list []T, i int) []T { return slices.Concat(list[:i], list[i+1:]) }

func (st *jobStore) find(id string) *job {
	for _, j := range st.all {
		if j.id == id {
			return j
		}
	}
	return nil
}

// open returns the open job of a sandbox that is no backup, or the backup, or nil.
func (st *jobStore) open(sandboxID string, backup bool) *job {
	for _, j := range st.all {
		if !j.settled() && j.resourceType == sandboxResource && j.resourceID == sandboxID && (j.kind == createBackup) == backup {
			return j
		}
	}
	return nil
}

// claim hands out pending jobs, oldest first.
func (st *jobStore) claim(limit int, now time.Time) []*job {
	var claimed []*job
	for _, j := range st.all {
		if j.status == pending && len(claimed) < limit {
			j.startedAt = now
			j.to(inProgress, now)
			claimed = append(claimed, j)
		}
	}
	return claimed
}

// staleAfter is how long a job may be in progress without an update.
func staleAfter(kind string) time.Duration {
	switch kind {
	case buildSnapshot, createBackup, pullSnapshot, snapshotSandbox:
		return 120 * time.Minute
	case createSandbox:
		return 30 * time.Minute
	default:
		return 10 * time.Minute
	}
}
