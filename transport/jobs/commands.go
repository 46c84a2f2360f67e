package jobs

import (
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

func createSandbox(j wire.Job) (any, error) {
	var dto wire.CreateSandboxDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	id, spec, err := dto.Spec()
	if err != nil {
		return nil, fault.Op("payload", err)
	}
	if string(id) != j.ResourceID { // jobs are kept in order by the one, devices made by the other
		return nil, fault.Invalidf("payload: id is %q, and the job is about %q", id, j.ResourceID)
	}
	return messages.CreateSandbox{ID: id, Spec: spec}, nil
}

func startSandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.StartSandboxDTO
	if err := payload(j, false, &dto); err != nil {
		return nil, err
	}
	return messages.StartSandbox{ID: id, Metadata: dto.Metadata.OrNil()}, nil
}

func stopSandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.StopSandboxDTO
	if err := payload(j, false, &dto); err != nil {
		return nil, err
	}
	return messages.StopSandbox{ID: id, Force: dto.Force}, nil
}

func destroySandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	return messages.DestroySandbox{ID: id}, err
}

func recoverSandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.RecoverSandboxDTO
	if err := payload(j, false, &dto); err != nil {
		return nil, err
	}
	return messages.RecoverSandbox{ID: id, SkipStart: dto.SkipStart}, nil
}

func resizeSandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.ResizeSandboxDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	want, err := dto.Resources()
	return messages.ResizeSandbox{ID: id, Resources: want}, err
}

func updateNetwork(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.UpdateNetworkSettingsDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	return messages.UpdateNetworkSettings{ID: id, Change: dto.Change()}, nil
}

func pullSnapshot(j wire.Job) (any, error) {
	var dto wire.PullSnapshotDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	source, ref, err := dto.Names()
	return messages.PullSnapshot{Source: source, Ref: ref}, err
}

// removeSnapshot has no payload: the February API sent none, and its own runner failed for it.
func removeSnapshot(j wire.Job) (any, error) {
	if j.ResourceID == "" {
		return nil, fault.Invalidf("resourceId is empty: it names the snapshot")
	}
	return messages.RemoveSnapshot{Name: j.ResourceID}, nil
}

func inspectSnapshot(j wire.Job) (any, error) {
	var dto wire.InspectSnapshotDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	if dto.Snapshot == "" {
		return nil, fault.Invalidf("payload: snapshot is required")
	}
	return messages.InspectSnapshot{Name: dto.Snapshot}, nil
}

// snapshotSandbox saves the disk; memory is not, whether it is asked for or not: the specification's limit.
func snapshotSandbox(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.SnapshotSandboxDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	name, err := dto.SnapshotName()
	return messages.TakeSnapshot{ID: id, Name: name, Halt: dto.Stop}, fault.Op("payload", err)
}

func createBackup(j wire.Job) (any, error) {
	id, err := sandboxOf(j)
	if err != nil {
		return nil, err
	}
	var dto wire.CreateBackupDTO
	if err := payload(j, true, &dto); err != nil {
		return nil, err
	}
	if dto.Snapshot == "" {
		return nil, fault.Invalidf("payload: snapshot is required")
	}
	return messages.BackUpSandbox{ID: id, Ref: dto.Snapshot}, nil
}

func taken(answer any) (any, error) {
	image, err := as[sandbox.Image](answer)
	return wire.SnapshotTaken(image), err
}

func begun(answer any) (any, error) {
	info, err := as[sandbox.Info](answer)
	return wire.BegunDTO{Recreated: info.Recreated}, err
}

func pulled(answer any) (any, error) {
	image, err := as[sandbox.Image](answer)
	return wire.SnapshotInfo(image), err
}

func inspected(answer any) (any, error) {
	image, err := as[sandbox.Image](answer)
	return wire.Inspected(image), err
}

// as wants an answer of one type; another is a bug of whoever answered.
func as[T any](answer any) (T, error) {
	value, ok := answer.(T)
	if !ok {
		return value, fault.Internalf("the command was answered with %T, want %T", answer, value)
	}
	return value, nil
}
