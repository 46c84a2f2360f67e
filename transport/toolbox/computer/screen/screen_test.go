package screen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// frame is what screencap prints.
func frame(w, h, format uint32, later bool, pixels ...byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, w)
	out = binary.LittleEndian.AppendUint32(out, h)
	out = binary.LittleEndian.AppendUint32(out, format)
	if later {
		out = binary.LittleEndian.AppendUint32(out, 1)
	}
	return append(out, pixels...)
}

func TestRead(t *testing.T) {
	t.Parallel()
	a, b := color.RGBA{10, 20, 30, 255}, color.RGBA{255, 0, 8, 255}
	for _, tt := range []struct {
		name string
		data []byte
		want []color.RGBA // of 2x1, or nil
		err  string
	}{
		{"RGBA", frame(2, 1, 1, true, 10, 20, 30, 255, 255, 0, 8, 0), []color.RGBA{a, b}, ""},
		{"RGBA of Android 8", frame(2, 1, 1, false, 10, 20, 30, 255, 255, 0, 8, 0), []color.RGBA{a, b}, ""},
		{"RGBX", frame(2, 1, 2, true, 10, 20, 30, 7, 255, 0, 8, 7), []color.RGBA{a, b}, ""},
		{"BGRA", frame(2, 1, 5, true, 30, 20, 10, 255, 8, 0, 255, 255), []color.RGBA{a, b}, ""},
		{"RGB", frame(2, 1, 3, true, 10, 20, 30, 255, 0, 8), []color.RGBA{a, b}, ""},
		{"RGB565", frame(2, 1, 4, true, 0xe0, 0x07, 0x1f, 0xf8), []color.RGBA{{0, 255, 0, 255}, {255, 0, 255, 255}}, ""},
		{"nothing", nil, nil, "no picture"},
		{"words", []byte("Error"), nil, "no picture"},
		{"cut off", frame(2, 1, 1, true, 1, 2, 3), nil, "printed 19 bytes"},
		{"too much", frame(2, 1, 1, true, 1, 2, 3, 4, 5, 6, 7, 8, 9), nil, "printed"},
		{"no size", frame(0, 1, 1, true), nil, "0x1"},
		{"too large", frame(1<<16, 1<<16, 1, true), nil, "65536x65536"},
		{"a lie", frame(0xffffffff, 0xffffffff, 1, true), nil, "4294967295"},
		{"wide colours", frame(2, 1, 22, true), nil, "format 22"},
	} {
		img, err := Read(iotest.OneByteReader(bytes.NewReader(tt.data)))
		if tt.want == nil {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for x, want := range tt.want {
			if got := img.RGBAAt(x, 0); got != want || img.Bounds() != image.Rect(0, 0, 2, 1) {
				t.Errorf("%s: pixel %d is %v, want %v", tt.name, x, got, want)
			}
		}
	}
	broken := errors.New("lost")
	for n := range 20 {
		in := io.MultiReader(bytes.NewReader(frame(2, 1, 1, true, 1, 2, 3, 4)[:n]), iotest.ErrReader(broken))
		if _, err := Read(in); !errors.Is(err, broken) {
			t.Errorf("lost after %d bytes: %v", n, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(frame(2, 1, 1, true, 10, 20, 30, 255, 255, 0, 8, 0))
	f.Add(frame(1, 1, 4, false, 1, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= 8 && binary.LittleEndian.Uint32(data) > 64 && binary.LittleEndian.Uint32(data[4:]) > 64 {
			return // only slow
		}
		img, err := Read(bytes.NewReader(bytes.Clone(data)))
		if err == nil && (img.Rect.Empty() || len(img.Pix) != 4*img.Rect.Dx()*img.Rect.Dy() || !img.Opaque()) {
			t.Errorf("%v of %d bytes", img.Rect, len(img.Pix))
		}
	})
}

// gradient is a picture of which every pixel differs.
func gradient(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{byte(x), byte(y), byte(x + y), 255})
		}
	}
	return img
}

func TestPictures(t *testing.T) {
	t.Parallel()
	img := gradient(100, 50)
	part := Crop(img, image.Rect(10, 20, 40, 30))
	data, err := Encode(part, "png", 0)
	if err != nil {
		t.Fatal(err)
	}
	back, err := png.Decode(bytes.NewReader(data))
	if err != nil || back.Bounds() != image.Rect(0, 0, 30, 10) {
		t.Fatalf("got %v %v", back.Bounds(), err)
	}
	for y := range 10 {
		for x := range 30 {
			if got, want := color.RGBAModel.Convert(back.At(x, y)), img.At(x+10, y+20); got != want {
				t.Fatalf("%d,%d is %v, want %v", x, y, got, want)
			}
		}
	}
	data, err = Encode(img, "jpeg", 90)
	if err != nil {
		t.Fatal(err)
	}
	if back, err = jpeg.Decode(bytes.NewReader(data)); err != nil || back.Bounds() != img.Bounds() {
		t.Fatalf("got %v %v", back.Bounds(), err)
	}
	for _, tt := range []struct {
		factor float64
		w, h   int
	}{{1, 100, 50}, {0.5, 50, 25}, {0.33, 33, 16}, {0.1, 10, 5}, {0.001, 1, 1}} {
		if got := Scale(img, tt.factor).Bounds(); got != image.Rect(0, 0, tt.w, tt.h) {
			t.Errorf("%v: got %v", tt.factor, got)
		}
	}
	if got, want := Scale(img, 0.5).RGBAAt(3, 4), (color.RGBA{7, 9, 15, 255}); got != want { // means of 6,7 and 8,9
		t.Errorf("got %v, want %v", got, want)
	}
	if Black(img) || !Black(Crop(image.NewRGBA(image.Rect(0, 0, 9, 9)), image.Rect(1, 1, 5, 5))) {
		t.Error("black is not what it was")
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, at := range []image.Point{{50, 25}, {0, 0}, {99, 49}, {-30, -30}, {-5, 20}, {1 << 20, -1 << 20}} {
		img := gradient(100, 50)
		DrawCursor(img, at.X, at.Y)
		want := color.RGBA{255, 0, 0, 255}
		if at.In(img.Rect) && img.RGBAAt(at.X, at.Y) != want {
			t.Errorf("%v: got %v", at, img.RGBAAt(at.X, at.Y))
		}
		if got := img.RGBAAt(75, 40); at.X != 99 && got != (color.RGBA{75, 40, 115, 255}) {
			t.Errorf("%v painted far away", at)
		}
	}
}
