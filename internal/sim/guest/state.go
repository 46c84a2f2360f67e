package guest

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// maxStored bounds a stored table: so much of its file is read, and no more is kept.
const maxStored = 1 << 20

// stored is a table of names and values that is kept in a file, one quoted pair per line.
type stored struct {
	view *vfs.View
	path string
}

func (s stored) load() (map[string]string, error) {
	values := map[string]string{}
	f, err := s.view.Open(s.path, os.O_RDONLY, 0)
	if vfs.Errno(err) == syscall.ENOENT {
		return values, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxStored))
	if err != nil {
		return nil, fmt.Errorf("read %s of the guest: %w", s.path, err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		var name, value string
		// A line that a power cut has torn is dropped.
		if n, _ := fmt.Sscanf(line, "%q %q", &name, &value); n == 2 {
			values[name] = value
		}
	}
	return values, nil
}

func (s stored) save(values map[string]string) error {
	var b strings.Builder
	for _, name := range sortedKeys(values) {
		fmt.Fprintf(&b, "%q %q\n", name, values[name])
	}
	if b.Len() > maxStored {
		return syscall.ENOSPC
	}
	f, err := s.view.Open(s.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, b.String())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.view.Rename(s.path+".new", s.path)
	}
	return err
}

// properties are the system properties; those named persist.* survive a boot.
type properties struct {
	file stored

	mu     sync.Mutex
	values map[string]string
}

func newProperties(tree *vfs.FS, o Options) (*properties, error) {
	p := &properties{file: stored{tree.As(rootCred()), "/data/property/persistent_properties"}}
	values, err := p.file.load()
	if err != nil {
		return nil, err
	}
	if values["persist.sys.timezone"] == "" {
		values["persist.sys.timezone"] = "GMT"
	}
	maps.Copy(values, deviceProperties(o))
	maps.Copy(values, o.Properties)
	p.values = values
	return p, nil
}

// deviceProperties are those of an aosp_cf_x86_64_phone userdebug build.
func deviceProperties(o Options) map[string]string {
	sdk := map[string]string{"10": "29", "11": "30", "12": "31", "13": "33", "14": "34", "15": "35", "16": "36"}[o.Release]
	build := "AOSP." + o.Release + ".0001"
	return map[string]string{
		"dalvik.vm.heapsize": "512m", "init.svc.adbd": "running", "init.svc.zygote": "running",
		"ro.adb.secure": "0", "ro.boot.hardware": "cutf_cvm", "ro.boot.serialno": o.Serial, "ro.bootmode": "unknown",
		"ro.build.characteristics": "nosdcard,default", "ro.build.display.id": "aosp_cf_x86_64_phone-userdebug " + o.Release + " " + build,
		"ro.build.fingerprint": "generic/aosp_cf_x86_64_phone/vsoc_x86_64:" + o.Release + "/" + build + "/1:userdebug/test-keys",
		"ro.build.id":          build, "ro.build.tags": "test-keys", "ro.build.type": "userdebug",
		"ro.build.version.release": o.Release, "ro.build.version.sdk": sdk, "ro.build.version.security_patch": "2026-01-05",
		"ro.debuggable": "1", "ro.hardware": "cutf_cvm", "ro.kernel.version": "6.1.0-android14-simulated",
		"ro.kernel.qemu": "", "ro.product.brand": "generic", "ro.product.cpu.abi": "x86_64", "ro.product.cpu.abilist": "x86_64",
		"ro.product.device": "vsoc_x86_64", "ro.product.manufacturer": "Google", "ro.product.model": "Cuttlefish x86_64 phone",
		"ro.product.name": "aosp_cf_x86_64_phone", "ro.serialno": o.Serial, "ro.sf.lcd_density": "320",
		"ro.build.version.codename": "REL", "ro.build.version.incremental": "1", "ro.product.board": "cutf", "ro.product.locale": "en-US",
		"ro.boot.bootreason": "cold", "ro.zygote": "zygote64", "sys.boot_completed": "", "sys.usb.state": "adb",
	}
}

func (p *properties) get(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.values[name]
}

func (p *properties) all() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := maps.Clone(p.values)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

// set is setprop: read-only properties cannot be changed, and values are at most 91 bytes.
func (p *properties) set(name, value string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, exists := p.values[name]
	readOnly := strings.HasPrefix(name, "ro.")
	switch {
	case name == "", strings.ContainsAny(name, " \n="), len(value) > 91 && !readOnly:
		return syscall.EINVAL
	case readOnly && exists, len(p.values) > 10_000:
		return syscall.EPERM
	}
	p.values[name] = value
	return p.persist(name)
}

func (p *properties) force(name, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[name] = value
}

func (p *properties) persist(name string) error {
	if !strings.HasPrefix(name, "persist.") {
		return nil
	}
	kept := maps.Clone(p.values)
	maps.DeleteFunc(kept, func(k, _ string) bool { return !strings.HasPrefix(k, "persist.") })
	return p.file.save(kept)
}

// settings are Android's settings: SPACE/KEY to value.
type settings struct {
	file stored

	mu     sync.Mutex
	values map[string]string
}

func newSettings(tree *vfs.FS) (*settings, error) {
	s := &settings{file: stored{tree.As(rootCred()), "/data/system/settings"}}
	values, err := s.file.load()
	if err != nil {
		return nil, err
	}
	s.values = map[string]string{
		"global/adb_enabled": "1", "global/development_settings_enabled": "1", "global/device_provisioned": "1",
		"global/wifi_on": "1", "global/mobile_data": "1", "global/auto_time": "1", "secure/location_mode": "3", "secure/ui_night_mode": "1",
		"system/accelerometer_rotation": "0", "system/user_rotation": "0", "system/sound_effects_enabled": "1", "system/volume_music": "5",
		"system/screen_brightness": "102", "system/screen_off_timeout": "2147483647", "secure/user_setup_complete": "1",
	}
	maps.Copy(s.values, values)
	return s, nil
}

func (s *settings) get(space, key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.values[space+"/"+key]
	return v, v != ""
}

func (s *settings) put(space, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[space+"/"+key] = value
	return s.file.save(s.values)
}

func (s *settings) list(space string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := map[string]string{}
	for name, value := range s.values {
		if key, ok := strings.CutPrefix(name, space+"/"); ok && value != "" {
			list[key] = value
		}
	}
	return list
}
