package s3store

import (
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Open returns an object as a stream, which the caller closes. The stream goes on where it was when its
// connection breaks; an object that has changed then is a Conflict, content that does not have the
// object's checksum is Unavailable, in place of the end. Reads fail when the context ends.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, Object, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket(), Key: aws.String(key)}
	if !s.opts.PlainRequests {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		if isAbsent(err) {
			err = s.whyAbsent(ctx, key)
		}
		return nil, Object{}, s.fail(ctx, "open", key, err)
	}
	obj := Object{
		Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified), Metadata: lowerKeys(out.Metadata),
	}
	if out.ChecksumType != types.ChecksumTypeComposite {
		obj.crc = wholeCRC(aws.ToString(out.ChecksumCRC32))
	}
	return &reader{ctx: ctx, store: s, obj: obj, body: out.Body}, obj, nil
}

// reader is an object as a stream. It is for one goroutine.
type reader struct {
	ctx     context.Context
	store   *Store
	obj     Object
	body    io.ReadCloser // nil after a break
	pos     int64
	sum     uint32
	attempt int   // since the last byte
	err     error // the end
}

func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil && len(p) > 0 {
		if r.pos >= r.obj.Size {
			r.err = io.EOF
			if want, ok := parseCRC(r.obj.crc); ok && want != r.sum {
				r.err = r.store.fail(r.ctx, "read", r.obj.Key, errDamaged)
			}
			break
		}
		n, err := r.readOn(p)
		if n > 0 {
			r.sum = crc32.Update(r.sum, crc32.IEEETable, p[:n])
			r.pos += int64(n)
			r.attempt = 0
			return n, nil
		}
		if err != nil {
			r.err = r.store.fail(r.ctx, "read", r.obj.Key, err)
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, r.err
}

// readOn reads from the body, or opens it again. Neither bytes nor an error mean: once more.
func (r *reader) readOn(p []byte) (int, error) {
	if r.body == nil {
		body, err := r.store.openRange(r.ctx, r.obj, r.pos, r.obj.Size-r.pos)
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.obj.Size-r.pos)])
	if n > 0 || err == nil {
		return n, nil
	}
	r.body.Close()
	r.body = nil
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	r.attempt++
	if r.attempt >= r.store.opts.Attempts {
		return 0, &brokenBody{err}
	}
	return 0, r.store.sleep(r.ctx, r.attempt)
}

func (r *reader) Close() error {
	if r.err == nil {
		r.err = errClosed
	}
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}

var errClosed = errors.New("read of a closed object")
