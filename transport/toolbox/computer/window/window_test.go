package window

import (
	"fmt"
	"reflect"
	"testing"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, said string
		w, h       int
	}{
		{"as made", "Physical size: 720x1280\n", 720, 1280},
		{"overridden", "Physical size: 720x1280\nOverride size: 1080x1920\n", 1080, 1920},
		{"with lines of DOS", "Physical size: 720x1280\r\n", 720, 1280},
		{"turned", "Physical size: 720x1280\n  mCurrentRotation=ROTATION_90\n", 1280, 720},
		{"turned, of Android 9", "Physical size: 720x1280\n  mRotation=3\n", 1280, 720},
		{"upside down", "Physical size: 720x1280\n  mCurrentRotation=ROTATION_180\n", 720, 1280},
		{"what is shown counts", "Physical size: 720x1280\n  Display: mDisplayId=0\n    init=720x1280 320dpi cur=1280x720 app=1280x672 rng=720x632-1280x1192\n mCurrentRotation=ROTATION_90", 1280, 720},
		{"nothing", "wm: not found\n", 0, 0},
		{"no size", "Physical size: 0x0\n", 0, 0},
		{"too large", "Physical size: 99999x99999\n", 0, 0},
	} {
		w, h, ok := Size([]byte(tt.said))
		if ok != (tt.w > 0) || ok && (w != tt.w || h != tt.h) {
			t.Errorf("%s: got %dx%d %t", tt.name, w, h, ok)
		}
	}
}

// Abridged from dumpsys of Android 14, with one line of Android 9.
const dump = `WINDOW MANAGER WINDOWS (dumpsys window windows)
  Window #0 Window{3a0f3ff u0 StatusBar}:
    mDisplayId=0 rootTaskId=1 mSession=Session{6f4d0d1 745:u0a10093}
    Frames: parent=[0,0][720,1280] display=[0,0][720,1280] frame=[0,0][720,48] last=[0,0][720,48]
    isOnScreen=true
    isVisible=true
  Window #1 Window{b0ff1ce u0 com.android.settings/com.android.settings.Settings}:
    mHasSurface=true isReadyForDisplay()=true
    mFrame=[0,-10][720,1280] last=[0,0][720,1280]
    isVisible=true
  Window #2 Window{deadbeef u0 com.android.launcher3/.Launcher}:
    Frames: frame=[0,0][720,1280]
    isOnScreen=false
    isVisible=false
  Window #3 Window{1 u10 Toast}:

  mCurrentFocus=Window{b0ff1ce u0 com.android.settings/com.android.settings.Settings}
`

func TestList(t *testing.T) {
	t.Parallel()
	want := []Window{
		{0x3a0f3ff, "StatusBar", 0, 0, 720, 48, false},
		{0xb0ff1ce, "com.android.settings/com.android.settings.Settings", 0, -10, 720, 1290, true},
		{1, "Toast", 0, 0, 0, 0, false},
	}
	if got := List([]byte(dump)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := List(nil); got == nil || len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func FuzzSize(f *testing.F) {
	f.Add([]byte("Physical size: 720x1280\nOverride size: 1080x1920\nmCurrentRotation=ROTATION_90 cur=1x1"))
	f.Fuzz(func(t *testing.T, said []byte) {
		if w, h, ok := Size(said); ok && (w < 1 || h < 1 || w > maxSide || h > maxSide) {
			t.Errorf("%dx%d", w, h)
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte(dump))
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, w := range List(said) {
			if w.Width < 0 || w.Height < 0 || w.ID < 0 {
				t.Errorf("%+v", w)
			}
		}
	})
}

// Ensure the window with the focus is told by package and activity, and others by none.
func TestInFront(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"  mCurrentFocus=Window{5a1d2c3 u0 com.x/com.x.Main}\n":               "com.x com.x.Main true",
		"  mCurrentFocus=null\n  mCurrentFocus=Window{1 u10 com.y/com.y.A$B}": "com.y com.y.A$B true",
		"mCurrentFocus=Window{1 u0 NotificationShade}":                        "NotificationShade  true",
		"mCurrentFocus=Window{1 u0 PopupWindow:ab12}":                         "  false",
		"mCurrentFocus=Window{1 u0 com.x/com.x.Main EXITING}":                 "  false",
		"": "  false",
	} {
		pkg, activity, ok := InFront([]byte(output))
		if got := fmt.Sprintf("%s %s %t", pkg, activity, ok); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}
