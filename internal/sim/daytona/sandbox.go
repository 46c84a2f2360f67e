package daytona

import (
	"errors"
	"slices"
	"time"
)

// States of a sandbox, in the API's words. They are spelled out here, not taken from the runner's nouns,
// so that a misspelled one there is noticed.
const (
	creating     = "creating"
	restoring    = "restoring"
	starting     = "starting"
	started      = "started"
	stopping     = "stopping"
	stopped      = "stopped"
	destroying   = "destroying"
	destroyed    = "destroyed"
	resizing     = "resizing"
	resized      = "resized" // desired only
	archiving    = "archiving"
	archived     = "archived"
	snapshotting = "snapshotting"
	forking      = "forking"
	pausing      = "pausing"
	paused       = "paused"
	resuming     = "resuming"
	errored      = "error"
	unknownState = "unknown"
)

// sandboxStates are all that the API knows.
func sandboxStates() []string {
	return []string{
		creating, restoring, destroyed, destroying, started, stopped, starting, stopping, resizing, errored, unknownState,
		"pulling_snapshot", "build_failed", "pending_build", "building_snapshot", archived, archiving, snapshotting,
		forking, pausing, paused, resuming,
	}
}

// reportable are the states that for-runner may be asked for, and that desiredState may become.
func reportable() []string { return []string{started, stopped, archived, destroyed, paused} }

// States of a sandbox's backup.
const (
	backupNone       = "None"
	backupPending    = "Pending"
	backupInProgress = "InProgress"
	backupCompleted  = "Completed"
	backupError      = "Error"
)

const maxSandboxes = 1000

// errManySandboxes is returned where none can make room.
var errManySandboxes = errors.New("there are 1000 sandboxes: destroy some first")

// sandbox is a row of the API.
type sandbox struct {
	id, name, organizationID, region, class string
	snapshot, user                          string
	env                                     map[string]string
	cpu, gpu, memory, disk                  float64
	networkBlockAll                         bool
	networkAllowList, domainAllowList       string
	linkedSandboxID                         string
	ephemeral                               bool // deleted when it stops; autoDeleteInterval 0
	generation                              generation
	previewToken                            string
	public                                  bool // its preview ports need no authentication

	state, desired string
	before         string // state to return to after resizing, snapshotting or forking
	errorReason    string
	recoverable    bool
	daemonVersion  string

	backupState, backupSnapshot string
	backupAt                    time.Time
	backupDue                   time.Time // of the backup after a stop; zero when none is due

	createdAt, updatedAt, activityAt time.Time
}

// become changes the state, and forgets an error that is over.
func (sb *sandbox) become(state string, now time.Time) {
	sb.state, sb.updatedAt = state, now
	if state != errored {
		sb.errorReason, sb.recoverable = "", false
	}
}

func (sb *sandbox) fail(reason string, recoverable bool, now time.Time) {
	sb.become(errored, now)
	sb.errorReason, sb.recoverable = reason, recoverable
}

func (sb *sandbox) setBackup(state string) {
	sb.backupState = state
	if state == backupNone {
		sb.backupSnapshot = ""
	}
}

// backingUp tells that a backup is ordered and not settled.
func (sb *sandbox) backingUp() bool {
	return sb.backupState == backupPending || sb.backupState == backupInProgress
}

// findSandbox looks for an id, then for a name.
func (s *Server) findSandbox(idOrName string) *sandbox {
	for _, sb := range s.sandboxes {
		if sb.id == idOrName {
			return sb
		}
	}
	for _, sb := range slices.Backward(s.sandboxes) {
		if sb.name == idOrName && sb.state != destroyed {
			return sb
		}
	}
	return nil
}

// ensureSandbox returns the row of an id, which it makes when there is none: the desk believes whoever
// orders a job for a sandbox that the double has not seen made.
func (s *Server) ensureSandbox(id string, g generation, now time.Time) (*sandbox, error) {
	for _, sb := range s.sandboxes {
		if sb.id == id {
			return sb, nil
		}
	}
	if len(s.sandboxes) >= maxSandboxes {
		gone := slices.IndexFunc(s.sandboxes, func(sb *sandbox) bool { return sb.state == destroyed })
		if gone < 0 {
			return nil, errManySandboxes
		}
		s.sandboxes = without(s.sandboxes, gone)
	}
	sb := &sandbox{
		id: id, name: id, organizationID: organizationID, region: regionID, class: sandboxClass,
		snapshot: defaultSnapshot, user: osUser, env: map[string]string{},
		cpu: defaultCPU, memory: defaultMemory, disk: defaultStorage, generation: g,
		state: unknownState, desired: started, backupState: backupNone, previewToken: newSecret(),
		createdAt: now, updatedAt: now, activityAt: now,
	}
	s.sandboxes = append(s.sandboxes, sb)
	return sb, nil
}

// sandboxDTO is a sandbox as runners and SDKs see it.
type sandboxDTO struct {
	ID                  string            `json:"id"`
	OrganizationID      string            `json:"organizationId"`
	Name                string            `json:"name"`
	Snapshot            string            `json:"snapshot"`
	User                string            `json:"user"`
	Env                 map[string]string `json:"env"`
	Labels              map[string]string `json:"labels"`
	Public              bool              `json:"public"`
	NetworkBlockAll     bool              `json:"networkBlockAll"`
	NetworkAllowList    string            `json:"networkAllowList,omitempty"`
	DomainAllowList     string            `json:"domainAllowList,omitempty"`
	Target              string            `json:"target"`
	CPU                 float64           `json:"cpu"`
	GPU                 float64           `json:"gpu"`
	Memory              float64           `json:"memory"`
	Disk                float64           `json:"disk"`
	State               string            `json:"state"`
	DesiredState        string            `json:"desiredState"`
	ErrorReason         string            `json:"errorReason,omitempty"`
	Recoverable         bool              `json:"recoverable"`
	BackupState         string            `json:"backupState"`
	BackupCreatedAt     *string           `json:"backupCreatedAt,omitempty"`
	AutoStopInterval    int               `json:"autoStopInterval"`
	AutoArchiveInterval int               `json:"autoArchiveInterval"`
	AutoDeleteInterval  int               `json:"autoDeleteInterval"`
	Volumes             []string          `json:"volumes"`
	CreatedAt           string            `json:"createdAt"`
	UpdatedAt           string            `json:"updatedAt"`
	LastActivityAt      string            `json:"lastActivityAt"`
	SandboxClass        string            `json:"sandboxClass"`
	DaemonVersion       string            `json:"daemonVersion,omitempty"`
	RunnerID            string            `json:"runnerId"`
	LinkedSandboxID     string            `json:"linkedSandboxId,omitempty"`
	ToolboxProxyURL     string            `json:"toolboxProxyUrl"`
}

// Intervals in minutes that the API gives a sandbox; -1 is never.
const (
	autoStopInterval    = 15
	autoArchiveInterval = 7 * 24 * 60
)

func (s *Server) dto(sb *sandbox) sandboxDTO {
	autoDelete := -1
	if sb.ephemeral {
		autoDelete = 0
	}
	// The label is what an SDK's create adds, and wants to see before it runs code.
	return sandboxDTO{
		ID: sb.id, OrganizationID: sb.organizationID, Name: sb.name, Snapshot: sb.snapshot, User: sb.user, Env: sb.env,
		Labels: map[string]string{"code-toolbox-language": "python"}, Public: sb.public, NetworkBlockAll: sb.networkBlockAll, NetworkAllowList: sb.networkAllowList,
		DomainAllowList: sb.domainAllowList, Target: sb.region, CPU: sb.cpu, GPU: sb.gpu, Memory: sb.memory, Disk: sb.disk,
		State: sb.state, DesiredState: sb.desired, ErrorReason: sb.errorReason, Recoverable: sb.recoverable,
		BackupState: sb.backupState, BackupCreatedAt: isoOrNull(sb.backupAt), AutoStopInterval: autoStopInterval,
		AutoArchiveInterval: autoArchiveInterval, AutoDeleteInterval: autoDelete, Volumes: []string{},
		CreatedAt: iso(sb.createdAt), UpdatedAt: iso(sb.updatedAt), LastActivityAt: iso(sb.activityAt),
		SandboxClass: sb.class, DaemonVersion: sb.daemonVersion, RunnerID: s.runner.id,
		LinkedSandboxID: sb.linkedSandboxID, ToolboxProxyURL: s.toolboxBase(),
	}
}

func (s *Server) toolboxBase() string { return s.options.ProxyURL + "/toolbox" }
