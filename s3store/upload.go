package s3store

import (
	"context"
	"errors"
	"io"

	"github.com/daytonaio/runner-android/internal/fault"
)

// UploadOptions are what an upload may be told besides its content.
type UploadOptions struct {
	Metadata map[string]string // kept with the object; keys in lower case
	Progress *Progress

	// Journal makes an upload that was interrupted, or has failed, go on where it was when it is asked for
	// again. It needs the Digest: any word that differs when the content does. Not for streams.
	Journal Journal
	Digest  string
}

// Upload stores content under key, replacing an object that is there. Src holds all of it; the plan
// says what of it need not be sent. What the server cannot copy, be it that it cannot copy at all,
// or that an object that is copied from is gone, changed or too short, is sent.
//
// The object is there when Upload returns nil, and not before. On failure the parts that
// were sent are removed, unless the options have a journal.
func (s *Store) Upload(ctx context.Context, key string, src io.ReaderAt, plan []Piece, o UploadOptions) (Object, error) {
	obj, err := s.upload(withProgress(ctx, o.Progress), key, src, plan, o)
	return obj, s.fail(ctx, "upload", key, err)
}

func (s *Store) upload(ctx context.Context, key string, src io.ReaderAt, plan []Piece, o UploadOptions) (Object, error) {
	size, err := sizeOf(plan)
	if err != nil {
		return Object{}, err
	}
	if o.Journal != nil && o.Digest == "" {
		return Object{}, fault.Invalidf("an upload with a journal needs the digest of its content")
	}
	o.Progress.addTotal(size)
	wanted := tidy(plan)
	plan, err = s.copyable(ctx, wanted)
	if err != nil {
		return Object{}, err
	}
	parts := partition(plan, size, s.opts.PartSize)
	t := &transfer{key: key, src: src, size: size, parts: parts, meta: o.Metadata, progress: o.Progress}

	if level := blockFor(parts); level >= 0 {
		t.zero, err = s.zeros(ctx, level)
		switch {
		case s.cannotCopy.Load():
			t.parts = partition([]Piece{{Length: size}}, size, s.opts.PartSize)
		case err != nil:
			return Object{}, err
		}
	}
	if len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].Kind == Data {
		obj, err := s.put(ctx, key, &source{src: src, length: size}, o.Metadata, false)
		if err == nil {
			o.Progress.addDone(size)
		}
		return obj, err
	}
	if o.Journal != nil {
		t.journal = &journal{Journal: o.Journal, key: key, plan: s.fingerprint(key, o.Digest, wanted, t.parts)}
	}
	return s.assemble(ctx, t)
}

// copyable returns the plan with those pieces as data that cannot be copied, as far as that is
// known beforehand. The origins of the others have the ETags that their objects have now.
func (s *Store) copyable(ctx context.Context, plan []Piece) ([]Piece, error) {
	var zeros int64
	for _, p := range plan {
		if p.Kind == Zero && p.Length >= MinPart {
			zeros += p.Length
		}
	}
	cannot := s.cannotCopy.Load()
	plan = asData(plan, func(p Piece) bool {
		return cannot || p.Length < MinPart || p.Kind == Zero && zeros < fewZeros
	})
	there := map[string]Object{}
	for i, p := range plan {
		if p.Kind != Copy {
			continue
		}
		obj, ok := there[p.From.Key]
		if !ok {
			var err error
			if obj, err = s.Stat(ctx, p.From.Key); err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			there[p.From.Key] = obj
		}
		if obj.Size <= MinPart || p.From.Offset+p.Length > obj.Size || p.From.ETag != "" && p.From.ETag != obj.ETag {
			plan[i] = Piece{Length: p.Length}
			continue
		}
		plan[i].From.ETag = obj.ETag
	}
	return plan, nil
}

// sendInstead reports whether a part that could not be copied is to be sent, and remembers why.
func (s *Store) sendInstead(ctx context.Context, p part, err error) bool {
	if ctx.Err() != nil || isGone(err) {
		return false
	}
	if lacks(err) {
		s.cannotCopy.Store(true)
		return true
	}
	switch kindOf(err) {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Forbidden:
		if p.Kind == Zero {
			s.forgetZeros(ctx)
		}
		return errorCode(err) != "" && errorCode(err) != "ExpiredToken"
	default:
		return false
	}
}

// hopeless reports whether the end of an upload was refused in a way that the same parts will be
// refused again.
func hopeless(err error) bool {
	switch kindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.TooLarge:
		return true
	default:
		return damaged[errorCode(err)]
	}
}

// own reports whether the object under the key is the one that the attempt has made.
func (s *Store) own(ctx context.Context, key, attempt string) (Object, bool) {
	obj, err := s.Stat(ctx, key)
	return obj, err == nil && obj.Metadata[metaAttempt] == attempt
}

// settle removes what a failed upload has left, unless it can go on from there.
func (s *Store) settle(ctx context.Context, m *multipart, j *journal, cause error) error {
	if j == nil {
		return errors.Join(cause, s.abort(ctx, m.key, m.ID))
	}
	return errors.Join(cause, j.save(true))
}
