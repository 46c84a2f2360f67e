package webrtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gen2brain/webp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	pion "github.com/pion/webrtc/v4"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
)

// Screen is the guest's screen and what it feels.
type Screen interface {
	// Next waits for a picture that differs from the last one; with now it takes the present one.
	Next(ctx context.Context, now bool) (*image.RGBA, error)
	Touch(report ...evdev.Event)
	Keyboard(report ...evdev.Event)
}

const (
	videoClock = 90_000
	packetSize = 1200
	// repeatEvery is how often a picture that stays is sent again.
	repeatEvery = 500 * time.Millisecond
	// shortest is the least time between two frames.
	shortest = 100 * time.Millisecond
	// welcome is how often a new viewer is sent the present picture.
	welcome = 5
	quality = 75
)

// cast is the stream of a device's screen. It runs while somebody watches.
type cast struct {
	screen Screen
	logf   func(string, ...any)
	track  *pion.TrackLocalStaticRTP
	again  chan int // how often the present picture is wanted once more

	packets rtp.Packetizer // of send alone
	sent    time.Time

	frame atomic.Pointer[[]byte] // the present picture
	fresh chan struct{}

	mu      sync.Mutex
	viewers int
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newCast(screen Screen, logf func(string, ...any)) *cast {
	track, err := pion.NewTrackLocalStaticRTP(videoCodec().RTPCodecCapability, displayLabel, displayLabel)
	if err != nil {
		panic(err) // it has no way to fail
	}
	return &cast{
		screen: screen, logf: logf, track: track, again: make(chan int, 1), fresh: make(chan struct{}, 1),
		packets: rtp.NewPacketizer(packetSize, 0, 0, &codecs.VP8Payloader{EnablePictureID: true}, rtp.NewRandomSequencer(), videoClock),
	}
}

// join is a viewer more.
func (c *cast) join() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.viewers++; c.viewers == 1 {
		c.running.Wait() // what ran before is ending
		ctx, stop := context.WithCancel(context.Background())
		c.stop = stop
		c.running.Go(func() { c.grab(ctx) })
		c.running.Go(func() { c.play(ctx) })
	}
	c.refresh(welcome)
}

// leave is a viewer less. When the last one is gone the encoder's memory is given back.
func (c *cast) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.viewers--; c.viewers > 0 {
		return
	}
	c.stop()
	c.running.Go(debug.FreeOSMemory)
}

// close waits for what still runs; all viewers have left.
func (c *cast) close() { c.running.Wait() }

// refresh sends the present picture so often again.
func (c *cast) refresh(times int) {
	select {
	case c.again <- times:
	default: // it is being sent anyway
	}
}

// grab encodes pictures as they change.
func (c *cast) grab(ctx context.Context) {
	for {
		begin := time.Now()
		picture, err := c.screen.Next(ctx, false)
		if err != nil {
			return
		}
		frame, err := encode(picture)
		if err != nil {
			c.logf("encode the screen: %v", err)
			continue
		}
		c.frame.Store(&frame)
		select {
		case c.fresh <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(shortest - time.Since(begin)):
		}
	}
}

// play sends what is new at once, and what is old now and then.
func (c *cast) play(ctx context.Context) {
	repeat := time.NewTimer(repeatEvery)
	defer repeat.Stop()
	left := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.fresh:
		case times := <-c.again:
			left = max(left, times-1)
		case <-repeat.C:
			left--
		}
		if frame := c.frame.Load(); frame != nil {
			c.send(*frame)
		}
		if left = max(left, 0); left > 0 {
			repeat.Reset(shortest)
		} else {
			repeat.Reset(repeatEvery)
		}
	}
}

// send sends a frame to all viewers, with the time at which it is shown.
func (c *cast) send(frame []byte) {
	now := time.Now()
	if !c.sent.IsZero() {
		c.packets.SkipSamples(uint32(now.Sub(c.sent).Seconds() * videoClock))
	}
	c.sent = now
	for _, p := range c.packets.Packetize(frame, 0) {
		_ = c.track.WriteRTP(p) // a viewer that is gone is noticed elsewhere
	}
}

// encode makes a VP8 key frame.
func encode(picture *image.RGBA) ([]byte, error) {
	var file bytes.Buffer
	if err := webp.Encode(&file, picture, webp.Options{Quality: quality, Method: 0}); err != nil {
		return nil, err
	}
	return keyFrame(file.Bytes())
}

// keyFrame takes the VP8 chunk out of a lossy WebP file.
func keyFrame(file []byte) ([]byte, error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WEBP" {
		return nil, errors.New("no WebP file")
	}
	for rest := file[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:8]))
		if size > uint64(len(rest)-8) {
			return nil, fmt.Errorf("chunk %q of a WebP file is cut off", name)
		}
		if name == "VP8 " {
			return rest[8 : 8+size], nil
		}
		rest = rest[min(uint64(len(rest)), 8+size+size%2):]
	}
	return nil, errors.New("no VP8 in a WebP file")
}

// wantsKeyFrame tells whether a browser asks for one.
func wantsKeyFrame(p rtcp.Packet) bool {
	switch p.(type) {
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		return true
	}
	return false
}
