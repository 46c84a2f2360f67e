package s3store

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/internal/fault"
)

// transfer is one object on its way by multipart upload.
type transfer struct {
	key      string
	src      io.ReaderAt // nil where all parts are copies; then nothing can be sent instead
	size     int64
	parts    []part
	zero     Origin // where zeros are copied from
	meta     map[string]string
	progress *Progress
	journal  *journal // nil where the upload cannot go on later
}

// copies reports whether a part comes from another object. Such an upload is not summed up: for a range that it copies
// versitygw 1.8.0 answers with the CRC32 of the whole source, so that the sum of the parts would be wrong.
func (t *transfer) copies() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.Kind != Data })
}

// assemble carries the transfer out: begins it or goes on with it, moves its parts, and has the server
// put them together.
func (s *Store) assemble(ctx context.Context, t *transfer) (Object, error) {
	there, err := s.resume(ctx, t)
	if err != nil {
		return Object{}, err
	}
	if there.complete != nil {
		t.progress.addSkipped(t.size)
		t.progress.addDone(t.size)
		return *there.complete, t.journal.forget()
	}
	m := there.upload
	if m == nil {
		if m, err = s.begin(ctx, t.key, t.meta, !t.copies()); err != nil {
			return Object{}, err
		}
		// Nothing is sent before the journal knows of it.
		if err := t.journal.begin(m); err != nil {
			return Object{}, errors.Join(err, s.abort(ctx, m.key, m.ID))
		}
	}

	done := make([]donePart, len(t.parts))
	// After a failure no further part begins, and those on their way are let arrive: one that arrives behind the abort
	// would bring the upload back.
	var group errgroup.Group
	var failed atomic.Bool
	group.SetLimit(s.opts.Parallel)
	for i, p := range t.parts {
		number := int32(i + 1)
		if have, ok := there.parts[number]; ok && have.Size == p.Length {
			done[i] = have
			t.progress.addSkipped(p.Length)
			t.progress.addDone(p.Length)
			continue
		}
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			var err error
			if done[i], err = s.movePart(ctx, t, m, number, p); err != nil {
				failed.Store(true)
				return err
			}
			t.progress.addDone(p.Length)
			t.journal.add(done[i])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Object{}, s.settle(ctx, m, t.journal, err)
	}
	return s.finish(ctx, t, m, done)
}

// movePart has one part arrive at the server, by copy or from the source.
func (s *Store) movePart(ctx context.Context, t *transfer, m *multipart, number int32, p part) (donePart, error) {
	from := p.From
	if p.Kind == Zero {
		from = t.zero
	}
	if p.Kind != Data && (t.src == nil || !s.cannotCopy.Load()) {
		done, err := m.copy(ctx, number, from, p.Length)
		if err == nil {
			t.progress.addCopied(p.Length)
			return done, nil
		}
		instead := s.sendInstead(ctx, p, err)
		if !instead || t.src == nil {
			return done, err
		}
	}
	return m.send(ctx, number, &source{src: t.src, at: p.Offset, length: p.Length}, p.Length)
}

// finish has the parts put together and looks whether the object is what was meant.
func (s *Store) finish(ctx context.Context, t *transfer, m *multipart, done []donePart) (Object, error) {
	err := m.complete(ctx, done)
	if err != nil {
		// An answer that was lost is followed by "no such upload". It may have been this one.
		if obj, own := s.own(ctx, t.key, m.Attempt); own {
			return obj, t.journal.forget()
		}
		if hopeless(err) {
			return Object{}, errors.Join(err, t.journal.forget(), s.abort(ctx, m.key, m.ID))
		}
		return Object{}, s.settle(ctx, m, t.journal, err)
	}
	if err := t.journal.forget(); err != nil {
		return Object{}, err
	}
	obj, err := s.Stat(ctx, t.key)
	switch {
	case err != nil:
		return Object{}, err
	case obj.Metadata[metaAttempt] != m.Attempt:
		return Object{}, fault.Conflictf("another upload has replaced the object meanwhile")
	case obj.Size != t.size:
		return Object{}, fault.Unavailablef("the server has %d bytes of %d", obj.Size, t.size)
	}
	return obj, nil
}
