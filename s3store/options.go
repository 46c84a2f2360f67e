package s3store

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Sizes of S3, and what follows from them.
const (
	KiB = int64(1) << 10
	MiB = int64(1) << 20
	GiB = int64(1) << 30

	// MinPart is the least size of a part that is not the last, in bytes.
	MinPart = 5 * MiB

	maxParts    = 10_000
	maxCopy     = 5 * GiB // of one CopyObject or UploadPartCopy
	maxPart     = 5 * GiB
	deleteBatch = 1000
	maxSize     = int64(32) << 40 // of an object: what fits into the parts with room to spare
)

// Options says which bucket, and how it is used. Endpoint, Bucket and the keys are required.
type Options struct {
	Endpoint     string // http://host:port or https://host; buckets are in the path
	Region       string // "us-east-1" where empty
	Bucket       string
	AccessKey    string
	SecretKey    string
	SessionToken string // only with temporary keys

	// PartSize is what one part of data holds, in bytes: 8 MiB where zero, MinPart at least. Parts of
	// files that would need too many are larger. A stream of unknown length has 10,000 of them at most.
	PartSize int64
	// Parallel is how many requests one transfer has in flight: 4 where zero. A stream needs
	// PartSize × Parallel bytes of memory, other transfers 256 KiB × Parallel.
	Parallel int
	// Reserved is the prefix of the keys that the store makes for itself, ".s3store/" where empty.
	Reserved string

	// PlainRequests sends no checksums and asks for none ("when required"), for servers that
	// stumble over them.
	PlainRequests bool

	// Attempts is how often a request is tried: 8 where zero. Pauses between are random, up to
	// RetryDelay (200 ms where zero) which doubles each time to 100 × RetryDelay.
	Attempts   int
	RetryDelay time.Duration
	// Patience is how long a connection may be silent before it is given up: a minute where zero.
	// Copies within the server and the end of a multipart upload have twenty times as long.
	Patience time.Duration
}

// Store is one bucket. It is safe for concurrent use.
type Store struct {
	opts   Options
	client *s3.Client
	base   *http.Transport

	cannotCopy  atomic.Bool // the server has no UploadPartCopy
	cannotBatch atomic.Bool // the server refuses DeleteObjects
	cannotSum   atomic.Bool // the server refuses checksums of a whole multipart object

	zeroTurn chan struct{}    // holds a value while a block of zeros is looked up or made
	zero     map[int64]Origin // blocks of zeros that are there, by size; guarded by zeroTurn
}

// Open checks the options and returns the store. It talks to nobody: Check does.
// A wrong option is an Invalid error that names it.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Store{opts: o, zero: map[int64]Origin{}, zeroTurn: make(chan struct{}, 1)}
	s.base = newTransport(o)
	checksums, validation := aws.RequestChecksumCalculationWhenSupported, aws.ResponseChecksumValidationWhenSupported
	if o.PlainRequests {
		checksums, validation = aws.RequestChecksumCalculationWhenRequired, aws.ResponseChecksumValidationWhenRequired
	}
	s.client = s3.New(s3.Options{
		BaseEndpoint:               aws.String(o.Endpoint),
		UsePathStyle:               true,
		Region:                     o.Region,
		Credentials:                aws.CredentialsProviderFunc(o.credentials),
		Retryer:                    newRetryer(o),
		HTTPClient:                 &http.Client{Transport: &watched{base: s.base, patience: o.Patience}},
		RequestChecksumCalculation: checksums,
		ResponseChecksumValidation: validation,
		DisableLogOutputChecksumValidationSkipped: true,
	})
	return s, nil
}

// Close closes idle connections. Transfers in flight are not touched.
func (s *Store) Close() { s.base.CloseIdleConnections() }

// Bucket returns the bucket's name, and the endpoint at which it is, for messages.
func (s *Store) Bucket() (name, endpoint string) { return s.opts.Bucket, s.opts.Endpoint }

func (o Options) withDefaults() Options {
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	o.Region = orElse(o.Region, "us-east-1")
	o.Reserved = orElse(o.Reserved, ".s3store/")
	o.PartSize = orElse(o.PartSize, 8*MiB)
	o.Parallel = orElse(o.Parallel, 4)
	o.Attempts = orElse(o.Attempts, 8)
	o.RetryDelay = orElse(o.RetryDelay, 200*time.Millisecond)
	o.Patience = orElse(o.Patience, time.Minute)
	return o
}

func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (o Options) validate() error {
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil:
		// The text is not repeated: it may hold credentials.
		return fault.Invalidf("the S3 endpoint is not an address of the form http://host:port or https://host, without user and password")
	case o.Bucket == "" || strings.ContainsAny(o.Bucket, "/?# "):
		return fault.Invalidf("%q is not the name of a bucket", o.Bucket)
	case o.AccessKey == "" || o.SecretKey == "":
		return fault.Invalidf("the S3 access key and secret key must both be set")
	case o.PartSize < MinPart || o.PartSize > maxPart-MinPart:
		return fault.Invalidf("a part of %d bytes is not between %d and %d", o.PartSize, MinPart, maxPart-MinPart)
	case o.PartSize%block != 0:
		return fault.Invalidf("a part of %d bytes is not a multiple of %d", o.PartSize, block)
	case o.Parallel < 1 || o.Parallel > 256:
		return fault.Invalidf("%d requests at a time are not between 1 and 256", o.Parallel)
	case o.Attempts < 1 || o.RetryDelay < 0 || o.Patience < 0:
		return fault.Invalidf("attempts, pauses and patience must be positive")
	}
	return nil
}

func (o Options) credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{
		AccessKeyID: o.AccessKey, SecretAccessKey: o.SecretKey, SessionToken: o.SessionToken, Source: "s3store",
	}, nil
}

// reserved reports whether the key is the store's own.
func (s *Store) reserved(key string) bool { return strings.HasPrefix(key, s.opts.Reserved) }

func (s *Store) bucket() *string { return aws.String(s.opts.Bucket) }
