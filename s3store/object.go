package s3store

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Object is what a bucket says of one object.
type Object struct {
	Key      string
	Size     int64  // bytes
	ETag     string // changes with the content; an MD5 sometimes, and not to be relied on as one
	Modified time.Time
	Metadata map[string]string // keys in lower case; empty in a List

	crc string // of the whole, in base64, or ""
}

// Stat describes an object. An absent one is NotFound.
func (s *Store) Stat(ctx context.Context, key string) (Object, error) {
	in := &s3.HeadObjectInput{Bucket: s.bucket(), Key: aws.String(key)}
	if !s.opts.PlainRequests {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.HeadObject(ctx, in)
	if err != nil {
		if isAbsent(err) {
			err = s.whyAbsent(ctx, key)
		}
		return Object{}, s.fail(ctx, "look at", key, err)
	}
	obj := Object{
		Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified), Metadata: lowerKeys(out.Metadata),
	}
	if out.ChecksumType != types.ChecksumTypeComposite {
		obj.crc = wholeCRC(aws.ToString(out.ChecksumCRC32))
	}
	return obj, nil
}

// whyAbsent asks for the object once more in a way that has an answer with a body: the one to Stat's
// question does not tell an absent object from an absent bucket.
func (s *Store) whyAbsent(ctx context.Context, key string) error {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket(), Key: aws.String(key), Range: aws.String("bytes=0-0")})
	if err == nil {
		out.Body.Close()
		return fault.Unavailablef("it was not there, and then it was")
	}
	if isAbsent(err) {
		return fault.NotFoundf("there is no such object")
	}
	return err
}

func lowerKeys(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[strings.ToLower(k)] = v
	}
	return out
}

// List returns the objects whose keys begin with prefix, in the order of their keys, without their
// metadata. It ends after the first error. The store's own objects are left out, unless prefix is theirs.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: s.bucket(), Prefix: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, s.fail(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				obj := Object{
					Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag),
					Modified: aws.ToTime(o.LastModified),
				}
				if s.reserved(obj.Key) && !s.reserved(prefix) {
					continue
				}
				if !yield(obj, nil) {
					return
				}
			}
		}
	}
}

// Delete removes objects. A key that is absent is no error. It goes on after failures to the last
// key, and returns them joined.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	var failures []error
	for batch := range slices.Chunk(keys, deleteBatch) {
		if len(batch) > 1 && !s.cannotBatch.Load() {
			left, err := s.deleteBatch(ctx, batch)
			if err != nil {
				failures = append(failures, err)
				continue
			}
			batch = left
		}
		for _, key := range batch {
			_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket(), Key: aws.String(key)})
			if err != nil && !isAbsent(err) {
				failures = append(failures, s.fail(ctx, "delete", key, err))
			}
			if ctx.Err() != nil {
				return errors.Join(failures...)
			}
		}
	}
	return errors.Join(failures...)
}

// deleteBatch removes keys with one request and returns those that are to be deleted one by one:
// those that the server had trouble with, or all where it does not take batches.
func (s *Store) deleteBatch(ctx context.Context, keys []string) (left []string, err error) {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		ids[i].Key = aws.String(key)
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: s.bucket(), Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	if err != nil {
		// Some want a Content-MD5, which the SDK does not send, and say so in many ways.
		if code := errorCode(err); lacks(err) || status(err) == http.StatusBadRequest && !damaged[code] && kinds[code] == fault.Internal {
			s.cannotBatch.Store(true)
			return keys, nil
		}
		return nil, s.fail(ctx, "delete objects of", "", err)
	}
	for _, e := range out.Errors {
		if e.Key != nil && aws.ToString(e.Code) != "NoSuchKey" {
			left = append(left, *e.Key) // its own answer says more, and is tried again
		}
	}
	return left, nil
}

// AbortStale ends the multipart uploads below prefix that began longer ago than olderThan, so that
// their parts cost no room, and returns how many. Those of this moment are told by age alone.
func (s *Store) AbortStale(ctx context.Context, prefix string, olderThan time.Duration) (aborted int, err error) {
	before := time.Now().Add(-olderThan)
	var failures []error
	// Not by prefix: MinIO takes that for a whole key and lists nothing (tried with 7aac2a2, of 2026-02).
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: s.bucket()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return aborted, errors.Join(append(failures, s.fail(ctx, "list unfinished uploads of", prefix, err))...)
		}
		for _, u := range page.Uploads {
			if u.Initiated == nil || u.Initiated.After(before) || !strings.HasPrefix(aws.ToString(u.Key), prefix) {
				continue
			}
			if err := s.abort(ctx, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil {
				failures = append(failures, err)
				continue
			}
			aborted++
		}
	}
	return aborted, errors.Join(failures...)
}
