package screen

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// memory is a store for a phone.
type memory struct {
	mu     sync.Mutex
	values map[string]string
}

func (m *memory) Setting(space, key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[space+"/"+key]
}

func (m *memory) PutSetting(space, key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string]string{}
	}
	m.values[space+"/"+key] = value
}

func (m *memory) ReadFile(string) ([]byte, error) { return nil, errors.New("none") }
func (m *memory) WriteFile(string, []byte) error  { return nil }
func (m *memory) Now() time.Time                  { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func pixels(p *ui.Phone) *image.RGBA { return Paint(p.Tree(), p.Size()) }

func TestTheScreenShowsWhatHappens(t *testing.T) {
	t.Parallel()
	if regular() == nil {
		t.Fatal("the font cannot be read")
	}
	p := ui.New(&memory{})
	last := pixels(p)
	if !bytes.Equal(last.Pix, pixels(p).Pix) {
		t.Error("the same screen is painted in two ways")
	}
	if dir := os.Getenv("SCREENS"); dir != "" {
		defer func() { save(t, dir+"/end.png", last) }()
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"settings open", func() { p.Open("com.android.settings") }},
		{"a switch is touched", func() { p.Tap(360, 400) }},
		{"the list is pulled", func() { p.Touch(ui.Down, 360, 900); p.Touch(ui.Move, 360, 500); p.Touch(ui.Up, 360, 500) }},
		{"home", func() { p.Key(3, 0) }},
		{"notes open", func() { p.Open("com.example.notes") }},
		{"the note gets the focus", func() { p.Tap(360, 400) }},
		{"text is typed", func() { p.Type("hello screen, this is a long line that does not fit\nand another") }},
		{"the caret moves", func() { p.Key(21, 0) }},
		{"everything is selected", func() { p.Key(29, ui.Ctrl) }},
		{"recents", func() { p.Key(187, 0) }},
		{"a URL", func() { p.OpenURL("https://example.com/") }},
		{"the display is switched off", func() { p.Key(26, 0) }},
	} {
		step.do()
		now := pixels(p)
		if bytes.Equal(last.Pix, now.Pix) {
			t.Errorf("%s: nothing to see", step.name)
		}
		last = now
		if dir := os.Getenv("SCREENS"); dir != "" {
			save(t, dir+"/"+step.name+".png", now)
		}
	}
	for i := 0; i < len(last.Pix); i += 4 {
		if last.Pix[i]|last.Pix[i+1]|last.Pix[i+2] != 0 {
			t.Fatal("a display that is off is not black")
		}
	}
}

func save(t *testing.T, name string, img *image.RGBA) {
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := WritePNG(f, img); err != nil {
		t.Fatal(err)
	}
}

func TestTheFormatsAreScreencaps(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(0, 0, 3, 2))
	img.SetRGBA(1, 0, color.RGBA{1, 2, 3, 255})
	var raw, packed bytes.Buffer
	if err := WriteRaw(&raw, img); err != nil {
		t.Fatal(err)
	}
	want := []byte{3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 255}
	if got := raw.Bytes(); len(got) != 16+3*2*4 || !bytes.Equal(got[:24], want) {
		t.Errorf("raw: % x", got)
	}
	if err := WritePNG(&packed, img); err != nil {
		t.Fatal(err)
	}
	back, err := png.Decode(&packed)
	if err != nil || back.Bounds() != img.Bounds() {
		t.Errorf("png: %v", err)
	}
}

func BenchmarkPaint(b *testing.B) {
	p := ui.New(&memory{})
	if err := p.Open("com.android.settings"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pixels(p)
	}
}
