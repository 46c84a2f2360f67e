package adb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// linkReader takes bytes off a link, however its payloads are cut.
type linkReader struct {
	link link
	data []byte // what of the payload was not taken yet
	held bool   // the payload was not released
}

// fill makes sure that data is not empty; the payload before is released first. io.EOF is the
// end.
func (r *linkReader) fill(ctx context.Context) (err error) {
	if len(r.data) > 0 {
		return nil
	}
	if r.held {
		r.held = false
		if err := r.link.release(ctx); err != nil {
			return err
		}
	}
	r.data, err = r.link.next(ctx)
	r.held = err == nil
	return err
}

// some takes at most limit bytes, valid until the call after.
func (r *linkReader) some(ctx context.Context, limit int) ([]byte, error) {
	if err := r.fill(ctx); err != nil {
		return nil, r.tooEarly(err)
	}
	part := r.data[:min(limit, len(r.data))]
	r.data = r.data[len(part):]
	return part, nil
}

// full fills b.
func (r *linkReader) full(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		part, err := r.some(ctx, len(b))
		if err != nil {
			return err
		}
		b = b[copy(b, part):]
	}
	return nil
}

// tooEarly makes an end in the middle an error.
func (r *linkReader) tooEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return lostError(r.link.name(), errors.New("the device ended the stream in the middle of an answer"))
	}
	return err
}

// lies is the error for a device whose answer makes no sense.
func (r *linkReader) lies(format string, args ...any) error {
	return fault.Wrap(fault.Unavailable, "adb "+r.link.name(), fmt.Errorf("%w: %s", wire.ErrMalformed, fmt.Sprintf(format, args...)))
}
