package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/internal/fault"
)

// UploadStream stores what r gives until its end under key, replacing an object that is there. It holds
// PartSize × Parallel bytes in memory. The object is there when it returns nil, and not before; on
// failure nothing is left. More than 10,000 parts are TooLarge. It does not return while
// r.Read waits: whoever cancels the context ends r too.
func (s *Store) UploadStream(ctx context.Context, key string, r io.Reader, o UploadOptions) (Object, error) {
	obj, err := s.stream(withProgress(ctx, o.Progress), key, r, o)
	return obj, s.fail(ctx, "upload", key, err)
}

func (s *Store) stream(ctx context.Context, key string, r io.Reader, o UploadOptions) (Object, error) {
	if o.Journal != nil {
		return Object{}, fault.Invalidf("a stream cannot go on after an interruption: it takes no journal")
	}
	buf := make([]byte, s.opts.PartSize)
	n, more, err := fill(r, buf)
	if err != nil {
		return Object{}, err
	}
	o.Progress.addTotal(int64(n))
	if !more {
		obj, err := s.put(ctx, key, bytes.NewReader(buf[:n]), o.Metadata, false)
		if err == nil {
			o.Progress.addDone(int64(n))
		}
		return obj, err
	}
	m, err := s.begin(ctx, key, o.Metadata, true)
	if err != nil {
		return Object{}, err
	}
	done, size, err := s.streamParts(ctx, m, r, buf, o.Progress)
	if err != nil {
		return Object{}, errors.Join(err, s.abort(ctx, key, m.ID))
	}
	return s.finish(ctx, &transfer{key: key, size: size}, m, done)
}

// streamParts sends buf, which is full, and then the rest of r. It returns the parts and their sum.
func (s *Store) streamParts(ctx context.Context, m *multipart, r io.Reader, buf []byte, progress *Progress) (done []donePart, size int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan []byte, s.opts.Parallel) // buffers; nil for one that is not made yet
	for range s.opts.Parallel - 1 {
		free <- nil
	}
	var mu sync.Mutex // guards parts
	parts := map[int32]donePart{}
	group, groupCtx := errgroup.WithContext(ctx)
	send := func(number int32, buf, content []byte) {
		group.Go(func() error {
			p, err := m.send(ctx, number, bytes.NewReader(content), int64(len(content)))
			if err != nil {
				return err
			}
			progress.addDone(p.Size)
			mu.Lock()
			parts[number] = p
			mu.Unlock()
			free <- buf
			return nil
		})
	}

	content, more := buf, true
	for number := int32(1); len(content) > 0; number++ {
		if number > maxParts {
			err = fault.New(fault.TooLarge, "the content has more than %d parts of %d bytes: set a larger part size", maxParts, s.opts.PartSize)
			break
		}
		size += int64(len(content))
		send(number, buf, content)
		if !more {
			break
		}
		select {
		case buf = <-free:
		case <-groupCtx.Done():
		}
		if groupCtx.Err() != nil {
			break
		}
		if buf == nil {
			buf = make([]byte, s.opts.PartSize)
		}
		var n int
		if n, more, err = fill(r, buf); err != nil {
			break
		}
		content = buf[:n]
		progress.addTotal(int64(n))
	}
	if err != nil {
		cancel()
		_ = group.Wait() // cancelled by this
		return nil, 0, err
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	return sorted(parts), size, ctx.Err()
}

// fill reads until the buffer is full, and reports whether there may be more.
func fill(r io.Reader, buf []byte) (n int, more bool, err error) {
	n, err = io.ReadFull(r, buf)
	switch {
	case err == nil:
		return n, true, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, false, nil
	default:
		return n, false, fault.Op("read the content", err)
	}
}
