package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Check asks for one key of the bucket, and says in a person's words what is wrong: no such bucket,
// an unknown access key, a wrong secret, keys that may not read the bucket, nobody at the
// address, a clock that is off. It tries twice only. That the keys may write is not looked at.
func (s *Store) Check(ctx context.Context) error {
	// Not HeadBucket, whose answer has no body to say why.
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket(), MaxKeys: aws.Int32(1)},
		func(o *s3.Options) { o.RetryMaxAttempts = min(2, s.opts.Attempts) })
	return s.fail(ctx, "look into", "", err)
}
