package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/s3store"
)

// push is one snapshot on its way to the bucket.
type push struct {
	transfer
	dir     string
	claim   claim
	origins origins
	journal journal
}

// Push sends a snapshot of this host to the bucket, the base images included, so that another host needs nothing else.
// What the bucket has already is copied there. The manifest is last: before it there is no such snapshot. Doing it
// again after an interruption goes on where it was, and is success where it had come to its end. Conflict when the
// bucket has another snapshot of that name, another runner sends one, or a file or base image is no longer what the manifest says.
func (s *Store) Push(ctx context.Context, name string, report func(sandbox.Progress)) (err error) {
	defer func() { err = fault.Op("send snapshot "+name+" to the bucket", err) }()
	if s.bucket == nil {
		return errNoBucket()
	}
	dir, err := s.Dir(name)
	if err != nil {
		return err
	}
	m, raw, err := s.read(ctx, dir)
	if err != nil {
		return err
	}
	if !m.Verified() {
		if m, raw, err = s.complete(ctx, dir, m, report); err != nil {
			return err
		}
	}
	p := &push{transfer: transfer{Store: s, name: name}, dir: dir, journal: journal{ctx, s.host, s.pushDir(name)}}
	sent, err := p.wasSent(ctx, raw)
	if err == nil && !sent {
		err = p.sendClaimed(ctx, m, raw, report)
	}
	if err != nil {
		return err
	}
	if err := p.letGo(ctx); err != nil {
		return err
	}
	return s.host.RemoveAll(ctx, s.pushDir(name))
}

// wasSent reports whether the bucket has the manifest. Conflict where it has another.
func (p *push) wasSent(ctx context.Context, raw []byte) (bool, error) {
	switch there, err := p.bucket.Get(ctx, key(p.name, ManifestName), maxManifest); {
	case err == nil && bytes.Equal(there, raw):
		return true, nil
	case err == nil:
		bucket, _ := p.bucket.Bucket()
		return false, fault.Conflictf("the bucket %s has another snapshot of that name: remove that first", bucket)
	default:
		return false, unlessMissing(err)
	}
}

// sendClaimed sends everything, the manifest last, while nobody else sends a snapshot of the name.
func (p *push) sendClaimed(ctx context.Context, m Manifest, raw []byte, report func(sandbox.Progress)) error {
	if err := p.host.MkdirAll(ctx, p.pushDir(p.name), 0o755); err != nil {
		return err
	}
	sender, err := p.sender(ctx, p.name)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	p.claim = claim{Sender: sender, Manifest: hex.EncodeToString(sum[:]), Source: m.Source, Since: time.Now().UTC()}
	if err := p.take(ctx); err != nil {
		return err
	}
	if sent, err := p.wasSent(ctx, raw); err != nil || sent { // by one who has let go since
		return errors.Join(err, p.letGo(ctx))
	}
	if err := p.sendAll(ctx, m, report); err != nil {
		return err
	}
	return p.bucket.Put(ctx, key(p.name, ManifestName), raw, true)
}

func (p *push) sendAll(ctx context.Context, m Manifest, report func(sandbox.Progress)) (err error) {
	files := slices.Concat(m.Files, m.Images)
	defer p.watch(files, report)()
	if p.origins, err = p.Store.origins(ctx, p.name, m); err != nil {
		return err
	}
	for _, f := range files {
		if err := p.hold(ctx); err != nil {
			return err
		}
		if err := p.send(ctx, f); err != nil {
			return fault.Op(f.Name, err)
		}
	}
	p.say("look at what arrived")
	for _, f := range files { // there are other programs that write into buckets
		_, there, err := p.object(ctx, p.name, f)
		if err == nil && !there {
			err = fault.Conflictf("it is not in the bucket as it was sent: does something else write a snapshot of that name?")
		}
		if err != nil {
			return fault.Op(f.Name, err)
		}
	}
	return p.hold(ctx)
}

// object looks for a file of a snapshot in the bucket, with the content that it has to have.
func (s *Store) object(ctx context.Context, name string, f File) (s3store.Object, bool, error) {
	obj, err := s.bucket.Stat(ctx, key(name, f.object()))
	if fault.Is(err, fault.NotFound) {
		return obj, false, nil
	}
	same := f.SHA256 != "" && obj.Metadata[metaDigest] == f.SHA256 && (obj.Size == f.Size || f.Encoding != "")
	return obj, same, err
}

func (p *push) send(ctx context.Context, f File) error {
	p.say("look for " + f.Name)
	if _, there, err := p.object(ctx, p.name, f); err != nil || there {
		p.there.Add(f.Size)
		return err
	}
	file, err := p.host.EvalSymlinks(ctx, path.Join(p.dir, f.Name)) // of a base image
	if err != nil {
		return err
	}
	if err := p.unchanged(ctx, f, file); err != nil {
		return err
	}
	p.say("upload " + f.Name)
	r, err := p.host.Open(ctx, file)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was read
	o := s3store.UploadOptions{Metadata: map[string]string{metaDigest: f.SHA256}, Progress: &p.counts}
	if f.Encoding != "" {
		return p.sendCompressed(ctx, f, r, o)
	}
	plan, err := p.origins.plan(f, func() ([]s3store.Piece, error) { return dataOf(r, f.Size) })
	if err != nil {
		return err
	}
	o.Journal, o.Digest = p.journal, f.SHA256
	_, err = p.bucket.Upload(ctx, key(p.name, f.object()), r, plan, o)
	return err
}

// unchanged is a Conflict where a file is not what the manifest says: a base image is the operator's, and may have been replaced,
// and a saved file may have been damaged since it was taken. What is sent under a digest everybody believes to have it.
func (p *push) unchanged(ctx context.Context, f File, file string) error {
	p.say("check " + f.Name)
	if strings.HasPrefix(f.Name, DataDir+"/") {
		err := p.check(ctx, f, file)
		if fault.Is(err, fault.Invalid) {
			return fault.Conflictf("it was damaged since it was taken: %v", err)
		}
		return err
	}
	sum, err := p.sum(ctx, file)
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		return fault.Conflictf("%s has changed since the snapshot was taken: its digest is %s, and was %s", file, sum, f.SHA256)
	}
	return nil
}

// dataOf plans a file of size bytes, whose holes are not sent.
func dataOf(r host.Reader, size int64) (plan []s3store.Piece, err error) {
	for at := int64(0); at < size; {
		start, end, err := r.NextData(at)
		if err != nil {
			return nil, err
		}
		start, end = min(start, size), min(end, size)
		plan = append(plan, s3store.Piece{Length: start - at, Kind: s3store.Zero}, s3store.Piece{Length: end - start})
		at = max(end, start)
		if end <= start {
			break
		}
	}
	return plan, nil
}
