package runnerapi

import (
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
)

// CreateSandboxDTO is the body of POST /sandboxes. Id and snapshot are required. Nulls count as
// absent, unknown fields are ignored. Fields that mean nothing to Android are read all the same,
// so that a wrong type is refused as Daytona's runner refuses it.
type CreateSandboxDTO struct {
	ID           string            `json:"id"`
	Snapshot     string            `json:"snapshot"`
	CPUQuota     *int64            `json:"cpuQuota"`     // cores
	MemoryQuota  *int64            `json:"memoryQuota"`  // GiB
	StorageQuota *int64            `json:"storageQuota"` // GiB
	GPUQuota     *int64            `json:"gpuQuota"`
	Metadata     map[string]string `json:"metadata"`
	SkipStart    bool              `json:"skipStart"`

	Name             string            `json:"name"`
	UserID           string            `json:"userId"`
	OSUser           string            `json:"osUser"`
	FromVolumeID     string            `json:"fromVolumeId"`
	Env              map[string]string `json:"env"`
	Registry         *RegistryDTO      `json:"registry"`
	Entrypoint       []string          `json:"entrypoint"`
	Volumes          []VolumeDTO       `json:"volumes"`
	NetworkBlockAll  bool              `json:"networkBlockAll"`
	NetworkAllowList string            `json:"networkAllowList"`
	DomainAllowList  string            `json:"domainAllowList"`
	AuthToken        string            `json:"authToken"`
	OTELEndpoint     string            `json:"otelEndpoint"`
	SandboxClass     string            `json:"sandboxClass"`
	OrganizationID   string            `json:"organizationId"`
	RegionID         string            `json:"regionId"`
	LinkedSandboxID  string            `json:"linkedSandboxId"`
}

// RegistryDTO says where an image comes from.
type RegistryDTO struct {
	URL      string  `json:"url"`
	Project  *string `json:"project"`
	Username *string `json:"username"`
	Password *string `json:"password"`
}

// VolumeDTO is a volume to mount.
type VolumeDTO struct {
	VolumeID  string `json:"volumeId"`
	MountPath string `json:"mountPath"`
	Subpath   string `json:"subpath"`
}

// StopSandboxDTO is the body of POST /sandboxes/{id}/stop.
type StopSandboxDTO struct {
	Force bool `json:"force"`
}

// The largest quotas that are taken for meant; admission knows what the host has.
const (
	maxCPUs   = 1 << 10
	maxGiB    = 1 << 20
	mbPerGiB  = 1 << 10
	useNoneOf = "Android devices have none: leave it out or send 0"
)

// spec validates, field by field in the order of importance.
func (dto *CreateSandboxDTO) spec() (sandbox.ID, sandbox.Spec, error) {
	spec := sandbox.Spec{Snapshot: dto.Snapshot, Metadata: dto.Metadata, SkipStart: dto.SkipStart}
	if dto.ID == "" {
		return "", spec, transport.InvalidBodyf("id is required")
	}
	id, err := sandbox.ParseID(dto.ID)
	if err != nil {
		return "", spec, transport.InvalidBodyf("id: %v", err)
	}
	if dto.Snapshot == "" {
		return "", spec, transport.InvalidBodyf("snapshot is required")
	}
	if spec.Resources, err = dto.resources(); err != nil {
		return "", spec, err
	}
	return id, spec, nil
}

func (dto *CreateSandboxDTO) resources() (r sandbox.Resources, err error) {
	if r.CPUs, err = quota("cpuQuota", "cores", dto.CPUQuota, maxCPUs); err != nil {
		return r, err
	}
	memory, err := quota("memoryQuota", "GiB", dto.MemoryQuota, maxGiB)
	if err != nil {
		return r, err
	}
	r.MemoryMB = memory * mbPerGiB
	if r.DiskGB, err = quota("storageQuota", "GiB", dto.StorageQuota, maxGiB); err != nil {
		return r, err
	}
	switch gpu := dto.GPUQuota; {
	case gpu == nil || *gpu == 0:
		return r, nil
	case *gpu < 0:
		return r, transport.InvalidBodyf("gpuQuota is %d: it must be at least 0", *gpu)
	default:
		return r, fault.Unsupportedf("gpuQuota is %d: %s", *gpu, useNoneOf)
	}
}

// quota returns 0, "the default", for an absent one.
func quota(field, unit string, value *int64, most int64) (int, error) {
	switch {
	case value == nil:
		return 0, nil
	case *value < 1:
		return 0, transport.InvalidBodyf("%s is %d: it must be at least 1 (%s); leave it out for the default", field, *value, unit)
	case *value > most:
		return 0, transport.InvalidBodyf("%s is %d: it must be at most %d (%s)", field, *value, most, unit)
	default:
		return int(*value), nil
	}
}
