package snapshot

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/s3store"
)

const (
	// metaDigest is the key of an object's metadata that holds the SHA-256 of the file that it is, in hex.
	metaDigest = "sha256"
	// maxListed bounds how many keys one question looks through.
	maxListed = 100_000
)

// Shared reports whether snapshots are kept in a bucket, where other hosts find them.
func (s *Store) Shared() bool { return s.bucket != nil }

// Check asks whether the bucket can be read, and says in a person's words why not. Without a bucket there is nothing wrong.
func (s *Store) Check(ctx context.Context) error {
	if s.bucket == nil {
		return nil
	}
	return s.bucket.Check(ctx)
}

// key is where a file of a snapshot is in the bucket; the empty file is all of them.
func key(name, file string) string { return snapshotsDir + "/" + name + "/" + file }

// errNoBucket says that there is none.
func errNoBucket() error {
	return fault.Unsupportedf("this runner has no bucket: set AWS_ENDPOINT_URL, AWS_DEFAULT_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

// Remote says what the snapshot of a name is in the bucket. NotFound where that has none.
func (s *Store) Remote(ctx context.Context, name string) (sandbox.Image, error) {
	m, raw, err := s.remote(ctx, name)
	if err != nil {
		return sandbox.Image{}, err
	}
	image := m.image(raw)
	image.Name = name
	return image, nil
}

func (s *Store) remote(ctx context.Context, name string) (Manifest, []byte, error) {
	if s.bucket == nil {
		return Manifest{}, nil, fault.NotFoundf("snapshot %s is not on this host, and there is no bucket to look into", name)
	}
	if _, _, err := Split(name); err != nil {
		return Manifest{}, nil, err
	}
	raw, err := s.bucket.Get(ctx, key(name, ManifestName), maxManifest)
	if fault.Is(err, fault.NotFound) {
		bucket, at := s.bucket.Bucket()
		return Manifest{}, nil, fault.NotFoundf("snapshot %s is neither on this host nor in the bucket %s at %s", name, bucket, at)
	}
	if err != nil {
		return Manifest{}, nil, err
	}
	m, err := Parse(raw)
	return m, raw, fault.Op("snapshot "+name+" in the bucket", err)
}

// RemoveRemote takes a snapshot out of the bucket: its manifest first, without which it does not exist. An absent one is
// no error, and what an upload left that did not come to its end is removed as well. Conflict while another runner sends one of
// that name: its last object would come after the removal.
func (s *Store) RemoveRemote(ctx context.Context, name string) error {
	if s.bucket == nil {
		return errNoBucket()
	}
	if _, _, err := Split(name); err != nil {
		return err
	}
	if err := s.isClaimed(ctx, name); err != nil {
		return err
	}
	if err := s.bucket.Delete(ctx, key(name, ManifestName)); err != nil {
		return err
	}
	return s.removeObjects(ctx, name)
}

// removeObjects removes what is in the bucket below a name.
func (s *Store) removeObjects(ctx context.Context, name string) error {
	var keys []string
	for o, err := range s.bucket.List(ctx, key(name, "")) {
		if err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	if _, err := s.bucket.AbortStale(ctx, key(name, ""), 0); err != nil {
		return err
	}
	return s.bucket.Delete(ctx, keys...)
}

// staleUpload is the age from which an unfinished upload is nobody's any more.
const staleUpload = 48 * time.Hour

// Tidy ends the uploads, and removes what sendings have left in the bucket and pulls here, that nobody goes on with, so that they
// cost no room.
func (s *Store) Tidy(ctx context.Context) (aborted int, err error) {
	if s.bucket == nil {
		return 0, nil
	}
	err = s.each(ctx, func(org string, e host.FileInfo) error { return s.dropPull(ctx, org, e) })
	if err != nil {
		return 0, err
	}
	if err := s.dropOrphans(ctx); err != nil {
		return 0, err
	}
	return s.bucket.AbortStale(ctx, snapshotsDir+"/", staleUpload)
}

// dropOrphans removes from the bucket what sendings left that nobody goes on with: their claims, and where no manifest came the
// objects.
func (s *Store) dropOrphans(ctx context.Context) error {
	claims, err := s.filesCalled(ctx, snapshotsDir+"/", claimName)
	if err != nil {
		return err
	}
	for _, o := range claims {
		if time.Since(o.Modified) < staleUpload {
			continue
		}
		_, err := s.bucket.Stat(ctx, key(nameOf(o), ManifestName))
		switch {
		case err == nil:
			err = s.bucket.Delete(ctx, o.Key)
		case fault.Is(err, fault.NotFound):
			err = s.removeObjects(ctx, nameOf(o))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropPull removes an entry of an organisation's directory if it is what a pull has left for long.
func (s *Store) dropPull(ctx context.Context, org string, e host.FileInfo) error {
	snap, isPull := strings.CutPrefix(e.Name, pullMark)
	if !isPull || time.Since(e.ModTime) < pullKept {
		return nil
	}
	end, err := s.turn(ctx, org+"/"+snap)
	if err != nil {
		return err
	}
	defer end()
	left := path.Join(s.dir, org, e.Name)
	if now, err := s.host.Lstat(ctx, left); err != nil || time.Since(now.ModTime) < pullKept {
		return unlessMissing(err)
	}
	return s.host.RemoveAll(ctx, left)
}

// manifests lists those below a prefix of the bucket, the newest first.
func (s *Store) manifests(ctx context.Context, prefix string) ([]s3store.Object, error) {
	found, err := s.filesCalled(ctx, prefix, ManifestName)
	slices.SortFunc(found, func(a, b s3store.Object) int {
		return cmp.Or(b.Modified.Compare(a.Modified), strings.Compare(b.Key, a.Key))
	})
	return found, err
}

// filesCalled lists the objects of one file's name that snapshots below a prefix of the bucket have.
func (s *Store) filesCalled(ctx context.Context, prefix, file string) (found []s3store.Object, err error) {
	n := 0
	for o, err := range s.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if path.Base(o.Key) == file && isName(nameOf(o)) {
			found = append(found, o)
		}
		if n++; n >= maxListed {
			break
		}
	}
	return found, nil
}

func isName(name string) bool {
	_, _, err := Split(name)
	return err == nil
}

// nameOf is the snapshot of which an object of [Store.filesCalled] is a file.
func nameOf(o s3store.Object) string {
	return strings.TrimPrefix(path.Dir(o.Key), snapshotsDir+"/")
}
