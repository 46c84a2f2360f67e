package s3store

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// block is the size and the alignment of zeros that are not written, in bytes.
	block = int64(4) << 10
	// downloadRange is what one request of a download asks for, in bytes.
	downloadRange = 32 * MiB
	// downloadBuffer is what is read of an answer before it is written, in bytes.
	downloadBuffer = 256 << 10
)

// DownloadOptions are what a download may be told.
type DownloadOptions struct {
	ETag     string // that the object must have; whatever it has where empty
	Progress *Progress
	// Plan says what of the object is known to be zeros, and is not asked for; the rest of it counts as data. Of no
	// length it is not known. A plan of another size than the object's is Invalid.
	Plan []Piece
}

// Download writes an object to dst, several ranges at a time. Blocks of zeros are not written: what of dst is
// not written must read as zeros, as a fresh file does. A dst that has a method Truncate(int64) error,
// as *os.File, is given the object's size first.
//
// A range whose connection breaks goes on from that byte. An object that changes meanwhile is a
// Conflict, bytes that do not have the object's checksum are Unavailable; where the server has no
// checksum of the whole, only the caller's own digest tells. On failure dst holds parts of the content.
func (s *Store) Download(ctx context.Context, key string, dst io.WriterAt, o DownloadOptions) (Object, error) {
	obj, err := s.download(ctx, key, dst, o)
	return obj, s.fail(ctx, "download", key, err)
}

func (s *Store) download(ctx context.Context, key string, dst io.WriterAt, o DownloadOptions) (Object, error) {
	obj, err := s.Stat(ctx, key)
	if err != nil {
		return Object{}, err
	}
	if o.ETag != "" && o.ETag != obj.ETag {
		return Object{}, errChanged
	}
	o.Progress.addTotal(obj.Size)
	if file, ok := dst.(interface{ Truncate(int64) error }); ok {
		if err := file.Truncate(obj.Size); err != nil {
			return Object{}, written(err)
		}
	}
	ranges, err := o.ranges(obj.Size)
	if err != nil {
		return Object{}, err
	}
	sums := make([]uint32, len(ranges))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(s.opts.Parallel)
	for i, r := range ranges {
		if r.Kind == Zero {
			sums[i] = zerosCRC(r.Length)
			o.Progress.addSkipped(r.Length)
			o.Progress.addDone(r.Length)
			continue
		}
		group.Go(func() error {
			w := &sparseWriter{dst: dst, at: r.at, progress: o.Progress}
			err := s.readRange(groupCtx, obj, r.at, r.Length, w.write)
			sums[i] = w.sum
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Object{}, err
	}
	var sum uint32
	for i, part := range sums {
		sum = joinCRC(sum, part, ranges[i].Length)
	}
	if want, ok := parseCRC(obj.crc); ok && want != sum {
		return Object{}, errDamaged
	}
	return obj, nil
}

// ranges is what is asked for, and what is known to be zeros, in order.
func (o DownloadOptions) ranges(size int64) (ranges []run, err error) {
	plan := o.Plan
	if len(plan) == 0 {
		plan = []Piece{{Length: size}}
	}
	if planned, err := sizeOf(plan); err != nil || planned != size {
		return nil, fault.Invalidf("the plan is of %d bytes, and the object has %d (%v)", planned, size, err)
	}
	at := int64(0)
	for _, p := range plan {
		if p.Kind != Zero {
			p = Piece{Length: p.Length}
		}
		ranges = append(ranges, run{p, at})
		at += p.Length
	}
	var cut []run
	for _, r := range joined(ranges) {
		for r.Kind != Zero && r.Length > downloadRange {
			cut = append(cut, run{Piece{Length: downloadRange}, r.at})
			r.at, r.Length = r.at+downloadRange, r.Length-downloadRange
		}
		cut = append(cut, r)
	}
	return cut, nil
}

// joined joins neighbours of one kind.
func joined(runs []run) (out []run) {
	for _, r := range runs {
		if n := len(out) - 1; n >= 0 && out[n].Kind == r.Kind {
			out[n].Length += r.Length
			continue
		}
		if r.Length > 0 {
			out = append(out, r)
		}
	}
	return out
}

var (
	errChanged = fault.Conflictf("the object has changed meanwhile")
	errDamaged = fault.Unavailablef("what arrived does not have the object's checksum")
)

// brokenBody is the error of an answer that breaks off.
type brokenBody struct{ err error }

func (e *brokenBody) Error() string { return "the connection broke: " + innermost(e.err).Error() }
func (e *brokenBody) Unwrap() error { return e.err }

func isBroken(err error) bool {
	var broken *brokenBody
	return errors.As(err, &broken)
}

// readRange gives take the bytes of a range in order, in slices that end at a multiple of
// downloadBuffer or at the end. It asks again for the rest when a connection breaks, and gives up when
// that happens Attempts times without a byte between.
func (s *Store) readRange(ctx context.Context, obj Object, at, length int64, take func([]byte) error) error {
	buf := make([]byte, min(downloadBuffer, length))
	have := 0 // bytes of buf that are not taken yet
	for attempt := 1; length > 0; attempt++ {
		body, err := s.openRange(ctx, obj, at+int64(have), length-int64(have))
		if err != nil {
			return err
		}
		err = func() error {
			defer body.Close()
			for length > 0 {
				n, err := io.ReadFull(body, buf[have:min(int64(len(buf)), length)])
				if n > 0 {
					attempt = 1
				}
				have += n
				if err != nil {
					return &brokenBody{err}
				}
				if err := take(buf[:have]); err != nil {
					return err
				}
				at, length, have = at+int64(have), length-int64(have), 0
			}
			return nil
		}()
		switch {
		case err == nil:
			return nil
		case !isBroken(err) || attempt >= s.opts.Attempts:
			return err
		}
		if err := s.sleep(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// openRange asks for a range of an object as it was when obj was read.
func (s *Store) openRange(ctx context.Context, obj Object, at, length int64) (io.ReadCloser, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: s.bucket(), Key: aws.String(obj.Key), IfMatch: aws.String(obj.ETag), Range: aws.String(byteRange(at, length)),
	}, func(o *s3.Options) {
		// The checksum in the answer, if any, is that of the whole.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	switch {
	case err != nil && kindOf(err) == fault.Conflict, errorCode(err) == "InvalidRange":
		return nil, errChanged
	case err != nil && isAbsent(err):
		return nil, fault.NotFoundf("the object was removed meanwhile")
	case err != nil:
		return nil, err
	case aws.ToInt64(out.ContentLength) != length:
		out.Body.Close()
		return nil, fault.Unavailablef("the server sends %d bytes where %d were asked for", aws.ToInt64(out.ContentLength), length)
	}
	return out.Body, nil
}

// sparseWriter writes what comes in order to its place, but for blocks of zeros.
type sparseWriter struct {
	dst      io.WriterAt
	at       int64 // a multiple of block, but at the end
	sum      uint32
	progress *Progress
}

var zeroBytes [block]byte

func (w *sparseWriter) write(p []byte) error {
	w.sum = crc32.Update(w.sum, crc32.IEEETable, p)
	w.progress.addReceived(int64(len(p)))
	for len(p) > 0 {
		n, zero := sameBlocks(p)
		if zero {
			w.progress.addSkipped(int64(n))
		} else if _, err := w.dst.WriteAt(p[:n], w.at); err != nil {
			return written(err)
		}
		w.progress.addDone(int64(n))
		w.at += int64(n)
		p = p[n:]
	}
	return nil
}

// sameBlocks returns the length of the run of blocks with which p, which is not empty, begins that are all
// zero, or all not.
func sameBlocks(p []byte) (n int, zero bool) {
	isZero := func(p []byte) (bool, int) {
		size := min(len(p), int(block))
		return bytes.Equal(p[:size], zeroBytes[:size]), size
	}
	zero, n = isZero(p)
	for n < len(p) {
		next, size := isZero(p[n:])
		if next != zero {
			break
		}
		n += size
	}
	return n, zero
}

// written says that the destination of a download cannot be written.
func written(err error) error {
	kind := kindOf(err)
	if kind == fault.Unavailable { // it is no error of the network
		kind = fault.Internal
	}
	return fault.Wrap(kind, "write what arrives", err)
}
