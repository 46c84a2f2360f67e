package actors

import (
	"context"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// backedUp is the outcome of a backup.
type backedUp struct {
	ref   string
	reply kernel.Reply
	err   error
}

// onBackUp has the data saved in the bucket. The sandbox stays what it is; its info tells how far that is, for as long
// as this incarnation lives: Daytona asks again for what is told to be none.
func (s *Sandbox) onBackUp(ref string, reply kernel.Reply) {
	if err := s.otherBackup(ref); err != nil {
		reply.Fail(err)
		return
	}
	s.backup = sandbox.Backup{State: sandbox.BackupInProgress, Ref: ref}
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(reply.Trace(s.life), transferLimit)
		defer cancel()
		out := backedUp{ref: ref, reply: reply}
		out.err = kernel.Guarded(s.log, func() error {
			_, err := s.world.snapshots.Ask(ctx, backUp{s.id, ref})
			return err
		})
		s.self.Tell(out)
	})
}

// onBeginBackUp answers at once; how it ends is told by the sandbox's info.
func (s *Sandbox) onBeginBackUp(ref string) {
	if err := s.otherBackup(ref); err != nil {
		s.Refuse(err)
		return
	}
	s.onBackUp(ref, kernel.Reply{})
	s.Answer(messages.Done{})
}

// otherBackup is a Conflict while the sandbox is backed up under another reference.
func (s *Sandbox) otherBackup(ref string) error {
	if s.backup.State == sandbox.BackupInProgress && s.backup.Ref != ref {
		return fault.Conflictf("sandbox %s is being backed up as %s already: ask again when that has ended", s.id, s.backup.Ref)
	}
	return nil
}

func (s *Sandbox) onBackedUp(msg backedUp) {
	if s.backup.Ref == msg.ref {
		s.backup.State = sandbox.BackupCompleted
		if msg.err != nil {
			s.backup.State, s.backup.Failure = sandbox.BackupFailed, msg.err.Error()
		}
	}
	if msg.err != nil {
		msg.reply.Fail(msg.err)
		return
	}
	msg.reply.Send(messages.Done{})
}
