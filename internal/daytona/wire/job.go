package wire

// The types of jobs, of both generations.
const (
	JobCreateSandbox   = "CREATE_SANDBOX"
	JobStartSandbox    = "START_SANDBOX"
	JobStopSandbox     = "STOP_SANDBOX"
	JobDestroySandbox  = "DESTROY_SANDBOX"
	JobRecoverSandbox  = "RECOVER_SANDBOX"
	JobResizeSandbox   = "RESIZE_SANDBOX"
	JobUpdateNetwork   = "UPDATE_SANDBOX_NETWORK_SETTINGS"
	JobCreateBackup    = "CREATE_BACKUP"
	JobSnapshotSandbox = "SNAPSHOT_SANDBOX"
	JobForkSandbox     = "FORK_SANDBOX"
	JobPauseSandbox    = "PAUSE_SANDBOX"
	JobPullSnapshot    = "PULL_SNAPSHOT"
	JobBuildSnapshot   = "BUILD_SNAPSHOT"
	JobRemoveSnapshot  = "REMOVE_SNAPSHOT"
	JobInspectSnapshot = "INSPECT_SNAPSHOT_IN_REGISTRY"
)

// The statuses of a job. A runner reports the last two; reporting InProgress with a result that
// changes keeps the job from being swept as stale (v0.190).
const (
	StatusPending    = "PENDING"
	StatusInProgress = "IN_PROGRESS"
	StatusCompleted  = "COMPLETED"
	StatusFailed     = "FAILED"
)

// Job is one piece of work from the queue.
type Job struct {
	ID           string            `json:"id"`
	Type         string            `json:"type"`
	Status       string            `json:"status"`
	ResourceType string            `json:"resourceType"` // SANDBOX, SNAPSHOT, BACKUP
	ResourceID   string            `json:"resourceId"`
	Payload      string            `json:"payload"`      // JSON in a text; empty: none
	TraceContext map[string]string `json:"traceContext"` // W3C headers; nil: no trace
	ErrorMessage string            `json:"errorMessage"`
}

// JobStatusDTO is the body of POST /jobs/{id}/status.
type JobStatusDTO struct {
	Status         string `json:"status"`
	ErrorMessage   string `json:"errorMessage,omitempty"`
	ResultMetadata string `json:"resultMetadata,omitempty"` // JSON in a text
}
