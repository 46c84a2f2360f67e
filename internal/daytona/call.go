package daytona

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	maxAnswer = 16 << 20 // of a list of 200 jobs with the largest payloads
	tries     = 3        // of a call that may be repeated
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second
)

// call is one request of the API.
type call struct {
	method, path string // path with its query, below the base
	body         any    // nil: none
	answer       any    // decoded into; nil: the body is not looked at
	limit        time.Duration
	fresh        bool // on a connection of its own, see [Client.Poll]
	mute         bool // the API answers with nothing, or with JSON; whatever else comes is not from it
}

// name is the call without ids and query, for spans and errors.
func (r call) name() string {
	path, _, _ := strings.Cut(r.path, "?")
	parts := strings.Split(path, "/")
	if len(parts) > 2 && (parts[1] == "jobs" && parts[2] != "poll" || parts[1] == "sandbox" && parts[2] != "for-runner") {
		parts[2] = "{id}"
	}
	return r.method + " " + strings.Join(parts, "/")
}

// again calls until the API has an answer, up to a few times, with growing and jittered pauses.
func (c *Client) again(ctx context.Context, r call) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.RandomizationFactor, pause.Multiplier = firstWait, longWait, 0.5, 2
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := c.once(ctx, r)
		if fault.Is(err, fault.Unavailable) {
			return struct{}{}, err
		} else if err != nil {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, nil
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries))
	if err != nil && errors.Is(err, context.Cause(ctx)) { // it ended during a pause: a bare cause
		return fault.Op(r.name(), ended(ctx))
	}
	return err
}

// once calls one time, in a client span.
func (c *Client) once(ctx context.Context, r call) error {
	ctx, span := c.tracer.Start(ctx, r.name(), trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	err := c.exchange(ctx, r, span)
	if err != nil {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
	}
	return fault.Op(r.name(), err)
}

func (c *Client) exchange(ctx context.Context, r call, span trace.Span) error {
	if r.limit == 0 {
		r.limit = c.limit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.limit, fault.Unavailablef("Daytona's API did not answer within %s", r.limit))
	defer cancel()
	req, err := c.request(ctx, r)
	if err != nil {
		return fault.Wrap(fault.Internal, "make the request", err)
	}
	carrier := c.http
	if r.fresh {
		carrier = c.fresh
	}
	resp, err := carrier.Do(req)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer resp.Body.Close()
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode >= 300:
		return refusal(resp.StatusCode, resp.Header, body)
	case err != nil:
		return unreachable(ctx, err)
	case len(body) > maxAnswer:
		return fault.Unavailablef("the answer has more than %d bytes", maxAnswer)
	case r.mute && len(bytes.TrimSpace(body)) > 0 && !json.Valid(body):
		return fault.Unavailablef("the answer is not the API's: %q", shorten(string(body)))
	case r.answer == nil:
		return nil
	}
	if err := json.Unmarshal(body, r.answer); err != nil {
		return fault.Unavailablef("the answer is not what was expected (%v): %q", err, shorten(string(body)))
	}
	return nil
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Daytona-Source", "runner")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, nil
}

// unreachable classifies a call that got no answer: by its own limit the API is not to be had, by
// the caller's context the caller left.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	// The URL stands in the error, and is on every line of the log already.
	var at interface{ Unwrap() error }
	if errors.As(err, &at) && at.Unwrap() != nil {
		err = at.Unwrap()
	}
	return fault.Wrap(fault.Unavailable, "reach Daytona's API", err)
}

// ended says why ctx ended: in its cause's words, and with its own kind where the cause has none.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if fault.Is(cause, fault.Internal) {
		return fault.Wrap(fault.KindOf(ctx.Err()), "", cause)
	}
	return cause
}

// saying is the API's own sentence in the body of an error, which is one text or several; empty
// when there is none.
func saying(body []byte) string {
	var one struct{ Message string }
	if json.Unmarshal(body, &one) == nil {
		return one.Message
	}
	var several struct{ Message []string }
	_ = json.Unmarshal(body, &several) // garbage says nothing
	return strings.Join(several.Message, ", ")
}

// refusal turns a status into an error whose kind says what to do.
func refusal(status int, header http.Header, body []byte) error {
	said := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if why := saying(body); why != "" {
		said += ": " + shorten(why)
	}
	switch {
	case status == http.StatusUnauthorized:
		return fault.New(fault.Unauthorized, "Daytona's API answered %s: DAYTONA_RUNNER_TOKEN must be the API key of this runner's row", said)
	case status == http.StatusForbidden:
		return fault.New(fault.Forbidden, "Daytona's API answered %s: the token is not that of this runner", said)
	case status == http.StatusNotFound:
		return fault.NotFoundf("Daytona's API answered %s", said)
	case status == http.StatusConflict:
		return fault.Conflictf("Daytona's API answered %s", said)
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500, status < 400:
		if wait := header.Get("Retry-After"); wait != "" {
			said += " (try again after " + shorten(wait) + ")"
		}
		return &refused{status, fault.Unavailablef("Daytona's API answered %s", said)}
	default:
		return fault.Invalidf("Daytona's API answered %s", said)
	}
}

// refused keeps the status of an answer that another try may change.
type refused struct {
	status int
	err    error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// shorten keeps an answer of megabytes out of the log.
func shorten(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
