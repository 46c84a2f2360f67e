package daytona

import (
	"fmt"
	"time"
)

// The API's own limits; Options.Scale divides them. Daytona looks at most of them periodically, each
// minute for stale jobs, so that there they take effect a little later.
const (
	unresponsiveAfter = 60 * time.Second
	backupAfterStop   = 13 * time.Second // seen; it looks each 10 s
	backupCheck       = 5 * time.Minute  // of started sandboxes
	backupEvery       = time.Hour
	inspectionLimit   = 30 * time.Second
)

// stateLimits says how long after its last activity a sandbox may be in a state, and what is said then.
// Daytona's words are known for starting; the others follow it.
func stateLimits() map[string]struct {
	limit  time.Duration
	reason string
} {
	return map[string]struct {
		limit  time.Duration
		reason string
	}{
		starting:            {5 * time.Minute, "Timeout while starting sandbox"},
		resuming:            {5 * time.Minute, "Timeout while starting sandbox"},
		creating:            {15 * time.Minute, "Timeout while creating sandbox"},
		restoring:           {30 * time.Minute, "Timeout while restoring sandbox"},
		"pulling_snapshot":  {30 * time.Minute, "Timeout while pulling snapshot"},
		"building_snapshot": {60 * time.Minute, "Timeout while building sandbox"},
		snapshotting:        {60 * time.Minute, "Timeout while snapshotting sandbox"},
	}
}

// advance applies what has become due by now. The lock is held.
func (s *Server) advance(now time.Time) {
	changed := false
	s.eachDue(func(at time.Time, apply func()) {
		if !at.After(now) {
			apply()
			changed = true
		}
	}, now)
	if changed {
		s.wake()
	}
}

// nextDue is when the next thing becomes due, or zero. The lock is held.
func (s *Server) nextDue(now time.Time) time.Time {
	var next time.Time
	s.eachDue(func(at time.Time, _ func()) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}, now)
	return next
}

// eachDue visits everything that time brings, with the moment when it does.
func (s *Server) eachDue(visit func(at time.Time, apply func()), now time.Time) {
	if s.runner.state == runnerReady {
		visit(s.runner.lastChecked.Add(s.scaled(unresponsiveAfter)), func() { s.runner.state = runnerUnresponsive })
	}
	for _, j := range s.jobs.all {
		if j.status == inProgress {
			limit := staleAfter(j.kind)
			visit(j.updatedAt.Add(s.scaled(limit)), func() {
				j.errorMessage = fmt.Sprintf("Job timed out - no update received for %d minutes", int(limit.Minutes()))
				s.settleAs(j, failed, "api", now)
			})
		}
	}
	limits := stateLimits()
	for _, sb := range s.sandboxes {
		if l, limited := limits[sb.state]; limited {
			visit(sb.activityAt.Add(s.scaled(l.limit)), func() { sb.fail(l.reason, false, now) })
		}
		if !sb.backupDue.IsZero() && s.jobs.open(sb.id, true) == nil {
			visit(sb.backupDue, func() {
				sb.backupDue = time.Time{}
				if (sb.state == stopped || sb.state == archiving) && sb.backupState == backupNone {
					s.backUp(sb, "stop", now)
				}
			})
		}
	}
	if !s.options.NoBackups {
		visit(s.nextCheck, func() { s.backUpStarted(now) })
	}
}

// backUpStarted asks for the backups of sandboxes that run for long, or have none yet.
func (s *Server) backUpStarted(now time.Time) {
	s.nextCheck = now.Add(s.scaled(backupCheck))
	for _, sb := range s.sandboxes {
		old := sb.backupAt.IsZero() || !now.Before(sb.backupAt.Add(s.scaled(backupEvery)))
		if sb.state == started && !sb.ephemeral && !sb.backingUp() && old {
			s.backUp(sb, "hourly", now)
		}
	}
}

func (s *Server) backUp(sb *sandbox, origin string, now time.Time) {
	// A full queue is the only obstacle, and whoever filled it does not look for a backup.
	_, _ = s.insert(order{Type: createBackup, SandboxID: sb.id, origin: origin}, now)
}
