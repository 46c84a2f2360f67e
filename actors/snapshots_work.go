package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const (
	// sendAgain is between two attempts at sending what could not be sent.
	sendAgain = 5 * time.Minute
	// tidyEvery is between two looks for what nobody uses, here and in the bucket.
	tidyEvery = time.Hour
)

type (
	// fetchSnapshot asks for a snapshot to be whole on this host, under a name that sandboxes can be created from. Answered
	// with sandbox.Image.
	fetchSnapshot struct{ snapshot, name string }

	// backUp asks for a sandbox's data to be in the bucket under a reference. Answered with sandbox.Image.
	backUp struct {
		id  sandbox.ID
		ref string
	}

	// sendTick makes the actor look for what was not sent, and for what nobody uses; unsent is what there is.
	sendTick struct{ token kernel.Token }
	unsent   struct {
		bucket        error // what is wrong with the bucket
		names, unused []string
		tidy          bool // unused ones were looked for
	}
)

// onBeginPull answers at once; a pull that cannot begin is told of by GetSnapshot, too.
func (s *Snapshots) onBeginPull(msg messages.BeginPullSnapshot) {
	s.onPull(msg.Source, msg.Ref, kernel.Reply{})
	s.Answer(messages.Done{})
}

// onPull makes a source known under a name. What is not on this host is fetched first.
func (s *Snapshots) onPull(source, ref string, reply kernel.Reply) {
	name := s.snapshotOf(source)
	s.transfer(task{work: workLink, name: ref, uses: name, source: source, do: func(ctx context.Context, p *pace) (any, error) {
		image, err := s.world.Images.Link(ctx, source, ref)
		if !fault.Is(err, fault.NotFound) || name == "" {
			return image, err
		}
		if missing := s.pull(ctx, name, p); fault.Is(missing, fault.NotFound) {
			return image, fault.NotFoundf("%v; %v", err, missing)
		} else if missing != nil {
			return image, missing
		}
		return s.world.Images.Link(ctx, name, ref)
	}}, reply)
}

func (s *Snapshots) pull(ctx context.Context, name string, p *pace) error {
	return inTurn(ctx, s.network, p, func() error { return s.world.Saved.Pull(ctx, name, p.report) })
}

func (s *Snapshots) push(ctx context.Context, name string, p *pace) error {
	return inTurn(ctx, s.network, p, func() error { return s.world.Saved.Push(ctx, name, p.report) })
}

// onFetch has a snapshot fetched that a sandbox is to be made from.
func (s *Snapshots) onFetch(msg fetchSnapshot) {
	s.transfer(task{work: workFetch, name: msg.name, uses: msg.snapshot, source: "the bucket", do: func(ctx context.Context, p *pace) (any, error) {
		if err := s.pull(ctx, msg.snapshot, p); err != nil || msg.snapshot == msg.name {
			return sandbox.Image{Name: msg.snapshot}, err
		}
		return s.world.Images.Link(ctx, msg.snapshot, msg.name)
	}}, s.Take())
}

// fetch sees to it that a sandbox can be created from a name, if that is a snapshot's: that all of it is on this host, with
// the base images that it was taken with. What is no snapshot is left to whoever looks for it on this host.
func (w *world) fetch(ctx context.Context, name string, report func(sandbox.Phase)) error {
	snapshot, err := w.Images.Leads(ctx, name)
	here := err == nil
	if fault.Is(err, fault.NotFound) {
		if snapshot, err = w.Saved.NameOf(name); err != nil {
			return nil //nolint:nilerr // a base image
		}
	}
	if err != nil || snapshot == "" {
		return err
	}
	if here {
		report(sandbox.Phase{Name: "its snapshot is looked at", Step: 1, Of: 1})
		switch whole, err := w.Saved.Use(ctx, snapshot); {
		case fault.Is(err, fault.NotFound):
			return nil // a directory of images that somebody put there
		case err != nil || whole:
			return err
		}
	}
	report(sandbox.Phase{Name: "its snapshot is fetched", Step: 1, Of: 1})
	_, err = w.snapshots.Ask(ctx, fetchSnapshot{snapshot, name})
	if !here && fault.Is(err, fault.NotFound) {
		return fault.NotFoundf("snapshot %s does not exist: %v", name, err)
	}
	return err
}

// onTake has a sandbox saved under a name, and sent to the bucket where there is one.
func (s *Snapshots) onTake(msg messages.TakeSnapshot) {
	source := "sandbox " + string(msg.ID)
	if msg.Halt {
		source += ", stopped for it" // who wants that does not join one that is taken as it runs
	}
	s.transfer(task{work: workTake, name: msg.Name, source: source, do: func(ctx context.Context, p *pace) (any, error) {
		if err := s.take(ctx, msg, p); err != nil {
			return sandbox.Image{}, err
		}
		if s.world.Saved.Shared() {
			if err := s.push(ctx, msg.Name, p); err != nil {
				return sandbox.Image{}, fault.Op("snapshot "+msg.Name+" is saved on this host, and will be sent again", err)
			}
		}
		return s.world.Images.Inspect(ctx, msg.Name)
	}}, s.Take())
}

// take captures a sandbox when its turn has come.
func (s *Snapshots) take(ctx context.Context, msg messages.TakeSnapshot, p *pace) error {
	if err := s.world.Saved.Free(ctx, msg.Name, string(msg.ID)); err != nil { // before anything is stopped
		return err
	}
	return inTurn(ctx, s.takings, p, func() error {
		if msg.Halt {
			return s.captureHalted(ctx, msg)
		}
		return s.tell(ctx, msg.ID, captureSandbox{msg.Name})
	})
}

// captureHalted captures a sandbox that is stopped for it, if it runs. It is started again in every case but two: a stop that somebody
// asks for meanwhile, and the end of the runner, after which the next one starts it.
func (s *Snapshots) captureHalted(ctx context.Context, msg messages.TakeSnapshot) (err error) {
	defer func() {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.world.Limits.Start)
		defer cancel()
		err = errors.Join(err, fault.Op("start the sandbox again", s.tell(own, msg.ID, goOn{})))
	}()
	if err := s.tell(ctx, msg.ID, haltSandbox{}); err != nil {
		return err
	}
	return s.tell(ctx, msg.ID, captureSandbox{msg.Name})
}

// tell has a sandbox do something.
func (s *Snapshots) tell(ctx context.Context, id sandbox.ID, what any) error {
	ref := s.world.directory.find(id)
	if ref == nil {
		return fault.NotFoundf("sandbox %s does not exist on this runner", id)
	}
	_, err := ref.Ask(ctx, what)
	return err
}

// onBackUp saves a sandbox in the bucket, and nowhere else: a backup is there for when the sandbox is not here any more.
func (s *Snapshots) onBackUp(msg backUp) {
	if !s.world.Saved.Shared() {
		s.Refuse(fault.Unsupportedf("a backup needs a bucket, and this runner has none (AWS_DEFAULT_BUCKET): sandbox %s stays as it is", msg.id))
		return
	}
	name, err := s.world.Saved.NameOf(msg.ref)
	if err != nil {
		s.Refuse(err)
		return
	}
	s.transfer(task{work: workBackUp, name: name, source: "sandbox " + string(msg.id), do: func(ctx context.Context, p *pace) (any, error) {
		return s.backUp(ctx, msg.id, name, p)
	}}, s.Take())
}

// backUp does what of a backup was not done before.
func (s *Snapshots) backUp(ctx context.Context, id sandbox.ID, name string, p *pace) (sandbox.Image, error) {
	image, err := s.world.Saved.Remote(ctx, name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return image, err
	}
	if err != nil {
		image = sandbox.Image{Name: name}
		if err := s.send(ctx, id, name, p); err != nil {
			return image, err
		}
	}
	s.settleBackup(ctx, name)
	return image, nil
}

// send saves a sandbox, unless that was done before, and sends it.
func (s *Snapshots) send(ctx context.Context, id sandbox.ID, name string, p *pace) error {
	there, err := s.world.Images.Exists(ctx, name)
	if err != nil {
		return err
	}
	if !there {
		err := inTurn(ctx, s.takings, p, func() error { return s.tell(ctx, id, captureSandbox{name}) })
		if err != nil {
			return err
		}
	}
	return s.push(ctx, name, p)
}

// settleBackup removes what a backup that is in the bucket makes superfluous; of another snapshot, nothing. That it cannot be
// removed is no failure of the backup.
func (s *Snapshots) settleBackup(ctx context.Context, name string) {
	removed, err := s.world.Saved.SettleBackup(ctx, name)
	if err != nil || len(removed) > 0 {
		s.world.Log.Info("older backups are removed", zap.Strings("removed", removed), zap.Error(err))
	}
}

// armSend looks for what was not sent after a while.
func (s *Snapshots) armSend(wait time.Duration) {
	s.cancel()
	s.sending = s.world.tokens.Next()
	s.cancel = s.self.TellAfter(wait, sendTick{s.sending})
}

func (s *Snapshots) onSendTick(msg sendTick) {
	if msg.token != s.sending || !s.world.Saved.Shared() {
		return
	}
	tidy := time.Since(s.tidied) >= tidyEvery
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, inspectLimit)
		defer cancel()
		found := unsent{tidy: tidy}
		err := kernel.Guarded(s.world.Log, func() (err error) {
			if found.bucket = s.world.Saved.Check(ctx); found.bucket != nil {
				found.tidy = false
			}
			if found.names, err = s.world.Saved.Pending(ctx); err != nil || !found.tidy {
				return err
			}
			n, err := s.world.Saved.Tidy(ctx)
			if n > 0 {
				s.world.Log.Info("unfinished uploads of long ago are ended", zap.Int("ended", n))
			}
			if err != nil || s.world.Collect.After == 0 {
				return err
			}
			found.unused, err = s.world.Saved.Unused(ctx, s.world.Collect.After)
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.world.Log.Warn("what is to be sent to the bucket, or removed, cannot be looked for", zap.Error(err))
		}
		s.self.Tell(found)
	})
}

// onUnsent sends what an earlier runner, or an earlier attempt, did not.
func (s *Snapshots) onUnsent(msg unsent) {
	s.onBucket(msg.bucket)
	for _, name := range msg.names {
		if _, busy := s.transfers[name]; busy {
			continue
		}
		s.transfer(task{work: workSend, name: name, source: "this host", do: func(ctx context.Context, p *pace) (any, error) {
			if err := s.push(ctx, name, p); err != nil {
				return nil, err
			}
			s.settleBackup(ctx, name)
			return messages.Done{}, nil
		}}, kernel.Reply{})
	}
	if msg.tidy {
		s.tidied = time.Now()
		s.collect(msg.unused)
	}
	s.armSend(sendAgain)
}

// onBucket notes how the bucket is. It is no part of the host's health, by which Daytona chooses runners: they share it.
func (s *Snapshots) onBucket(err error) {
	was := s.bucket
	s.bucket = ""
	if err != nil {
		s.bucket = err.Error()
	}
	s.world.metrics.bucket(err == nil)
	switch {
	case s.bucket == was:
	case err != nil:
		s.world.Log.Warn("the bucket cannot be used: what is to be sent there waits on this host", zap.Error(err))
	default:
		s.world.Log.Info("the bucket can be used again")
	}
}

// collect removes copies that nobody uses and the bucket has, or says only that it would.
func (s *Snapshots) collect(names []string) {
	if !s.world.Collect.Remove {
		if len(names) > 0 && !slices.Equal(names, s.unused) {
			s.world.Log.Info("snapshots that nobody uses stay on this host; the bucket has them (SNAPSHOT_COLLECTION)", zap.Strings("snapshots", names))
		}
		s.unused = names
		return
	}
	for _, name := range names {
		if _, busy := s.transfers[name]; busy {
			continue
		}
		s.transfer(task{work: workCollect, name: name, source: "this host", do: func(ctx context.Context, _ *pace) (any, error) {
			_, err := s.world.Saved.RemoveUnused(ctx, name, s.world.Collect.After)
			return messages.Done{}, err
		}}, kernel.Reply{})
	}
}
