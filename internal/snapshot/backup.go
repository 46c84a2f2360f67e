package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// backupsOrg holds the snapshots whose names are references of a registry: Daytona's backups.
	backupsOrg = "backups"
	// backupsKept is how many backups of a sandbox stay in the bucket: the newest, and the one that Daytona tracks until
	// it has heard of that.
	backupsKept = 2
)

// NameOf is the snapshot that a reference stands for: itself where it is "org/name", and one of backups where it is
// written as of a registry, …/backup-ID:TAG. Any host comes to the same. Invalid where it is neither.
func (s *Store) NameOf(ref string) (string, error) {
	if !strings.Contains(ref, ":") {
		_, _, err := Split(ref)
		return ref, err
	}
	if len(ref) > maxRef {
		return "", fault.Invalidf("reference %.80q… is longer than %d characters", ref, maxRef)
	}
	name := strings.ReplaceAll(path.Base(ref), ":", "_")
	if !component.MatchString(name) {
		sum := sha256.Sum256([]byte(ref))
		name = hex.EncodeToString(sum[:])
	}
	return backupsOrg + "/" + name, nil
}

const maxRef = 512

// SettleBackup removes what a backup that is in the bucket makes superfluous: its copy on this host, and from the bucket all
// of its sandbox but the newest, which it lists. Snapshots that people took stay.
func (s *Store) SettleBackup(ctx context.Context, name string) (removed []string, err error) {
	org, _, err := Split(name)
	if err != nil || org != backupsOrg || s.bucket == nil {
		return nil, err
	}
	newest, _, err := s.remote(ctx, name)
	if err != nil {
		return nil, err
	}
	dir, err := s.Dir(name)
	if err != nil {
		return nil, err
	}
	if sent, err := s.isSent(ctx, name, dir); err != nil {
		return nil, err
	} else if sent { // else the copy here may be the only good one
		if _, err := s.Remove(ctx, name); err != nil {
			return nil, err
		}
	}
	stem, _, _ := strings.Cut(name, "_") // of the reference, before its tag
	found, err := s.manifests(ctx, snapshotsDir+"/"+stem)
	if err != nil {
		return nil, err
	}
	kept := 0
	for _, o := range found {
		m, _, err := s.remote(ctx, nameOf(o))
		if err != nil || m.Source != newest.Source {
			continue // gone meanwhile, or of another sandbox
		}
		if kept++; kept <= backupsKept {
			continue
		}
		if err := s.RemoveRemote(ctx, nameOf(o)); err != nil {
			return removed, err
		}
		removed = append(removed, nameOf(o))
	}
	return removed, nil
}
