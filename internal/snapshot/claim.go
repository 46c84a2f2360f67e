package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// claimName is an object beside those of a snapshot that is being sent: it says who sends it, so that two runners do
	// not write two snapshots into one, and nobody removes one that is on its way.
	claimName = ".claim"
	// senderName is the file beside the journals of a sending that holds by what name it claims.
	senderName = "sender"
	// claimKept is the age from which a claim is nobody's any more. One attempt at a sending takes less than two hours, the
	// next comes within minutes, and each renews it.
	claimKept = 4 * time.Hour

	maxClaim = 4 << 10 // bytes
)

// claim is what the object holds.
type claim struct {
	Sender   string    `json:"sender"`
	Manifest string    `json:"manifest"` // its SHA-256: who sends the very same may do so
	Source   string    `json:"sourceSandbox"`
	Since    time.Time `json:"since"` // when it was made, or renewed last
}

func (c claim) same(other claim) bool {
	return c.Sender == other.Sender || c.Manifest == other.Manifest
}

// isOver reports whether whoever made it has gone.
func (c claim) isOver() bool { return time.Since(c.Since) >= claimKept }

// sender is the name of one sending in its claims, which is made when it is needed first. It is not the host's: hosts are
// copied with all their files.
func (s *Store) sender(ctx context.Context, name string) (string, error) {
	sender, err := s.sends(ctx, name)
	if err != nil || sender != "" {
		return sender, err
	}
	sender = rand.Text()
	return sender, s.host.WriteFile(ctx, path.Join(s.pushDir(name), senderName), []byte(sender+"\n"), 0o644)
}

// sends is the sender of a name that was sent from here, whole or not; empty where nothing of it was.
func (s *Store) sends(ctx context.Context, name string) (string, error) {
	text, err := s.host.ReadFile(ctx, path.Join(s.pushDir(name), senderName), 0)
	return strings.TrimSpace(string(text)), unlessMissing(err)
}

// take claims the name in the bucket, or renews what this sending has claimed before. Conflict while another sends a snapshot
// of that name.
func (p *push) take(ctx context.Context) error {
	raw, err := json.Marshal(p.claim)
	if err != nil {
		return fault.Wrap(fault.Internal, "write a claim", err)
	}
	at := key(p.name, claimName)
	err = p.bucket.Put(ctx, at, raw, true)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	there, err := p.claimed(ctx, p.name)
	switch {
	case fault.Is(err, fault.NotFound): // it has just gone
		return p.bucket.Put(ctx, at, raw, true)
	case err != nil:
		return err
	case there.same(p.claim):
		return p.bucket.Put(ctx, at, raw, false)
	case !there.isOver():
		return fault.Conflictf("%s: use another name, or wait until it has ended", there.describe())
	}
	if err := p.bucket.Delete(ctx, at); err != nil {
		return err
	}
	return p.bucket.Put(ctx, at, raw, true)
}

func (c claim) describe() string {
	return "another runner sends a snapshot of that name, of sandbox " + c.Source + ", since " + c.Since.Format(time.RFC3339)
}

// hold is a Conflict where the name is claimed by another, or by nobody.
func (p *push) hold(ctx context.Context) error {
	there, err := p.claimed(ctx, p.name)
	if fault.Is(err, fault.NotFound) || err == nil && !there.same(p.claim) {
		return fault.Conflictf("the claim of the name has gone from the bucket: was the snapshot removed while it was sent?")
	}
	return err
}

// claimed is the claim of a name; NotFound where there is none.
func (s *Store) claimed(ctx context.Context, name string) (there claim, err error) {
	raw, err := s.bucket.Get(ctx, key(name, claimName), maxClaim)
	if err == nil && json.Unmarshal(raw, &there) != nil {
		there = claim{} // of nobody, and over
	}
	return there, err
}

// letGo ends the claim of this sending.
func (p *push) letGo(ctx context.Context) error { return p.bucket.Delete(ctx, key(p.name, claimName)) }

// isClaimed is a Conflict while a runner sends a snapshot of the name, unless that is the sending of this name here.
func (s *Store) isClaimed(ctx context.Context, name string) error {
	there, err := s.claimed(ctx, name)
	if err != nil || there.isOver() {
		return unlessMissing(err)
	}
	if ours, err := s.sends(ctx, name); err != nil || ours == there.Sender {
		return err
	}
	return fault.Conflictf("%s: remove it when that has ended", there.describe())
}
