package ui

import (
	"errors"
	"image"
	"testing"
	"time"
)

// store keeps what a phone stores, for one goroutine.
type store struct {
	values map[string]string
	files  map[string]string
	now    time.Time
}

func newStore() *store {
	return &store{map[string]string{}, map[string]string{}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (s *store) Setting(space, key string) string    { return s.values[space+"/"+key] }
func (s *store) PutSetting(space, key, value string) { s.values[space+"/"+key] = value }
func (s *store) Now() time.Time                      { return s.now }

func (s *store) ReadFile(path string) ([]byte, error) {
	if text, ok := s.files[path]; ok {
		return []byte(text), nil
	}
	return nil, errors.New("no such file")
}

func (s *store) WriteFile(path string, data []byte) error {
	s.files[path] = string(data)
	return nil
}

func TestEveryViewCanBeDumped(t *testing.T) {
	t.Parallel()
	s := newStore()
	p := New(s)
	for _, size := range []string{"", "1280x720", "320x480", "50x50", "4096x4096"} {
		s.PutSetting("wm", "size", size)
		for _, component := range []string{"com.android.launcher3", "com.android.settings", "com.example.notes", "org.chromium.webview_shell", shopPackage, "com.example.animation"} {
			if err := p.Open(component); err != nil {
				t.Fatal(err)
			}
			p.Tap(p.Size().X/2, p.Size().Y/2)
			root := p.Tree()
			if root.Bounds.Max != p.Size() {
				t.Errorf("%s at %s: root %v", component, size, root.Bounds)
			}
			for v := range root.All() {
				if !v.Hidden && (v.Class == "" || v.Package == "") {
					t.Errorf("%s: a view without class or package: %+v", component, v)
				}
				if !v.Clip.In(root.Bounds) {
					t.Errorf("%s: %s is seen at %v", component, v.ID, v.Clip)
				}
				if v.Clickable && v.tap == nil {
					t.Errorf("%s: %q cannot be clicked", component, v.Text+v.Description)
				}
			}
		}
	}
	if err := p.Open("com.nope"); err == nil {
		t.Error("an app that is not there opens")
	}
}

func TestFingers(t *testing.T) {
	t.Parallel()
	s := newStore()
	p := New(s)
	p.Open("com.example.notes")
	p.Tap(300, 400)
	p.Type("some text")
	s.now = s.now.Add(time.Second)
	p.Touch(Down, 300, 400)
	s.now = s.now.Add(longPress)
	p.Touch(Up, 300, 400)
	p.Type("x")
	if got := s.files[NoteFile]; got != "x" {
		t.Errorf("a long press selects what is replaced: %q", got)
	}
	p.Touch(Down, 300, 400)
	p.Touch(Cancel, 300, 400)
	p.Touch(Up, 300, 400)
	p.Touch(Move, 1, 1)
	for _, at := range []image.Point{{-5, -5}, {720, 1280}, {1 << 30, 0}} {
		p.Tap(at.X, at.Y)
	}
	p.Key(keySleep, 0)
	p.Tap(360, 1250)
	p.Type("y")
	p.Key(keyEnter, 0)
	p.Key(keyWakeup, 0)
	if got := s.files[NoteFile]; got != "x" || p.Focused().Package != "com.example.notes" {
		t.Errorf("a phone that sleeps takes input: %q, %v", got, p.Focused())
	}
}

func TestTheCaret(t *testing.T) {
	t.Parallel()
	s := newStore()
	p := New(s)
	p.Open("com.example.notes")
	p.Tap(300, 400)
	p.Type("one\ntwo")
	for _, code := range []int{19, keyMoveHome, keyForward, 20, keyMoveEnd, keyDel} { // up, …, down
		p.Key(code, 0)
	}
	p.Key(29, Shift)
	if got := s.files[NoteFile]; got != "ne\ntwA" {
		t.Errorf("edited to %q", got)
	}
	p.Key(29, Ctrl)
	p.Key(52, Ctrl)
	if p.Clipboard() != "ne\ntwA" || s.files[NoteFile] != "" {
		t.Errorf("cut %q, left %q", p.Clipboard(), s.files[NoteFile])
	}
}

func FuzzPhone(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		s := newStore()
		p := New(s)
		for i := 0; i+3 < len(steps) && i < 400; i += 4 {
			x, y := int(steps[i+1])*5, int(steps[i+2])*6
			switch steps[i] % 6 {
			case 0, 1:
				p.Tap(x, y)
			case 2:
				p.Key(int(steps[i+1])+int(steps[i+2]), int(steps[i+3])*16)
			case 3:
				p.Type(string(rune('a' + steps[i+1]%26)))
			case 4:
				p.Touch(Action(steps[i+3]%4), x, y)
			case 5:
				p.Scroll(x, y, float64(int8(steps[i+3])))
			}
			if root := p.Tree(); root.Bounds.Max != p.Size() {
				t.Fatal("the tree is not as large as the display")
			}
		}
	})
}
