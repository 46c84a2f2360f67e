package wire

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// BegunDTO answers create and start, and is the result of their jobs.
type BegunDTO struct {
	// DaemonVersion is empty: Android has no Daytona daemon inside.
	DaemonVersion string `json:"daemonVersion"`
	// Recreated says that nothing was left of the device and a new one was made. Daytona does not
	// know the field.
	Recreated bool `json:"recreated,omitempty"`
}

// Texts is an object of texts, such as metadata. A null member counts as absent.
type Texts map[string]string

// UnmarshalJSON reads an object; null leaves the map as it is.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var members map[string]*string
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	if members == nil {
		return nil
	}
	*t = Texts{}
	for key, value := range members {
		if value != nil {
			(*t)[key] = *value
		}
	}
	return nil
}

// OrNil is the map, or nil where it has nothing to say.
func (t Texts) OrNil() map[string]string {
	if len(t) == 0 {
		return nil
	}
	return t
}

// StartSandboxDTO is the payload of START_SANDBOX. At v0.190 it wraps the metadata; in February
// 2026 it was the bare metadata, which is also the body of POST /sandboxes/{id}/start.
type StartSandboxDTO struct{ Metadata Texts }

// UnmarshalJSON tells the two apart: bare metadata has texts only, so an object under "metadata",
// or nothing but the token, is the newer form.
func (dto *StartSandboxDTO) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	_, token := members["authToken"]
	if inner, there := members["metadata"]; there && !isText(inner) {
		return json.Unmarshal(inner, &dto.Metadata)
	} else if token && len(members) == 1 {
		return nil
	}
	return json.Unmarshal(data, &dto.Metadata)
}

func isText(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }

// StopSandboxDTO is the body of POST /sandboxes/{id}/stop and the payload of STOP_SANDBOX.
type StopSandboxDTO struct {
	Force bool `json:"force"`
}

// ResizeSandboxDTO is the body of POST /sandboxes/{id}/resize and the payload of RESIZE_SANDBOX.
// What is absent or 0 stays as it is.
type ResizeSandboxDTO struct {
	CPU      *int64       `json:"cpu"`    // cores
	Memory   *int64       `json:"memory"` // GiB
	Disk     *int64       `json:"disk"`   // GiB
	GPU      *int64       `json:"gpu"`
	Registry *RegistryDTO `json:"registry"`
}

// Resources is what was asked for; a zero field stays as it is.
func (dto *ResizeSandboxDTO) Resources() (sandbox.Resources, error) {
	r, err := resources(
		amount{"cpu", orNil(dto.CPU)}, amount{"memory", orNil(dto.Memory)}, amount{"disk", orNil(dto.Disk)})
	if err != nil {
		return r, err
	}
	return r, refuseGPU("gpu", dto.GPU)
}

func orNil(n *int64) *int64 {
	if n != nil && *n == 0 {
		return nil
	}
	return n
}

// RecoverSandboxDTO is the body of POST /sandboxes/{id}/recover and the payload of RECOVER_SANDBOX.
// The sandbox is on record here; what the message says about it is read and not used.
type RecoverSandboxDTO struct {
	SkipStart bool `json:"skipStart"` // jobs only: leave it stopped

	UserID            string            `json:"userId"`
	OSUser            string            `json:"osUser"`
	Snapshot          string            `json:"snapshot"`
	FromVolumeID      string            `json:"fromVolumeId"`
	CPUQuota          *int64            `json:"cpuQuota"`
	GPUQuota          *int64            `json:"gpuQuota"`
	MemoryQuota       *int64            `json:"memoryQuota"`
	StorageQuota      *int64            `json:"storageQuota"`
	Env               map[string]string `json:"env"`
	Volumes           []VolumeDTO       `json:"volumes"`
	NetworkBlockAll   bool              `json:"networkBlockAll"`
	NetworkAllowList  string            `json:"networkAllowList"`
	ErrorReason       string            `json:"errorReason"`
	BackupErrorReason string            `json:"backupErrorReason"`
	Registry          *RegistryDTO      `json:"registry"`
}

// IsRecoverableDTO is the body of POST /sandboxes/{id}/is-recoverable.
type IsRecoverableDTO struct {
	ErrorReason *string `json:"errorReason"`
}

// RecoverableDTO answers it.
type RecoverableDTO struct {
	Recoverable bool `json:"recoverable"`
}

// UpdateNetworkSettingsDTO is the body of POST /sandboxes/{id}/network-settings and the payload of
// UPDATE_SANDBOX_NETWORK_SETTINGS. It carries only what changes.
type UpdateNetworkSettingsDTO struct {
	NetworkBlockAll    *bool   `json:"networkBlockAll"`
	NetworkAllowList   *string `json:"networkAllowList"`
	DomainAllowList    *string `json:"domainAllowList"`
	NetworkLimitEgress *bool   `json:"networkLimitEgress"`
}

// Change is the same in the runner's words.
func (dto *UpdateNetworkSettingsDTO) Change() sandbox.NetworkChange {
	return sandbox.NetworkChange{
		BlockAll: dto.NetworkBlockAll, AllowList: dto.NetworkAllowList,
		DomainAllowList: dto.DomainAllowList, LimitEgress: dto.NetworkLimitEgress,
	}
}

// CreateBackupDTO is the body of POST /sandboxes/{id}/backup and the payload of CREATE_BACKUP.
type CreateBackupDTO struct {
	Registry *RegistryDTO `json:"registry"`
	Snapshot string       `json:"snapshot"`
}

// Check wants a reference with a tag, as Daytona makes it: from no other name could a sandbox be created.
func (dto *CreateBackupDTO) Check() error {
	switch {
	case dto.Snapshot == "":
		return fault.Invalidf("snapshot is required")
	case !strings.Contains(dto.Snapshot, ":") || strings.HasSuffix(dto.Snapshot, ":") || strings.ContainsAny(dto.Snapshot, " \t\n"):
		return fault.Invalidf("snapshot is %.80q: a backup's name has a tag and no spaces (REPOSITORY/backup-ID:TAG)", dto.Snapshot)
	default:
		return nil
	}
}

// Sentences of success, which Daytona's runner answers as JSON texts.
const (
	SandboxStopped   = "Sandbox stopped"
	SandboxDestroyed = "Sandbox destroyed"
	SandboxRemoved   = "Sandbox removed"
	SandboxResized   = "Sandbox resized"
	SandboxRecovered = "Sandbox recovered"
	NetworkUpdated   = "Network settings updated"
	BackupStarted    = "Backup started"
	PullStarted      = "Snapshot pull started"
	SnapshotRemoved  = "Snapshot removed successfully"
	ImageTagged      = "Image tagged successfully"
)

// UnmarshalPayload reads a job's payload into v: null counts as an empty object.
func UnmarshalPayload(payload string, v any) error {
	if payload == "" {
		return fmt.Errorf("payload is required")
	}
	return json.Unmarshal([]byte(payload), v)
}
