package transport

import (
	"errors"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
)

// looks is how a kind of error looks in an answer.
type looks struct {
	status int
	code   string
	prefix string // of the message, so that people and Daytona's clients can tell kinds apart
}

// shape is one of the bodies that Daytona's daemon gives to errors.
type shape int

const (
	typed shape = iota // errorBody
	plain              // {"error": text}, without prefix
	bare               // nothing
)

// answers has one entry for each kind. The statuses, codes and prefixes down to Conflict are
// those of Daytona's runner (daytona: libs/common-go/pkg/errors/middleware.go).
var answers = [...]looks{
	fault.Internal:     {http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "internal error"},
	fault.Invalid:      {http.StatusBadRequest, "BAD_REQUEST", "bad request: "},
	fault.Unauthorized: {http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized: "},
	fault.Forbidden:    {http.StatusForbidden, "FORBIDDEN", "forbidden: "},
	fault.NotFound:     {http.StatusNotFound, "NOT_FOUND", "not found: "},
	fault.Conflict:     {http.StatusConflict, "CONFLICT", "conflict: "},
	fault.Exhausted:    {http.StatusServiceUnavailable, "RESOURCE_EXHAUSTED", "resource exhausted: "},
	fault.Unsupported:  {http.StatusNotImplemented, "NOT_IMPLEMENTED", "not implemented: "},
	fault.Timeout:      {http.StatusGatewayTimeout, "TIMEOUT", "timeout: "},
	fault.Unavailable:  {http.StatusServiceUnavailable, "UNAVAILABLE", "unavailable: "},
	fault.Cancelled:    {http.StatusServiceUnavailable, "CANCELLED", "cancelled: "},
	fault.TooLarge:     {http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "payload too large: "},
}

// What Daytona tells apart within a kind.
var (
	unprocessable   = looks{http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", "unprocessable entity: "}
	invalidBody     = looks{http.StatusBadRequest, "INVALID_REQUEST_BODY", "invalid body request: "}
	requestTimeout  = looks{http.StatusRequestTimeout, "REQUEST_TIMEOUT", "request timeout: "}
	badGateway      = looks{http.StatusBadGateway, "BAD_GATEWAY", "bad gateway: "}
	gone            = looks{http.StatusGone, "GONE", "gone: "}
	asDaemon        = looks{http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", ""}
	headersTooLarge = looks{http.StatusRequestHeaderFieldsTooLarge, "HEADERS_TOO_LARGE", "headers too large: "}
)

// special is an error that does not look like others of its kind.
type special struct {
	looks looks
	shape shape
	err   error
}

func (s *special) Error() string { return s.err.Error() }
func (s *special) Unwrap() error { return s.err }

// InvalidBodyf says that the body of a request cannot be used: Invalid, 400 with Daytona's
// INVALID_REQUEST_BODY.
func InvalidBodyf(format string, args ...any) error {
	return InvalidBody(fault.Invalidf(format, args...))
}

// InvalidBody makes an Invalid error one about the body; others stay what they are.
func InvalidBody(err error) error {
	if !fault.Is(err, fault.Invalid) {
		return err
	}
	return &special{invalidBody, typed, err}
}

// Unprocessablef says that what was asked for has failed before, and why: 422 with Daytona's
// UNPROCESSABLE_ENTITY.
func Unprocessablef(format string, args ...any) error {
	return &special{unprocessable, typed, fault.Conflictf(format, args...)}
}

// RequestTimeoutf says that the request's own time limit has passed: Timeout, 408 with
// Daytona's REQUEST_TIMEOUT.
func RequestTimeoutf(format string, args ...any) error {
	return &special{requestTimeout, typed, fault.Timeoutf(format, args...)}
}

// Plainf says that the request cannot be used, in Daytona's other shape: Invalid, 400 {"error": text}.
func Plainf(format string, args ...any) error { return Plain(fault.Invalidf(format, args...)) }

// Plain keeps the status of err and answers {"error": text}, as Daytona's daemon does on the routes
// for screens, recordings and terminals. A nil err stays nil.
func Plain(err error) error {
	if err == nil {
		return nil
	}
	look, _ := looksOf(err)
	return &special{look, plain, err}
}

// BadGateway says that what stands behind a proxy failed: 502 without a body, as from Daytona's daemon.
// Answers that are made here always have one, so that a client can tell whose fault it is.
func BadGateway(err error) error {
	return &special{badGateway, bare, err}
}

// Gonef says that what was asked for has been, and is no longer: Conflict, 410 with Daytona's GONE.
func Gonef(format string, args ...any) error {
	return &special{gone, typed, fault.Conflictf(format, args...)}
}

// DaemonErrorf is a mistake of the caller that Daytona's daemon answers with 500, whatever it is
// here: clients know it by that. It is no defect, so it has no error id and is not logged.
func DaemonErrorf(kind fault.Kind, format string, args ...any) error {
	return &special{asDaemon, typed, fault.New(kind, format, args...)}
}

// Texted makes an answer of err that also has its text in the field "error", which is all that some of
// the daemon's routes answer with, and some clients read.
func Texted(err error) error {
	if err == nil {
		return nil
	}
	return &texted{err}
}

type texted struct{ error }

func (t *texted) Unwrap() error { return t.error }

func looksOf(err error) (looks, shape) {
	var s *special
	if errors.As(err, &s) {
		return s.looks, s.shape
	}
	return answers[fault.KindOf(err)], typed
}

// problem is an error as a client sees it.
type problem struct {
	status  int
	code    string
	message string
	id      string // of an internal error; what the log is searched for
	shape   shape
	text    string // for the field "error"; empty: there is none
	details map[string]any
}

// problem translates err. inSandbox says that the request was for an existing sandbox, whose
// disk can then be what is full; a create that finds the host full is placed elsewhere instead.
func (r Redactor) problem(err error, inSandbox bool) problem {
	look, shape := looksOf(err)
	text := r.Clean(err.Error())
	p := problem{status: look.status, code: look.code, message: look.prefix + text, shape: shape, details: r.detailsOf(err)}
	switch {
	case shape == bare:
	case wire.SaysDiskFull(text) && (inSandbox || !fault.Is(err, fault.Exhausted)):
		bad := answers[fault.Invalid]
		p.status, p.code, p.message = bad.status, bad.code, wire.RecoverableMessage(text)
	case look.status == http.StatusInternalServerError && look != asDaemon:
		p.id = obs.NewErrorID()
		p.message = look.prefix + " " + p.id + ": " + text
	case shape == plain:
		p.message = text
	}
	var t *texted
	if errors.As(err, &t) {
		p.text = text
	}
	return p
}

// errorBody is the JSON of an error.
type errorBody struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Code       string `json:"code,omitempty"`
	Timestamp  string `json:"timestamp"`
	Path       string `json:"path"`
	Method     string `json:"method,omitempty"`
	Error      string `json:"error,omitempty"`
}

// plainBody is the other shape.
type plainBody struct {
	Error string `json:"error"`
}

func (p problem) body(path, method string, now time.Time) []byte {
	var v any = plainBody{p.message}
	switch p.shape {
	case bare:
		return nil
	case typed:
		v = p.typedBody(path, method, now)
	case plain:
	}
	body, err := encode(v)
	if err != nil { // strings and a number: cannot happen
		panic(err)
	}
	if len(p.details) > 0 {
		body = withDetails(body, p.details)
	}
	return body
}

func (p problem) typedBody(path, method string, now time.Time) errorBody {
	return errorBody{
		StatusCode: p.status, Message: p.message, Code: p.code,
		Timestamp: now.UTC().Format(time.RFC3339Nano), Path: path, Method: method, Error: p.text,
	}
}
