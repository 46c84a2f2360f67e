package s3store

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/daytonaio/runner-android/internal/fault"
)

// damaged holds the codes by which servers say that the bytes are not those that were signed or
// summed: something on the way changed them, and the next attempt may arrive.
var damaged = map[string]bool{
	"BadDigest": true, "InvalidDigest": true, "XAmzContentSHA256Mismatch": true,
	"XAmzContentChecksumMismatch": true, "IncompleteBody": true,
}

// kinds says what a code of S3 means to a caller. What is missing goes by the status.
var kinds = map[string]fault.Kind{
	"NoSuchKey": fault.NotFound, "NotFound": fault.NotFound, "NoSuchUpload": fault.NotFound,
	"NoSuchBucket": fault.Unavailable, "PermanentRedirect": fault.Unavailable,
	"AuthorizationHeaderMalformed": fault.Unavailable, "RequestTimeTooSkewed": fault.Unavailable,
	"InvalidAccessKeyId": fault.Forbidden, "XAdminUserNotFound": fault.Forbidden, "SignatureDoesNotMatch": fault.Forbidden,
	"ExpiredToken": fault.Forbidden, "InvalidToken": fault.Forbidden, "TokenRefreshRequired": fault.Forbidden,
	"SlowDown": fault.Unavailable, "ServiceUnavailable": fault.Unavailable, "RequestTimeout": fault.Unavailable,
	"PreconditionFailed": fault.Conflict, "ConditionalRequestConflict": fault.Conflict,
	"QuotaExceeded": fault.Exhausted, "QuotaExceededException": fault.Exhausted, "XMinioStorageFull": fault.Exhausted,
	"EntityTooLarge": fault.TooLarge, "MaxMessageLengthExceeded": fault.TooLarge,
	"NotImplemented": fault.Unsupported, "MethodNotAllowed": fault.Unsupported, "MissingContentLength": fault.Unsupported,
}

// hints says of a code what a person can do, where the server's own words do not.
var hints = map[string]string{
	"NoSuchBucket":          "the bucket does not exist",
	"InvalidAccessKeyId":    "the server does not know the access key",
	"XAdminUserNotFound":    "the server does not know the access key", // versitygw's, with the status 404
	"SignatureDoesNotMatch": "the secret key is not that of the access key",
	"ExpiredToken":          "the keys have expired",
	"AccessDenied":          "the keys may not do this",
	"RequestTimeTooSkewed":  "this host's clock is not the server's",
	"PermanentRedirect":     "the bucket is in another region or at another endpoint",
	"SlowDown":              "the server asks for fewer requests",
}

// wireError is an error of the SDK in few words, which hold no credential. The original is below it.
type wireError struct {
	text string
	err  error
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.err }

// fail says that what was tried on the key went wrong, with the kind that the cause has.
// An error that has a kind keeps it. Nil stays nil; key may be empty.
func (s *Store) fail(ctx context.Context, tried, key string, err error) error {
	if err == nil {
		return nil
	}
	op := fmt.Sprintf("%s bucket %q", tried, s.opts.Bucket)
	if key != "" {
		op = fmt.Sprintf("%s %q in bucket %q", tried, key, s.opts.Bucket)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return fault.Op(op, err)
	}
	if ctx.Err() != nil {
		return fault.Op(op, ctx.Err())
	}
	return fault.Wrap(kindOf(err), op, &wireError{s.describe(err), err})
}

// errorCode returns S3's code for the error, or "".
func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// status returns the HTTP status that the error came with, or 0.
func status(err error) int {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		return resp.HTTPStatusCode()
	}
	return 0
}

// isAbsent reports whether the error says that there is no such object.
func isAbsent(err error) bool {
	code := errorCode(err)
	return code == "NoSuchKey" || code == "NotFound" || code == "" && status(err) == http.StatusNotFound
}

// lacks reports whether the error says that the server does not know the request at all.
func lacks(err error) bool {
	st := status(err)
	return kinds[errorCode(err)] == fault.Unsupported || st == http.StatusNotImplemented ||
		st == http.StatusMethodNotAllowed || st == http.StatusLengthRequired
}

func kindOf(err error) fault.Kind {
	code := errorCode(err)
	if kind, ok := kinds[code]; ok {
		return kind
	}
	if damaged[code] {
		return fault.Unavailable
	}
	switch st := status(err); {
	case st == http.StatusNotFound:
		return fault.NotFound
	case st == http.StatusUnauthorized, st == http.StatusForbidden:
		return fault.Forbidden
	case st == http.StatusPreconditionFailed, st == http.StatusConflict:
		return fault.Conflict
	case st == http.StatusNotImplemented, st == http.StatusMethodNotAllowed, st == http.StatusLengthRequired:
		return fault.Unsupported
	case st == http.StatusInsufficientStorage:
		return fault.Exhausted
	case st == http.StatusTooManyRequests, st >= 500, st/100 == 3:
		return fault.Unavailable
	case st >= 400:
		return fault.Invalid
	}
	var silent errSilent
	if errors.As(err, &silent) {
		return fault.Timeout
	}
	switch kind := fault.KindOf(err); {
	case kind != fault.Internal:
		return kind
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Exhausted
	default:
		return fault.Unavailable // the network, or an answer that is none of S3's
	}
}

// describe puts an error of the SDK into the words that matter: what the server said, or what
// happened to the connection.
func (s *Store) describe(err error) string {
	var api smithy.APIError
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	text := ""
	switch {
	case errors.As(err, &api):
		text = orElse(hints[api.ErrorCode()], strings.TrimSpace(api.ErrorMessage()))
		text = strings.TrimSuffix(text, ".")
		if st := status(err); text == "" && st != 0 {
			text = strings.ToLower(http.StatusText(st))
		}
		text = strings.TrimPrefix(fmt.Sprintf("%s (%s)", text, api.ErrorCode()), " ")
	case status(err) != 0:
		text = fmt.Sprintf("the server answered %d %s", status(err), http.StatusText(status(err)))
	case errors.As(err, &dns):
		text = fmt.Sprintf("host %s cannot be found", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		text = fmt.Sprintf("nothing answers at %s: connection refused", s.opts.Endpoint)
	case errors.As(err, &authority):
		text = fmt.Sprintf("the certificate of %s is not signed by an authority that this host knows", s.opts.Endpoint)
	case errors.As(err, &hostname):
		text = fmt.Sprintf("the certificate of %s is for another host", s.opts.Endpoint)
	default:
		text = innermost(err).Error()
	}
	return s.redact(text)
}

// innermost strips the SDK's wraps, which repeat the request.
func innermost(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // each wrap is looked at in turn
		case *smithy.OperationError:
			err = e.Err
		case *smithyhttp.ResponseError:
			err = e.Err
		case *smithyhttp.RequestSendError:
			err = e.Err
		case *retry.MaxAttemptsError:
			err = e.Err
		default:
			return err
		}
	}
}

// redact takes out what a server, or a proxy before it, may have echoed.
func (s *Store) redact(text string) string {
	for _, secret := range []string{s.opts.SecretKey, s.opts.SessionToken, s.opts.AccessKey} {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return text
}
