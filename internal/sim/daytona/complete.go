package daytona

import (
	"encoding/json"
	"time"
)

// claimed notes what a job being handed out means for its resource.
func (s *Server) claimed(j *job) {
	if j.kind != createBackup {
		return
	}
	if sb := s.findSandbox(j.resourceID); sb != nil && sb.backupState == backupPending {
		sb.setBackup(backupInProgress)
	}
}

// complete is the completion handler: what the API does when a job is settled, however that came. It
// runs again when a runner repeats its report.
func (s *Server) complete(j *job, now time.Time) {
	if j.resourceType == snapshotResource {
		s.completeSnapshot(j, now)
		return
	}
	sb := s.findSandbox(j.resourceID)
	if sb == nil {
		return
	}
	s.completeSandbox(j, sb, now)
	if j.stateAfter == "" {
		j.stateAfter = sb.state
	}
	if j.kind == recoverSandbox && j.status == completed && sb.state == stopped {
		if skip, _ := parseFields(j.payload)["skipStart"].(bool); !skip {
			// An open job of the sandbox is in the way only when the report was a repeated one.
			_, _ = s.insert(order{Type: startSandbox, SandboxID: sb.id, origin: "recovery"}, now)
		}
	}
}

// completeSandbox is the table of what a settled job does to its sandbox. What the user wants by now
// (desiredState) decides whether the outcome still counts.
func (s *Server) completeSandbox(j *job, sb *sandbox, now time.Time) {
	done := j.status == completed
	switch j.kind {
	case createSandbox, startSandbox:
		s.reach(j, sb, started, now)
	case stopSandbox:
		if s.reach(j, sb, stopped, now) && done {
			s.stoppedNow(sb, now)
		}
	case pauseSandbox:
		s.reach(j, sb, paused, now)
	case destroySandbox:
		if sb.desired == archived {
			sb.become(archived, now) // even when the runner could not
			return
		}
		s.reach(j, sb, destroyed, now)
	case forkSandbox:
		s.reach(j, sb, started, now)
		if source := s.findSandbox(parseFields(j.payload).str("sourceSandboxId")); source != nil && source.state == forking {
			source.become(source.before, now)
		}
	case resizeSandbox:
		if sb.desired != resized {
			return
		}
		sb.desired = sb.before
		sb.become(sb.before, now)
		if done {
			resize(sb, parseFields(j.payload))
		}
	case recoverSandbox:
		if sb.desired != started && sb.desired != stopped {
			return
		}
		if !done {
			s.failed(j, sb, now)
			return
		}
		sb.become(stopped, now)
	case snapshotSandbox:
		if sb.state == snapshotting || sb.state == errored {
			sb.become(sb.before, now)
		}
		if done {
			s.snapshotTaken(j, now)
		}
	case createBackup:
		s.backedUp(j, sb, now)
	}
}

// reach puts the sandbox into the state that a job was for, or into error. It reports false, and does
// nothing, when the sandbox is wanted in another state by now.
func (s *Server) reach(j *job, sb *sandbox, state string, now time.Time) bool {
	if sb.desired != state {
		return false
	}
	if j.status != completed {
		s.failed(j, sb, now)
		return true
	}
	sb.become(state, now)
	if state == started {
		if version := parseFields(j.result).str("daemonVersion"); version != "" {
			sb.daemonVersion = version
		}
	}
	return true
}

// failed reads a job's error, which is a text or, for errors that a recovery may cure, JSON.
func (s *Server) failed(j *job, sb *sandbox, now time.Time) {
	reason, recoverable := readError(j.errorMessage)
	sb.fail(reason, recoverable, now)
}

func readError(text string) (reason string, recoverable bool) {
	var e struct {
		ErrorReason *string `json:"errorReason"`
		Recoverable bool    `json:"recoverable"`
	}
	if json.Unmarshal([]byte(text), &e) == nil && e.ErrorReason != nil {
		return *e.ErrorReason, e.Recoverable
	}
	return text, false
}

func resize(sb *sandbox, f fields) {
	for name, size := range map[string]*float64{"cpu": &sb.cpu, "memory": &sb.memory, "disk": &sb.disk} {
		if n := f.number(name); n > 0 {
			*size = n
		}
	}
}

// stoppedNow makes a backup due, which comes without anybody having asked.
func (s *Server) stoppedNow(sb *sandbox, now time.Time) {
	if !sb.backingUp() {
		sb.setBackup(backupNone)
	}
	if !s.options.NoBackups {
		sb.backupDue = now.Add(s.scaled(backupAfterStop))
	}
}

func (s *Server) backedUp(j *job, sb *sandbox, now time.Time) {
	if parseFields(j.payload).str("snapshot") != sb.backupSnapshot {
		return // of another time: the API tracks only the last
	}
	if j.status == completed {
		sb.setBackup(backupCompleted)
		sb.backupAt = now
		return
	}
	sb.setBackup(backupError)
}
