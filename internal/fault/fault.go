package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error by what its receiver should do next.
type Kind int

// The kinds. The zero value is Internal, so that a forgotten classification is loud.
const (
	Internal     Kind = iota // a bug, or anything unclassified
	Invalid                  // fix the request
	Unauthorized             // present credentials
	Forbidden                // get other credentials
	NotFound                 // it does not exist here
	Conflict                 // wrong state, or busy with another operation
	Exhausted                // no numbers, memory, disk: place it elsewhere
	Unsupported              // Android has no such thing
	Timeout                  // we gave up waiting; it may have happened
	Unavailable              // cvd, ADB or another helper is unreachable; try again
	Cancelled                // the caller left, or the runner is draining
	TooLarge                 // the request is over a stated limit
)

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid", Unauthorized: "unauthorized", Forbidden: "forbidden",
	NotFound: "not_found", Conflict: "conflict", Exhausted: "exhausted", Unsupported: "unsupported",
	Timeout: "timeout", Unavailable: "unavailable", Cancelled: "cancelled", TooLarge: "too_large",
}

// String returns the name used in logs and metric labels.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	out := make([]Kind, len(kindNames))
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

// Error is an error with a kind.
type Error struct {
	Kind Kind
	Op   string // what was being done, lower case: "boot cvd-3"; may be empty
	Msg  string // what went wrong and what to do, for people; may be empty when Err says it
	Err  error  // the cause; may be nil
}

// Error joins operation, message and cause into one path from intention to cause.
func (e *Error) Error() string {
	s := e.Op
	for _, part := range []string{e.Msg, causeText(e.Err)} {
		switch {
		case part == "":
		case s == "":
			s = part
		default:
			s += ": " + part
		}
	}
	if s == "" {
		return e.Kind.String()
	}
	return s
}

func causeText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf walks the wraps of err and returns the first kind found. Context errors count as
// Cancelled and Timeout; everything else unclassified is Internal. A nil error has no kind:
// asking for one is a programmer's mistake and answers Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Cancelled
	default:
		return Internal
	}
}

// Is reports whether err is of kind k. A nil error is of no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// New makes an error of kind k with a formatted message.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and the operation during which it happened. A nil err stays nil.
func Wrap(k Kind, op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Op: op, Err: err}
}

// Op adds the operation to err and keeps its kind. A nil err stays nil.
func Op(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Op: op, Err: err}
}

// Constructors for the kinds that code names most often.

// Invalidf says: fix the request.
func Invalidf(format string, args ...any) error { return New(Invalid, format, args...) }

// NotFoundf says: it does not exist here.
func NotFoundf(format string, args ...any) error { return New(NotFound, format, args...) }

// Conflictf says: wrong state, or busy.
func Conflictf(format string, args ...any) error { return New(Conflict, format, args...) }

// Exhaustedf says: the host is full.
func Exhaustedf(format string, args ...any) error { return New(Exhausted, format, args...) }

// Unsupportedf says: Android, or this host, has no such thing.
func Unsupportedf(format string, args ...any) error { return New(Unsupported, format, args...) }

// Timeoutf says: gave up waiting; it may have happened.
func Timeoutf(format string, args ...any) error { return New(Timeout, format, args...) }

// Unavailablef says: a helper is unreachable; try again.
func Unavailablef(format string, args ...any) error { return New(Unavailable, format, args...) }

// Internalf says: a bug.
func Internalf(format string, args ...any) error { return New(Internal, format, args...) }
