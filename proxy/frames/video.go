package frames

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// startRate and leastRate are bits a second that screenrecord is told to use.
	startRate, leastRate = 4_000_000, 500_000
	// slowWrite is how long a picture may take to be taken by the viewer before the next recording has half the rate.
	slowWrite = time.Second
	// firstPicture is how long a recording may take to begin.
	firstPicture = 15 * time.Second
	// quiet is how long nothing has come when a picture is taken for whole: only the next one's beginning says so
	// for sure, and on a screen that stands still there is none. When that was wrong, the next recording waits twice
	// as long, up to longestQuiet.
	quiet, longestQuiet = 20 * time.Millisecond, 200 * time.Millisecond
	// brief is a recording that is over too soon to be one, and maxBrief how many in a row are taken for no video.
	brief, maxBrief = time.Second, 3
	// readSize is how much is read of the device at a time.
	readSize = 64 << 10
)

// errSlow ends a recording whose viewer cannot keep up.
var errSlow = errors.New("the viewer is slow")

// video sends recording after recording. Its error is that there is no video to be had.
func (v *viewer) video(ctx context.Context) error {
	for rate, short := startRate, 0; ; {
		began := time.Now()
		shown, err := v.recording(ctx, rate)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errTorn):
			v.quiet = min(2*v.quiet, longestQuiet)
		case errors.Is(err, errSlow):
			if rate == leastRate {
				return fault.Unavailablef("the viewer is too slow for the least rate of video")
			}
			rate = max(rate/2, leastRate)
			v.log.Debug("the viewer is slow", zap.Int("bits_per_second", rate))
		case shown == 0:
			return fault.Unavailablef("screenrecord showed nothing: %v", err)
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		if short++; time.Since(began) > brief {
			short = 0
		}
		if short == maxBrief {
			return fault.Unavailablef("screenrecord ends as soon as it has begun: %v", err)
		}
	}
}

// recording sends one run of screenrecord, and returns how many pictures that were.
func (v *viewer) recording(ctx context.Context, rate int) (shown int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := v.guest.Output(ctx, v.held.Serial, fmt.Sprintf("exec screenrecord --output-format=h264 --bit-rate %d --time-limit 180 - 2>/dev/null", rate))
	if err != nil {
		return 0, err
	}
	pieces := make(chan []byte)
	failed := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed <- readPieces(ctx, out, pieces)
	}()
	defer func() { cancel(); _ = out.Close(); <-done }()
	var s splitter
	late := time.NewTimer(firstPicture)
	defer late.Stop()
	more := false // what came was as much as is read at a time
	for {
		select {
		case piece := <-pieces:
			more = len(piece) == readSize
			if err := s.add(piece); err != nil {
				return shown, err
			}
		case err := <-failed:
			if last := s.flush(); last != nil {
				_ = v.picture(last, &shown)
			}
			return shown, err
		case <-late.C:
			last := s.flush()
			if last == nil {
				return 0, fault.Timeoutf("nothing came within %s", firstPicture)
			}
			if err := v.picture(last, &shown); err != nil {
				return shown, err
			}
			continue
		case <-ctx.Done():
			return shown, context.Cause(ctx)
		}
		for unit := s.next(); unit != nil; unit = s.next() {
			if err := v.picture(unit, &shown); err != nil {
				return shown, err
			}
		}
		switch {
		case s.whole() && more:
			late.Reset(longestQuiet)
		case s.whole():
			late.Reset(v.quiet)
		case shown > 0:
			late.Stop() // a screen that stands still
		}
	}
}

// picture sends one, and counts it.
func (v *viewer) picture(unit []byte, shown *int) error {
	if *shown == 0 {
		if err := v.announce(codecVideo); err != nil {
			return err
		}
	}
	*shown++
	began := time.Now()
	if err := v.socket.Binary(unit); err != nil {
		return err
	}
	if time.Since(began) > slowWrite {
		return errSlow
	}
	return nil
}

// readPieces hands on what comes. The end is io.EOF.
func readPieces(ctx context.Context, out io.Reader, pieces chan<- []byte) error {
	for {
		piece := make([]byte, readSize)
		n, err := out.Read(piece)
		if n > 0 {
			select {
			case pieces <- piece[:n]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}
