package h264_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest/h264"
)

// decode decodes a byte stream with ffmpeg: frames in YUV 4:2:0.
func decode(t *testing.T, stream []byte, width, height int) (frames [][]byte) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("skipped: needs ffmpeg")
	}
	cmd := exec.Command("ffmpeg", "-loglevel", "warning", "-xerror", "-err_detect", "explode", "-threads", "1",
		"-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stream), &out, &errs
	if err := cmd.Run(); err != nil || strings.Contains(errs.String(), "error") {
		t.Fatalf("ffmpeg: %v: %s", err, errs.String())
	}
	size := width * height * 3 / 2
	if out.Len()%size != 0 {
		t.Fatalf("%d bytes are no frames of %d", out.Len(), size)
	}
	for all := out.Bytes(); len(all) > 0; all = all[size:] {
		frames = append(frames, all[:size])
	}
	return frames
}

// planes is what a decoder has to say of an image, worked out slowly.
func planes(img *image.RGBA, width, height int) []byte {
	var y, u, v []byte
	sum := func(x, y, n int) (r, g, b int) {
		for dy := range n {
			for dx := range n {
				c := img.RGBAAt(x+dx, y+dy)
				r, g, b = r+int(c.R), g+int(c.G), b+int(c.B)
			}
		}
		return r, g, b
	}
	for row := range height {
		for x := range width {
			r, g, b := sum(x, row, 1)
			y = append(y, byte(16+(47*r+157*g+16*b+128)>>8))
		}
	}
	for row := 0; row < height; row += 2 {
		for x := 0; x < width; x += 2 {
			r, g, b := sum(x, row, 2)
			u = append(u, byte(128+(112*b-26*r-86*g+512)>>10))
			v = append(v, byte(128+(112*r-102*g-10*b+512)>>10))
		}
	}
	return append(append(y, u...), v...)
}

// Ensure a real decoder sees every frame exactly as it was, at sizes that are whole macroblocks and at others.
func TestADecoderSeesEveryFrame(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{16, 16}, {64, 48}, {50, 34}, {18, 300}, {202, 130}, {720, 1280}} {
		last := 40
		if size.X*size.Y > 1e5 { // what is expected is worked out slowly
			last = 9
		}
		t.Run(size.String(), func(t *testing.T) {
			t.Parallel()
			e, err := h264.New(size.X, size.Y)
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			img := image.NewRGBA(image.Rectangle{Max: size})
			paint := func(r image.Rectangle, c color.Color) {
				draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
			}
			any := func() color.Color {
				return color.RGBA{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), 255}
			}
			paint(img.Rect, color.RGBA{250, 250, 250, 255})
			var stream []byte
			var want [][]byte
			for frame := range last {
				switch {
				case frame == 0, frame == last/2:
				case frame%7 == 3: // noise, with every byte there is
					for range 200 {
						img.SetRGBA(random.IntN(size.X), random.IntN(size.Y), any().(color.RGBA))
					}
				case frame%7 == 4: // stripes go on in one direction
					for x := range size.X {
						paint(image.Rect(x, size.Y/4, x+1, size.Y/2), color.Gray{byte(x * 7)})
					}
				case frame%7 == 5:
					for y := range size.Y {
						paint(image.Rect(size.X/3, y, size.X, y+1), color.Gray{byte(y * 5)})
					}
				default:
					from := image.Pt(random.IntN(size.X), random.IntN(size.Y))
					paint(image.Rectangle{from, from.Add(image.Pt(1+random.IntN(size.X), 1+random.IntN(size.Y)))}, any())
				}
				units := e.Encode(img, frame == last/2)
				if got := e.Encode(img, false); got != nil {
					t.Errorf("frame %d: an image that has not changed is encoded: %d units", frame, len(got))
				}
				if units == nil { // a color that looks the same in YUV
					continue
				}
				if refreshes := len(units) == 3; refreshes != (frame == 0 || frame == last/2) {
					t.Errorf("frame %d has %d units", frame, len(units))
				}
				stream = h264.AnnexB(stream, units)
				want = append(want, planes(img, size.X, size.Y))
			}
			got := decode(t, stream, size.X, size.Y)
			if len(got) != len(want) {
				t.Fatalf("%d frames, want %d", len(got), len(want))
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("frame %d is not what was encoded", i)
				}
			}
		})
	}
}

// Ensure sizes that cannot be are refused.
func TestSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{15, 16}, {16, 17}, {0, 0}, {-2, 16}, {14, 16}, {4098, 16}} {
		if _, err := h264.New(size.X, size.Y); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%dx%d", size.X, size.Y)) {
			t.Errorf("%v: %v", size, err)
		}
	}
}

// Ensure no start code comes by chance, and sizes are those of the units.
func TestUnitsAreTakenApart(t *testing.T) {
	t.Parallel()
	e, err := h264.New(64, 64)
	if err != nil {
		t.Fatal(err)
	}
	units := e.Encode(image.NewRGBA(image.Rect(0, 0, 64, 64)), false)
	for _, u := range units {
		for _, code := range [][]byte{{0, 0, 0}, {0, 0, 1}, {0, 0, 2}} {
			if bytes.Contains(u, code) {
				t.Errorf("% x is in a unit", code)
			}
		}
	}
	if n := len(h264.Sized(nil, units)); n != len(h264.AnnexB(nil, units)) {
		t.Errorf("%d bytes", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	e, err := h264.New(720, 1280)
	if err != nil {
		b.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 720, 1280))
	for i := 0; b.Loop(); i++ {
		draw.Draw(img, image.Rect(100, 100, 400, 160), image.NewUniform(color.Gray{byte(i)}), image.Point{}, draw.Src)
		e.Encode(img, false)
	}
}
