package daytona

import "time"

// sandboxOrdered changes a sandbox's row as the API does when it orders a job for it.
func (s *Server) sandboxOrdered(j *job, o order, sb *sandbox, now time.Time) {
	payload := parseFields(j.payload)
	switch j.kind {
	case createSandbox:
		s.createOrdered(payload, o, sb, now)
	case startSandbox:
		state := starting
		if sb.state == paused {
			state = resuming
		}
		sb.want(started, state, now)
		sb.setBackup(backupNone)
	case stopSandbox:
		sb.want(stopped, stopping, now)
	case destroySandbox:
		if o.Archive {
			sb.want(archived, archiving, now)
		} else {
			sb.want(destroyed, destroying, now)
		}
	case pauseSandbox:
		sb.want(paused, pausing, now)
	case resizeSandbox:
		sb.remember()
		sb.want(resized, resizing, now)
	case snapshotSandbox:
		sb.remember()
		sb.become(snapshotting, now)
		sb.activityAt = now
	case forkSandbox:
		sb.remember()
		sb.become(forking, now)
		// A full table is not worth refusing the job for.
		if child, err := s.ensureSandbox(j.resourceID, j.generation, now); err == nil {
			child.snapshot, child.cpu, child.memory, child.disk = sb.snapshot, sb.cpu, sb.memory, sb.disk
			child.want(started, creating, now)
		}
	case recoverSandbox:
		if sb.desired != stopped {
			sb.desired = started // it stays in error until the job is done
		}
	case updateNetwork:
		if block, isBool := payload["networkBlockAll"].(bool); isBool {
			sb.networkBlockAll = block
		}
		for name, column := range map[string]*string{
			"networkAllowList": &sb.networkAllowList, "domainAllowList": &sb.domainAllowList,
		} {
			if _, changes := payload[name]; changes {
				*column = payload.str(name)
			}
		}
	case createBackup:
		sb.setBackup(backupPending)
		sb.backupSnapshot = payload.str("snapshot")
	}
}

// createOrdered makes the row anew from what the runner is told.
func (s *Server) createOrdered(payload fields, o order, sb *sandbox, now time.Time) {
	state := creating
	if sb.state == archived {
		state = restoring
	} else {
		sb.snapshot, sb.createdAt = payload.str("snapshot"), now
		sb.setBackup(backupNone)
		sb.backupAt, sb.backupDue = time.Time{}, time.Time{}
	}
	sb.generation, sb.ephemeral = o.Generation, o.Ephemeral
	sb.user, sb.env, sb.linkedSandboxID = payload.str("osUser"), payload.strings("env"), payload.str("linkedSandboxId")
	sb.cpu, sb.gpu = payload.number("cpuQuota"), payload.number("gpuQuota")
	sb.memory, sb.disk = payload.number("memoryQuota"), payload.number("storageQuota")
	sb.networkBlockAll, _ = payload["networkBlockAll"].(bool)
	sb.networkAllowList, sb.domainAllowList = payload.str("networkAllowList"), payload.str("domainAllowList")
	if class := payload.str("sandboxClass"); class != "" {
		sb.class = class
	}
	sb.want(started, state, now)
}

// want sets what the user wants and the state on the way there.
func (sb *sandbox) want(desired, state string, now time.Time) {
	sb.desired, sb.activityAt = desired, now
	sb.become(state, now)
}

// remember keeps the state to return to.
func (sb *sandbox) remember() {
	switch {
	case sb.state == started || sb.state == stopped || sb.state == paused:
		sb.before = sb.state
	case sb.desired == started:
		sb.before = started
	default:
		sb.before = stopped
	}
}
