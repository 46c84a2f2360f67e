package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// pushMark is before the name of a directory beside a snapshot that is to be sent to the bucket. The directory says that,
// and holds what is known of the uploads under way; it goes when the bucket has the manifest.
const pushMark = ".push-"

func (s *Store) pushDir(name string) string {
	org, snap, _ := strings.Cut(name, "/")
	return path.Join(s.dir, org, pushMark+snap)
}

// Pending lists the snapshots of this host that are to be sent to the bucket and were not, or not whole.
func (s *Store) Pending(ctx context.Context) (names []string, err error) {
	if s.bucket == nil {
		return nil, nil
	}
	err = s.each(ctx, func(org string, e host.FileInfo) error {
		name, marked, err := s.toSend(ctx, org, e)
		if marked && err == nil {
			names = append(names, name)
		}
		return unlessMissing(err) // one that is being taken is not there yet
	})
	return names, err
}

// toSend is the snapshot that an entry of an organisation's directory marks as one to be sent. NotFound where there is
// none of that name.
func (s *Store) toSend(ctx context.Context, org string, e host.FileInfo) (name string, marked bool, err error) {
	snap, marked := strings.CutPrefix(e.Name, pushMark)
	if !marked || !component.MatchString(snap) {
		return "", false, nil
	}
	name = org + "/" + snap
	_, err = s.host.Lstat(ctx, path.Join(s.dir, name, ManifestName))
	return name, true, err
}

// journal keeps what is known of uploads under way, a file for each object.
type journal struct {
	ctx  context.Context // of the one transfer that uses it
	host host.Files
	dir  string
}

func (j journal) file(key string) string {
	sum := sha256.Sum256([]byte(key))
	return path.Join(j.dir, hex.EncodeToString(sum[:16])+".json")
}

// Load implements [s3store.Journal].
func (j journal) Load(key string) ([]byte, error) {
	data, err := j.host.ReadFile(j.ctx, j.file(key), 0)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return data, err
}

// Save implements [s3store.Journal].
func (j journal) Save(key string, data []byte) error {
	return j.host.WriteFile(j.ctx, j.file(key), data, 0o600)
}

// Forget implements [s3store.Journal].
func (j journal) Forget(key string) error { return j.host.RemoveAll(j.ctx, j.file(key)) }
