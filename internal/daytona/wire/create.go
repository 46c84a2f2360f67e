package wire

import (
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// CreateSandboxDTO is the body of POST /sandboxes and the payload of CREATE_SANDBOX. Id and snapshot
// are required.
type CreateSandboxDTO struct {
	ID           string `json:"id"`
	Snapshot     string `json:"snapshot"`
	CPUQuota     *int64 `json:"cpuQuota"`     // cores
	MemoryQuota  *int64 `json:"memoryQuota"`  // GiB
	StorageQuota *int64 `json:"storageQuota"` // GiB
	GPUQuota     *int64 `json:"gpuQuota"`
	Metadata     Texts  `json:"metadata"`
	SkipStart    bool   `json:"skipStart"`

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

// The largest quotas that are taken for meant; admission knows what the host has.
const (
	maxCPUs  = 1 << 10
	maxGiB   = 1 << 20
	mbPerGiB = 1 << 10
	noGPU    = "Android devices have none: leave it out or send 0"
)

// Spec validates, field by field in the order of importance.
func (dto *CreateSandboxDTO) Spec() (sandbox.ID, sandbox.Spec, error) {
	spec := sandbox.Spec{Snapshot: dto.Snapshot, Metadata: dto.Metadata, SkipStart: dto.SkipStart, Network: sandbox.Network{
		BlockAll: dto.NetworkBlockAll, AllowList: dto.NetworkAllowList, DomainAllowList: dto.DomainAllowList,
	}}
	if dto.ID == "" {
		return "", spec, fault.Invalidf("id is required")
	}
	id, err := sandbox.ParseID(dto.ID)
	if err != nil {
		return "", spec, fault.Invalidf("id: %v", err)
	}
	if dto.Snapshot == "" {
		return "", spec, fault.Invalidf("snapshot is required")
	}
	if spec.Resources, err = dto.resources(); err != nil {
		return "", spec, err
	}
	return id, spec, nil
}

func (dto *CreateSandboxDTO) resources() (sandbox.Resources, error) {
	r, err := resources(
		amount{"cpuQuota", dto.CPUQuota}, amount{"memoryQuota", dto.MemoryQuota}, amount{"storageQuota", dto.StorageQuota})
	if err != nil {
		return r, err
	}
	return r, refuseGPU("gpuQuota", dto.GPUQuota)
}

// amount is a field with a number; nil is "not said".
type amount struct {
	field string
	value *int64
}

// resources turns cores and GiB into what a sandbox is promised; 0 stands for what was not said.
func resources(cpus, memory, disk amount) (r sandbox.Resources, err error) {
	if r.CPUs, err = cpus.quota("cores", maxCPUs); err != nil {
		return r, err
	}
	if r.MemoryMB, err = memory.quota("GiB", maxGiB); err != nil {
		return r, err
	}
	r.MemoryMB *= mbPerGiB
	r.DiskGB, err = disk.quota("GiB", maxGiB)
	return r, err
}

func (a amount) quota(unit string, most int64) (int, error) {
	switch {
	case a.value == nil:
		return 0, nil
	case *a.value < 1:
		return 0, fault.Invalidf("%s is %d: it must be at least 1 (%s); leave it out for the default", a.field, *a.value, unit)
	case *a.value > most:
		return 0, fault.Invalidf("%s is %d: it must be at most %d (%s)", a.field, *a.value, most, unit)
	default:
		return int(*a.value), nil
	}
}

func refuseGPU(field string, gpu *int64) error {
	switch {
	case gpu == nil || *gpu == 0:
		return nil
	case *gpu < 0:
		return fault.Invalidf("%s is %d: it must be at least 0", field, *gpu)
	default:
		return fault.Unsupportedf("%s is %d: %s", field, *gpu, noGPU)
	}
}
