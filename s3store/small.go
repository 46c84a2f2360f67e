package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daytonaio/runner-android/internal/fault"
)

// metaAttempt is the key of the metadata that holds a random word for each object that was sent,
// by which a sender whose answer was lost knows its own.
const metaAttempt = "s3store-attempt"

// Put stores a small object whole. With ifAbsent it is a Conflict when there is one already;
// one that this very call has stored, with its answer lost, is none.
func (s *Store) Put(ctx context.Context, key string, data []byte, ifAbsent bool) error {
	_, err := s.put(ctx, key, bytes.NewReader(data), nil, ifAbsent)
	return err
}

// put stores content with one request.
func (s *Store) put(ctx context.Context, key string, content io.ReadSeeker, meta map[string]string, ifAbsent bool) (Object, error) {
	attempt := rand.Text()
	in := &s3.PutObjectInput{
		Bucket: s.bucket(), Key: aws.String(key), Body: content, Metadata: withAttempt(meta, attempt),
	}
	if !s.opts.PlainRequests {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	if ifAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	size, err := content.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Object{}, s.fail(ctx, "store", key, err)
	}
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return Object{Key: key, Size: size, ETag: aws.ToString(out.ETag), Metadata: in.Metadata}, nil
	}
	if ifAbsent && kindOf(err) == fault.Conflict && ctx.Err() == nil {
		if there, statErr := s.Stat(ctx, key); statErr == nil {
			if there.Metadata[metaAttempt] == attempt {
				return there, nil
			}
			return Object{}, fault.Conflictf("there is an object %q in bucket %q already", key, s.opts.Bucket)
		}
	}
	return Object{}, s.fail(ctx, "store", key, err)
}

func withAttempt(meta map[string]string, attempt string) map[string]string {
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[metaAttempt] = attempt
	return meta
}

// Get returns an object whole. An absent one is NotFound, one over limit bytes TooLarge.
func (s *Store) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		data, err := s.get(ctx, key, limit)
		if err == nil {
			return data, nil
		}
		// The SDK repeats requests, not answers that break off or are damaged.
		if !isBroken(err) || attempt >= s.opts.Attempts || s.sleep(ctx, attempt) != nil {
			return nil, s.fail(ctx, "get", key, err)
		}
	}
}

func (s *Store) get(ctx context.Context, key string, limit int64) ([]byte, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket(), Key: aws.String(key)}
	if !s.opts.PlainRequests {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		if isAbsent(err) {
			return nil, fault.NotFoundf("there is no such object")
		}
		return nil, err
	}
	defer out.Body.Close()
	if size := aws.ToInt64(out.ContentLength); size > limit {
		return nil, fault.New(fault.TooLarge, "it has %d bytes, and %d are the limit", size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
	switch {
	case err != nil:
		return nil, &brokenBody{err}
	case int64(len(data)) > limit:
		return nil, fault.New(fault.TooLarge, "it has more than %d bytes", limit)
	case out.ContentLength != nil && int64(len(data)) != *out.ContentLength:
		return nil, &brokenBody{io.ErrUnexpectedEOF}
	}
	return data, nil
}
