package s3store

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// longPatience is how much longer than others a request may be silent whose work the server does
// alone: Amazon sends spaces meanwhile, others send nothing until five gigabytes are copied.
const longPatience = 20

type (
	progressKey struct{}
	patientKey  struct{}
)

// withProgress has the bytes of the requests under the context counted.
func withProgress(ctx context.Context, p *Progress) context.Context {
	return context.WithValue(ctx, progressKey{}, p)
}

// patiently marks requests whose answer may take the server long.
func patiently(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

func newTransport(o Options) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(10*time.Second, o.Patience), KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   min(10*time.Second, o.Patience),
		ExpectContinueTimeout: time.Second, // a server that does not know it gets the body after that
		MaxIdleConnsPerHost:   4 * o.Parallel,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
}

// newRetryer returns the SDK's standard retryer with our pauses, with the errors that say that bytes
// changed on the way, and without its budget of retries for the whole client, which a server
// that slows four parts down at a time uses up at once.
func newRetryer(o Options) aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = o.Attempts
		r.RateLimiter = ratelimit.None
		r.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return pause(o.RetryDelay, attempt), nil
		})
		r.Retryables = append(r.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			switch code := errorCode(err); {
			case damaged[code], code == "RequestTimeTooSkewed", code == "ConditionalRequestConflict",
				errors.Is(err, io.ErrUnexpectedEOF):
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

// pause returns how long to wait after the given attempt, which counts from 1.
func pause(first time.Duration, attempt int) time.Duration {
	limit := 100 * first
	if attempt < 8 {
		limit = min(limit, first<<(attempt-1))
	}
	return limit/4 + rand.N(limit*3/4+1)
}

// sleep waits for the pause after an attempt, or until the context ends, whose error it returns.
func (s *Store) sleep(ctx context.Context, attempt int) error {
	timer := time.NewTimer(pause(s.opts.RetryDelay, attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errSilent is the error of a connection on which nothing moved for too long.
type errSilent struct{ after time.Duration }

func (e errSilent) Error() string      { return "the server was silent for " + e.after.String() }
func (errSilent) RetryableError() bool { return true }
func (errSilent) Timeout() bool        { return true }

// watched gives up connections on which nothing moves, and counts what is sent.
type watched struct {
	base     http.RoundTripper
	patience time.Duration
}

// RoundTrip sends one request. Its time is limited by silence alone: a slow transfer may go on.
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	patience := w.patience
	if req.Context().Value(patientKey{}) != nil {
		patience *= longPatience
	}
	progress, _ := req.Context().Value(progressKey{}).(*Progress)
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := &watch{patience: patience}
	watch.timer = time.AfterFunc(patience, func() { cancel(errSilent{patience}) })
	stop := func() {
		watch.timer.Stop()
		cancel(nil)
	}

	req = req.WithContext(ctx) // a copy: its body may be replaced
	wrap := func(body io.ReadCloser) io.ReadCloser {
		return &sentBody{ReadCloser: body, watch: watch, progress: progress}
	}
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = wrap(req.Body)
		if again := req.GetBody; again != nil {
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := again()
				if err != nil {
					return nil, err
				}
				return wrap(body), nil
			}
		}
	}
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		defer stop()
		return nil, silence(ctx, err)
	}
	resp.Body = &receivedBody{ReadCloser: resp.Body, watch: watch, ctx: ctx, stop: stop}
	return resp, nil
}

// silence returns the reason why a request was given up, where that was ours.
func silence(ctx context.Context, err error) error {
	var silent errSilent
	if err != nil && errors.As(context.Cause(ctx), &silent) {
		return silent
	}
	return err
}

// watch ends a request when nobody touches it for its patience.
type watch struct {
	timer    *time.Timer
	patience time.Duration
}

func (w *watch) touch() { w.timer.Reset(w.patience) }

type sentBody struct {
	io.ReadCloser
	watch    *watch
	progress *Progress
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.progress.addSent(int64(n))
	b.watch.touch()
	return n, err
}

type receivedBody struct {
	io.ReadCloser
	watch *watch
	ctx   context.Context
	stop  func()
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.watch.touch()
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = silence(b.ctx, err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.stop()
	return err
}
