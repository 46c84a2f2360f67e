package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Copy has the server copy an object, with its metadata; no content passes through here. An absent
// one is NotFound, one that changes meanwhile a Conflict. A server that cannot copy is Unsupported.
func (s *Store) Copy(ctx context.Context, from, to string) (Object, error) {
	obj, err := s.copyObject(ctx, from, to, maxCopy)
	return obj, s.fail(ctx, "copy to", to, err)
}

// copyObject copies objects of up to whole bytes with one request, and larger ones in parts.
func (s *Store) copyObject(ctx context.Context, from, to string, whole int64) (Object, error) {
	obj, err := s.Stat(ctx, from)
	if err != nil {
		return Object{}, err
	}
	if obj.Size > whole {
		origin := Origin{Key: from, ETag: obj.ETag}
		parts := partition([]Piece{{Length: obj.Size, Kind: Copy, From: origin}}, obj.Size, s.opts.PartSize)
		return s.assemble(ctx, &transfer{key: to, size: obj.Size, parts: parts, meta: obj.Metadata})
	}
	_, err = s.client.CopyObject(patiently(ctx), &s3.CopyObjectInput{
		Bucket: s.bucket(), Key: aws.String(to),
		CopySource: aws.String(s.copySource(from)), CopySourceIfMatch: aws.String(obj.ETag),
	})
	if err != nil {
		return Object{}, err
	}
	there, err := s.Stat(ctx, to)
	if err == nil && there.Size != obj.Size {
		err = fault.Unavailablef("the copy has %d bytes of %d", there.Size, obj.Size)
	}
	return there, err
}
