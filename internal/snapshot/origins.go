package snapshot

import (
	"context"
	"path"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/s3store"
)

// maxCandidates bounds how many snapshots are looked at for what need not be sent.
const maxCandidates = 12

// origins are the places of the bucket that hold what is to be sent, by its digest.
type origins struct {
	files  map[string]s3store.Origin // whole ones
	chunks map[string]s3store.Origin
}

// origins looks for the content of a snapshot in those that the bucket has: the newest of its organisation, and of
// others on this host what their base images are. That an object is what its snapshot's manifest says is told by the
// digest in its metadata; one that changes afterwards has another ETag, and is not copied from.
func (s *Store) origins(ctx context.Context, name string, m Manifest) (origins, error) {
	o := origins{files: map[string]s3store.Origin{}, chunks: map[string]s3store.Origin{}}
	for _, f := range slices.Concat(m.Images, m.Files) {
		if f.Encoding != "" {
			continue // of what is compressed no part is found again
		}
		o.files[f.SHA256] = s3store.Origin{}
		for _, c := range f.Chunks {
			if c != "" {
				o.chunks[c] = s3store.Origin{}
			}
		}
	}
	org, _, err := Split(name)
	if err != nil {
		return o, err
	}
	found, err := s.manifests(ctx, snapshotsDir+"/"+org+"/")
	if err != nil {
		return o, err
	}
	for _, obj := range found[:min(len(found), maxCandidates)] {
		other, _, err := s.remote(ctx, nameOf(obj))
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			continue
		}
		if err != nil {
			return o, err
		}
		if err := s.offer(ctx, o, nameOf(obj), slices.Concat(other.Images, other.Files)); err != nil {
			return o, err
		}
	}
	return o, s.offerLocal(ctx, o, org)
}

// offerLocal looks at the base images of other organisations' snapshots that are on this host. They are the operator's.
func (s *Store) offerLocal(ctx context.Context, o origins, org string) error {
	looked := 0
	return s.each(ctx, func(other string, e host.FileInfo) error {
		if other == org || !component.MatchString(e.Name) || looked >= maxCandidates {
			return nil
		}
		m, _, err := s.read(ctx, path.Join(s.dir, other, e.Name))
		if err != nil {
			return nil //nolint:nilerr // what it is does not matter here
		}
		looked++
		return s.offer(ctx, o, other+"/"+e.Name, m.Images)
	})
}

// offer takes from the files of a snapshot in the bucket what is wanted and was not found yet.
func (s *Store) offer(ctx context.Context, o origins, name string, files []File) error {
	for _, f := range files {
		if f.SHA256 == "" || f.Encoding != "" || !o.lacks(f) {
			continue
		}
		obj, there, err := s.object(ctx, name, f)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		from := s3store.Origin{Key: obj.Key, ETag: obj.ETag}
		o.take(o.files, f.SHA256, from)
		for i, c := range f.Chunks {
			from.Offset = int64(i) * ChunkSize
			o.take(o.chunks, c, from)
		}
	}
	return nil
}

func (o origins) lacks(f File) bool {
	return o.wants(o.files, f.SHA256) || slices.ContainsFunc(f.Chunks, func(c string) bool { return o.wants(o.chunks, c) })
}

func (origins) wants(in map[string]s3store.Origin, digest string) bool {
	known, wanted := in[digest]
	return wanted && known.Key == ""
}

func (o origins) take(in map[string]s3store.Origin, digest string, from s3store.Origin) {
	if o.wants(in, digest) {
		in[digest] = from
	}
}

// plan says what of a file need not be sent. holes finds the zeros of one without chunks.
func (o origins) plan(f File, holes func() ([]s3store.Piece, error)) ([]s3store.Piece, error) {
	if from := o.files[f.SHA256]; from.Key != "" {
		return []s3store.Piece{{Length: f.Size, Kind: s3store.Copy, From: from}}, nil
	}
	if len(f.Chunks) == 0 {
		return holes()
	}
	plan := f.zeros()
	for i, c := range f.Chunks {
		if from := o.chunks[c]; from.Key != "" {
			plan[i].Kind, plan[i].From = s3store.Copy, from
		}
	}
	return plan, nil
}

// zeros says of each chunk whether it is known to be zeros; nothing of a file without chunks.
func (f File) zeros() []s3store.Piece {
	plan := make([]s3store.Piece, len(f.Chunks))
	for i, c := range f.Chunks {
		plan[i].Length = min(ChunkSize, f.Size-int64(i)*ChunkSize)
		if c == "" {
			plan[i].Kind = s3store.Zero
		}
	}
	return plan
}
