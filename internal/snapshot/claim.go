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
	// not write two snapshots into one.
	claimName = ".claim"
	// senderName is the file of the snapshots' directory that holds by what name this runner claims.
	senderName = ".sender"
	// claimKept is the age from which a claim is nobody's any more: its unfinished uploads are ended then, too.
	claimKept = staleUpload

	maxClaim = 4 << 10 // bytes
)

// claim is what the object holds.
type claim struct {
	Sender   string    `json:"sender"`
	Manifest string    `json:"manifest"` // its SHA-256: who sends the very same may do so
	Source   string    `json:"sourceSandbox"`
	Since    time.Time `json:"since"`
}

func (c claim) same(other claim) bool {
	return c.Sender == other.Sender || c.Manifest == other.Manifest
}

// sender is the name of this runner in claims, which is made when it is needed first.
func (s *Store) sender(ctx context.Context) (string, error) {
	file := path.Join(s.dir, senderName)
	text, err := s.host.ReadFile(ctx, file, 0)
	if name := strings.TrimSpace(string(text)); err == nil && name != "" {
		return name, nil
	}
	if unlessMissing(err) != nil {
		return "", err
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if text, err := s.host.ReadFile(ctx, file, 0); err == nil && len(text) > 0 { // another push was faster
		return strings.TrimSpace(string(text)), nil
	}
	name := rand.Text()
	return name, s.host.WriteFile(ctx, file, []byte(name+"\n"), 0o644)
}

// take claims the name in the bucket, or renews what this runner has claimed before. Conflict while another sends a snapshot
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
	there, err := p.claimed(ctx)
	switch {
	case fault.Is(err, fault.NotFound): // it has just gone
		return p.bucket.Put(ctx, at, raw, true)
	case err != nil:
		return err
	case there.same(p.claim):
		return p.bucket.Put(ctx, at, raw, false)
	}
	held, err := p.bucket.Stat(ctx, at)
	if err != nil {
		return err
	}
	if age := time.Since(held.Modified); age < claimKept {
		return fault.Conflictf("another runner sends a snapshot of that name, of sandbox %s, since %s: use another name, "+
			"or remove that one everywhere if its runner is gone", there.Source, there.Since.Format(time.RFC3339))
	}
	if err := p.bucket.Delete(ctx, at); err != nil {
		return err
	}
	return p.bucket.Put(ctx, at, raw, true)
}

// hold is a Conflict where the name is claimed by another, or by nobody: it was removed meanwhile.
func (p *push) hold(ctx context.Context) error {
	there, err := p.claimed(ctx)
	if fault.Is(err, fault.NotFound) || err == nil && !there.same(p.claim) {
		return fault.Conflictf("the snapshot was removed from the bucket while it was sent, or another runner sends one of that name")
	}
	return err
}

func (p *push) claimed(ctx context.Context) (there claim, err error) {
	raw, err := p.bucket.Get(ctx, key(p.name, claimName), maxClaim)
	if err == nil && json.Unmarshal(raw, &there) != nil {
		there = claim{} // nobody's
	}
	return there, err
}

// letGo ends the claim of a name that has its manifest.
func (p *push) letGo(ctx context.Context) error { return p.bucket.Delete(ctx, key(p.name, claimName)) }
