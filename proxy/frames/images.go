package frames

import (
	"bytes"
	"context"
	"hash/maphash"
	"io"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// maxImage bounds one screenshot.
	maxImage = 64 << 20
	// imageLimit is how long one may take.
	imageLimit = 15 * time.Second
	// imagePause is the least from one to the next.
	imagePause = 50 * time.Millisecond
	// failures in a row end the viewing: of a screen that sleeps there are still screenshots.
	maxFailures = 5
)

var pngMagic = []byte("\x89PNG\r\n\x1a\n")

// images sends a screenshot whenever the picture has changed.
func (v *viewer) images(ctx context.Context) error {
	if err := v.announce(codecImage); err != nil {
		return err
	}
	seed := maphash.MakeSeed()
	var last uint64
	for failed := 0; ; {
		image, err := v.screenshot(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			if failed++; failed == maxFailures {
				return err
			}
		default:
			failed = 0
			if sum := maphash.Bytes(seed, image); sum != last {
				last = sum
				if err := v.socket.Binary(image); err != nil {
					return err
				}
			}
		}
		timer := time.NewTimer(imagePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (v *viewer) screenshot(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, imageLimit, fault.Timeoutf("the device took longer than %s for a screenshot", imageLimit))
	defer cancel()
	out, err := v.guest.Output(ctx, v.held.Serial, "exec screencap -p 2>/dev/null")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	image, err := io.ReadAll(io.LimitReader(out, maxImage+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case len(image) > maxImage:
		return nil, fault.Unavailablef("a screenshot is over the limit of %d bytes", maxImage)
	case !bytes.HasPrefix(image, pngMagic):
		return nil, fault.Unavailablef("screencap gave no PNG")
	}
	return image, nil
}
