package android

import (
	"fmt"
	"image"
	"io"
	"os"
	"time"

	"golang.org/x/image/draw"

	"github.com/daytonaio/runner-android/internal/sim/guest/h264"
	"github.com/daytonaio/runner-android/internal/sim/guest/movie"
	"github.com/daytonaio/runner-android/internal/sim/guest/screen"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

const (
	// frameTime is how often the screen is looked at: fifteen times a second.
	frameTime = time.Second / 15
	// share is how much longer than a frame takes to be made the pause behind it is at least.
	share = 2
	// refreshTime is how long frames may need those before them.
	refreshTime = 10 * time.Second
)

// film records until it is told to stop. A recorder that is killed leaves what it has written.
func (d Device) film(c *toybox.Call, how filming) int {
	encoder, err := h264.New(how.width, how.height)
	if err != nil {
		fmt.Fprintf(c.Err, "ERROR: unable to configure video/avc codec at %dx%d (err=-22)\n", how.width, how.height)
		return 1
	}
	stop := make(chan struct{}, 2)
	defer c.Sys.Catch(func() {
		select {
		case stop <- struct{}{}:
		default:
		}
	}, toybox.SIGINT, toybox.SIGHUP)()
	reel, err := openReel(c, how, encoder)
	if err != nil {
		fmt.Fprintf(c.Err, "Unable to open '%s': %s\n", how.file, vfs.Reason(err))
		return 1
	}
	defer reel.close()
	camera := &camera{phone: d.Phone, encoder: encoder, size: image.Pt(how.width, how.height)}
	if err := camera.run(c, how, reel, stop); err != nil {
		if c.Ctx.Err() == nil {
			fmt.Fprintf(c.Err, "Failed writing data to muxer (err=%s)\n", vfs.Reason(err))
		}
		return 1
	}
	if how.verbose {
		say(c, "Encoder stopping; recorded %d frames in %d seconds", camera.frames, int(time.Since(camera.begun).Seconds()))
	}
	return 0
}

// camera makes frames of the screen.
type camera struct {
	phone   *ui.Phone
	encoder *h264.Encoder
	size    image.Point // of the frames

	begun, refreshed time.Time
	frames           int
	tree             *ui.View // what the last frame shows
	shown            image.Point
}

// run films until stop, the end of the time or, with an error, the end of the process.
func (m *camera) run(c *toybox.Call, how filming, reel reel, stop <-chan struct{}) error {
	m.begun = time.Now()
	var end <-chan time.Time
	if how.limit > 0 {
		timer := time.NewTimer(how.limit)
		defer timer.Stop()
		end = timer.C
	}
	for {
		pause, err := m.shoot(reel) // the first frame comes in any case
		if err != nil {
			return err
		}
		next := time.NewTimer(pause)
		select {
		case <-c.Ctx.Done():
			next.Stop()
			return c.Ctx.Err()
		case <-stop:
			next.Stop()
			return reel.end(time.Since(m.begun))
		case <-end:
			next.Stop()
			if how.verbose {
				say(c, "Time limit reached")
			}
			return reel.end(time.Since(m.begun))
		case <-next.C:
		}
	}
}

// shoot adds a frame if the screen has changed, and says when to look again.
func (m *camera) shoot(reel reel) (pause time.Duration, err error) {
	begun := time.Now()
	if units, key := m.look(); units != nil {
		if err := reel.add(units, begun.Sub(m.begun), key); err != nil {
			return 0, err
		}
		m.frames++
	}
	took := time.Since(begun)
	return max(frameTime-took, share*took), nil
}

// look makes a frame of the screen if it has changed. The screen is painted only then.
func (m *camera) look() (units []h264.Unit, key bool) {
	tree, size := m.phone.Tree(), m.phone.Size()
	if m.tree != nil && size == m.shown && screen.Same(tree, m.tree) {
		return nil, false
	}
	m.tree, m.shown = tree, size
	key = time.Since(m.refreshed) > refreshTime
	if key {
		m.refreshed = time.Now()
	}
	return m.encoder.Encode(m.fit(screen.Paint(tree, size)), key), key
}

// fit brings a picture to the size of the frames, with black beside it where the shape is another.
func (m *camera) fit(img *image.RGBA) *image.RGBA {
	from := img.Bounds().Size()
	if from.X&^1 == m.size.X && from.Y&^1 == m.size.Y {
		return img
	}
	frame := image.NewRGBA(image.Rectangle{Max: m.size})
	to := image.Pt(m.size.X, from.Y*m.size.X/from.X)
	if to.Y > m.size.Y {
		to = image.Pt(from.X*m.size.Y/from.Y, m.size.Y)
	}
	at := m.size.Sub(to).Div(2)
	draw.Draw(frame, frame.Rect, image.Black, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(frame, image.Rectangle{at, at.Add(to)}, img, img.Bounds(), draw.Src, nil)
	return frame
}

// reel is where frames go.
type reel struct {
	add   func(units []h264.Unit, at time.Duration, key bool) error
	end   func(at time.Duration) error
	close func()
}

// openReel makes the file, or takes standard output for a stream that has none.
func openReel(c *toybox.Call, how filming, e *h264.Encoder) (reel, error) {
	if how.raw && how.file == "-" {
		return stream(c.Out, func() {}), nil
	}
	f, err := c.View.Open(vfs.Abs(c.Dir, how.file), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o664)
	if err != nil {
		return reel{}, err
	}
	closing := func() { _ = f.Close() }
	if how.raw {
		return stream(f, closing), nil
	}
	disk, ok := f.(movie.File)
	if !ok {
		closing()
		return reel{}, os.ErrInvalid
	}
	m, err := movie.New(disk, e.SPS(), e.PPS())
	if err != nil {
		closing()
		return reel{}, err
	}
	return reel{
		// SPS and PPS are in the index.
		add: func(units []h264.Unit, at time.Duration, key bool) error {
			return m.Add(h264.Sized(nil, units[len(units)-1:]), at, key)
		},
		end:   m.End,
		close: closing,
	}, nil
}

// stream is H.264 without a container, each frame as soon as it is there.
func stream(w io.Writer, closing func()) reel {
	return reel{
		add: func(units []h264.Unit, _ time.Duration, _ bool) error {
			_, err := w.Write(h264.AnnexB(nil, units))
			return err
		},
		end:   func(time.Duration) error { return nil },
		close: closing,
	}
}
