package snapshot

import (
	"bytes"
	"context"
	"path"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/s3store"
)

// push is one snapshot on its way to the bucket.
type push struct {
	transfer
	dir     string
	origins origins
	journal journal
}

// Push sends a snapshot of this host to the bucket, the base images included, so that another host needs nothing else.
// What the bucket has already is copied there. The manifest is last: before it there is no such snapshot. Doing it
// again after an interruption goes on where it was, and is success where it had come to its end. Conflict when the
// bucket has another snapshot of that name, or a base image is no longer what the device was made from.
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
	switch there, err := s.bucket.Get(ctx, key(name, ManifestName), maxManifest); {
	case err == nil && bytes.Equal(there, raw):
		return s.host.RemoveAll(ctx, s.pushDir(name))
	case err == nil:
		bucket, _ := s.bucket.Bucket()
		return fault.Conflictf("the bucket %s has another snapshot of that name: remove that first", bucket)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	if err := s.host.MkdirAll(ctx, s.pushDir(name), 0o755); err != nil {
		return err
	}
	p := &push{transfer: transfer{Store: s, name: name}, dir: dir, journal: journal{ctx, s.host, s.pushDir(name)}}
	if err := p.sendAll(ctx, m, report); err != nil {
		return err
	}
	if err := s.bucket.Put(ctx, key(name, ManifestName), raw, true); err != nil {
		return err
	}
	return s.host.RemoveAll(ctx, s.pushDir(name))
}

func (p *push) sendAll(ctx context.Context, m Manifest, report func(sandbox.Progress)) (err error) {
	files := slices.Concat(m.Files, m.Images)
	defer p.watch(files, report)()
	if p.origins, err = p.Store.origins(ctx, p.name, m); err != nil {
		return err
	}
	for _, f := range files {
		if err := p.send(ctx, f); err != nil {
			return fault.Op(f.Name, err)
		}
	}
	p.say("look at what arrived")
	for _, f := range files { // somebody else may have sent the same name meanwhile
		_, there, err := p.object(ctx, p.name, f)
		if err == nil && !there {
			err = fault.Conflictf("it is not in the bucket as it was sent: does another runner send a snapshot of that name?")
		}
		if err != nil {
			return fault.Op(f.Name, err)
		}
	}
	return nil
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
	p.say("upload " + f.Name)
	if _, there, err := p.object(ctx, p.name, f); err != nil || there {
		p.there.Add(f.Size)
		return err
	}
	file, err := p.host.EvalSymlinks(ctx, path.Join(p.dir, f.Name)) // of a base image
	if err != nil {
		return err
	}
	r, err := p.host.Open(ctx, file)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was read
	o := s3store.UploadOptions{Metadata: map[string]string{metaDigest: f.SHA256}, Progress: &p.counts}
	if f.Encoding != "" {
		return p.sendCompressed(ctx, f, r, o)
	}
	plan, err := p.origins.plan(f, func() ([]s3store.Piece, error) { return p.unchanged(ctx, f, file, r) })
	if err != nil {
		return err
	}
	o.Journal, o.Digest = p.journal, f.SHA256
	_, err = p.bucket.Upload(ctx, key(p.name, f.object()), r, plan, o)
	return err
}

// unchanged reads a base image that has to be sent: it is the operator's, and may have been replaced. Its holes are not
// sent.
func (p *push) unchanged(ctx context.Context, f File, file string, r host.Reader) (plan []s3store.Piece, err error) {
	p.say("read " + f.Name)
	sum, err := p.host.SHA256(ctx, file)
	if err != nil {
		return nil, err
	}
	if sum != f.SHA256 {
		return nil, fault.Conflictf("%s has changed since the snapshot was taken: its digest is %s, and was %s", file, sum, f.SHA256)
	}
	p.say("upload " + f.Name)
	for at := int64(0); at < f.Size; {
		start, end, err := r.NextData(at)
		if err != nil {
			return nil, err
		}
		start, end = min(start, f.Size), min(end, f.Size)
		plan = append(plan, s3store.Piece{Length: start - at, Kind: s3store.Zero}, s3store.Piece{Length: end - start})
		at = max(end, start)
		if end <= start {
			break
		}
	}
	return plan, nil
}
