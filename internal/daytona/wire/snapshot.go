package wire

import (
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// PullSnapshotDTO is the body of POST /snapshots/pull and the payload of PULL_SNAPSHOT: what
// Snapshot names becomes known here under DestinationRef, if that is there.
type PullSnapshotDTO struct {
	Snapshot            string       `json:"snapshot"`
	NewTag              string       `json:"newTag"`
	SandboxClass        string       `json:"sandboxClass"`
	Registry            *RegistryDTO `json:"registry"`
	DestinationRegistry *RegistryDTO `json:"destinationRegistry"`
	DestinationRef      string       `json:"destinationRef"`
}

// Names returns what is to be pulled and the name that it shall have, which may be the same.
func (dto *PullSnapshotDTO) Names() (source, ref string, err error) {
	switch {
	case dto.Snapshot == "":
		return "", "", fault.Invalidf("snapshot is required")
	case dto.DestinationRef != "":
		return dto.Snapshot, dto.DestinationRef, nil
	case dto.NewTag != "":
		return dto.Snapshot, dto.NewTag, nil
	default:
		return dto.Snapshot, dto.Snapshot, nil
	}
}

// BuildSnapshotDTO is the body of POST /snapshots/build and the payload of BUILD_SNAPSHOT, as far
// as a runner that builds nothing reads it.
type BuildSnapshotDTO struct {
	Snapshot   string `json:"snapshot"`
	Dockerfile string `json:"dockerfile"`
}

// Check refuses what Daytona's runner refuses before it builds.
func (dto *BuildSnapshotDTO) Check() error {
	if !strings.Contains(dto.Snapshot, ":") || strings.HasSuffix(dto.Snapshot, ":") {
		return fault.Invalidf("snapshot is %q: it must have a tag (name:tag)", dto.Snapshot)
	}
	return nil
}

// TagImageDTO is the body of POST /snapshots/tag.
type TagImageDTO struct {
	SourceImage string `json:"sourceImage"`
	TargetImage string `json:"targetImage"`
}

// Check wants both names, and a tag on the second.
func (dto *TagImageDTO) Check() error {
	switch {
	case dto.SourceImage == "":
		return fault.Invalidf("sourceImage is required")
	case !strings.Contains(dto.TargetImage, ":") || strings.HasSuffix(dto.TargetImage, ":"):
		return fault.Invalidf("targetImage is %q: it must have a tag (name:tag)", dto.TargetImage)
	default:
		return nil
	}
}

// InspectSnapshotDTO is the body of POST /snapshots/inspect and the payload of
// INSPECT_SNAPSHOT_IN_REGISTRY.
type InspectSnapshotDTO struct {
	Snapshot string       `json:"snapshot"`
	Registry *RegistryDTO `json:"registry"`
}

// SnapshotFromSandboxDTO is the body of POST /sandboxes/{id}/snapshot-from-sandbox.
type SnapshotFromSandboxDTO struct {
	Name           string       `json:"name"`
	OrganizationID string       `json:"organizationId"`
	Registry       *RegistryDTO `json:"registry"`
	Stop           bool         `json:"stop"` // this runner's own: stop the sandbox for it, and start it again
}

// SnapshotSandboxDTO is the payload of SNAPSHOT_SANDBOX, which leaves out what is empty.
type SnapshotSandboxDTO struct {
	SandboxID string `json:"sandboxId"`
	SnapshotFromSandboxDTO
	IncludeMemory bool `json:"includeMemory"`
}

// SnapshotName is under which a snapshot is kept: that of its organisation, and of nobody's where none is said.
func (dto *SnapshotFromSandboxDTO) SnapshotName() (string, error) {
	if dto.Name == "" {
		return "", fault.Invalidf("name is required")
	}
	org := dto.OrganizationID
	if org == "" {
		org = "default"
	}
	return org + "/" + dto.Name, nil
}

// SnapshotTakenDTO is the result of SNAPSHOT_SANDBOX.
type SnapshotTakenDTO struct {
	Ref    string  `json:"ref"`
	Hash   string  `json:"hash"`
	SizeGB float64 `json:"sizeGB"`
}

// SnapshotTaken says what a sandbox was saved as.
func SnapshotTaken(i sandbox.Image) SnapshotTakenDTO {
	return SnapshotTakenDTO{Ref: i.Name, Hash: i.Hash, SizeGB: float64(i.Bytes) / gib}
}

// ExistsDTO answers GET /snapshots/exists.
type ExistsDTO struct {
	Exists bool `json:"exists"`
}

// SnapshotInfoDTO answers GET /snapshots/info and is the result of PULL_SNAPSHOT.
type SnapshotInfoDTO struct {
	Name   string  `json:"name"`
	SizeGB float64 `json:"sizeGB"`
	Hash   string  `json:"hash"` // hex, without "sha256:"

	// What follows is this runner's own, of snapshots of devices.

	Consistency string `json:"consistency,omitempty"`        // "stopped", "paused", "crash"
	PausedFor   int64  `json:"pausedMilliseconds,omitempty"` // how long the device stood still for it
	Unverified  bool   `json:"unverified,omitempty"`         // nobody can say whether the content is what was saved
}

// InspectedDTO answers POST /snapshots/inspect and is the result of INSPECT_SNAPSHOT_IN_REGISTRY.
type InspectedDTO struct {
	Hash   string  `json:"hash"`
	SizeGB float64 `json:"sizeGB"`
}

const gib = 1 << 30

// SnapshotInfo says what is known of an image.
func SnapshotInfo(i sandbox.Image) SnapshotInfoDTO {
	return SnapshotInfoDTO{
		Name: i.Name, SizeGB: float64(i.Bytes) / gib, Hash: i.Hash,
		Consistency: i.Consistency, PausedFor: i.PausedFor.Milliseconds(), Unverified: i.Unverified,
	}
}

// Inspected says how an image is told from others.
func Inspected(i sandbox.Image) InspectedDTO {
	return InspectedDTO{Hash: i.Hash, SizeGB: float64(i.Bytes) / gib}
}
