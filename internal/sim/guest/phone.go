package guest

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/screen"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Phone is the guest's screen with its apps.
func (g *Guest) Phone() *ui.Phone { return g.phone }

// Framebuffer is what the screen shows now: 4*w*h bytes, red green blue alpha, row by row.
func (g *Guest) Framebuffer() (w, h int, rgba []byte) {
	img := screen.Paint(g.phone.Tree(), g.phone.Size())
	return img.Bounds().Dx(), img.Bounds().Dy(), img.Pix
}

// Release is the Android version that the guest imitates.
func (g *Guest) Release() string { return g.options.Release }

// HasADBFeature tells whether adbd of the imitated release knows a feature: of those that came
// after Android 10, all but the newest are told apart.
func (g *Guest) HasADBFeature(name string) bool {
	since := map[string]int{"ls_v2": 11, "abb": 11, "abb_exec": 11, "sendrecv_v2": 12, "sendrecv_v2_brotli": 12, "sendrecv_v2_lz4": 12,
		"sendrecv_v2_zstd": 12, "sendrecv_v2_dry_run_send": 12, "track_app": 12, "openscreen_mdns": 12, "delayed_ack": 14, "devraw": 14}
	return g.release() >= since[name]
}

// release is it as a number; a version that is none is the newest known.
func (g *Guest) release() int {
	n, err := strconv.Atoi(g.options.Release)
	if err != nil {
		return 15
	}
	return n
}

// phoneStore keeps the phone's state in the guest's settings and files.
type phoneStore struct{ g *Guest }

var _ ui.Store = (*phoneStore)(nil)

func (s *phoneStore) Setting(space, key string) string {
	value, _ := s.g.config.get(space, key)
	return value
}

func (s *phoneStore) PutSetting(space, key, value string) {
	if err := s.g.config.put(space, key, value); err != nil {
		s.g.Logf("SettingsProvider", "cannot keep %s/%s: %v", space, key, err)
	}
}

// maxNote bounds what an app reads of its file.
const maxNote = 1 << 20

func (s *phoneStore) ReadFile(path string) ([]byte, error) {
	f, err := s.g.tree.As(rootCred()).Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxNote))
}

func (s *phoneStore) WriteFile(path string, data []byte) error {
	v := s.g.tree.As(rootCred())
	f, err := v.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o660)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// Now is in the device's time zone.
func (s *phoneStore) Now() time.Time {
	return time.Now().In(toybox.Zone(s.g.props.get("persist.sys.timezone")))
}
