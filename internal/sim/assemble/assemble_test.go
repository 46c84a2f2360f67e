package assemble_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// host is one instance whose starts follow a clock of their own.
type host struct {
	t   *testing.T
	cfg assemble.Config
	log bytes.Buffer
	now time.Time
}

func newHost(t *testing.T, version string, policy assemble.DataPolicy) *host {
	t.Helper()
	v, err := simroot.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, now: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	h.cfg = assemble.Config{
		Instance: 1, Home: filepath.Join(dir, "home"), Product: filepath.Join(dir, "product"),
		Dirs: []string{filepath.Join(dir, "uds")}, Version: v, Policy: policy, BlankMB: 64, SDCardMB: 16,
		Clock:   func() time.Time { h.now = h.now.Add(time.Second); return h.now },
		Log:     &h.log,
		Holders: func(...string) []int { return nil },
	}
	h.write(filepath.Join(h.cfg.Product, "super.img"), 8192)
	h.write(filepath.Join(h.cfg.Product, "boot.img"), 4096)
	h.write(filepath.Join(h.cfg.Product, "userdata.img"), 1<<20)
	return h
}

func (h *host) write(path string, size int) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		h.t.Fatal(err)
	}
	h.touch(path)
}

func (h *host) touch(path string) {
	h.t.Helper()
	if err := os.Chtimes(path, time.Time{}, h.cfg.Clock()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) in(name string) string { return filepath.Join(h.cfg.InstanceDir(), name) }

// start assembles, reports whether the guest's data survived, and lets the guest write.
func (h *host) start() bool {
	h.t.Helper()
	if _, err := assemble.Run(h.cfg); err != nil {
		h.t.Fatal(err)
	}
	image, err := qcow2.Open(h.in("overlay.img"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer image.Close()
	mark := make([]byte, 4)
	if _, err := image.ReadAt(mark, 4096); err != nil {
		h.t.Fatal(err)
	}
	kept := string(mark) == "mark"
	if _, err := image.WriteAt([]byte("mark"), 4096); err != nil {
		h.t.Fatal(err)
	}
	h.touch(h.in("overlay.img")) // as the guest's writes do
	return kept
}

func (h *host) touchRule() {
	h.touch(h.in("os_composite.img"))
	h.touch(h.in("overlay.img"))
}

func TestTheRestartsThatWipeADevice(t *testing.T) {
	t.Parallel()
	const (
		fresh = false
		kept  = true
	)
	tests := []struct {
		name    string
		version string
		policy  assemble.DataPolicy
		touch   bool
		want    []bool
	}{
		{"before 1.32 existing data is kept", "1.31.0", assemble.UseExisting, false, []bool{fresh, kept, kept, kept, kept}},
		{"before 1.32 always_create wipes at every start", "1.31.0", assemble.AlwaysCreate, false, []bool{fresh, fresh, fresh, fresh, fresh}},
		{"1.32 to 1.37 keep existing data", "1.37.0", assemble.UseExisting, false, []bool{fresh, kept, kept, kept, kept}},
		{"1.32 with always_create wipes at every second start", "1.32.0", assemble.AlwaysCreate, false, []bool{fresh, kept, fresh, kept, fresh}},
		{"1.38 wipes at every second start", "1.38.0", assemble.UseExisting, false, []bool{fresh, kept, fresh, kept, fresh}},
		{"1.55 wipes at every second start", "1.55.2", assemble.UseExisting, false, []bool{fresh, kept, fresh, kept, fresh}},
		{"1.40 with always_create wipes at every second start", "1.40.0", assemble.AlwaysCreate, false, []bool{fresh, kept, fresh, kept, fresh}},
		{"the touch cures 1.40", "1.40.0", assemble.UseExisting, true, []bool{fresh, kept, kept, kept, kept}},
		{"the touch cures 1.40 with always_create", "1.40.0", assemble.AlwaysCreate, true, []bool{fresh, kept, kept, kept, kept}},
		{"the touch cures 1.35 with always_create", "1.35.0", assemble.AlwaysCreate, true, []bool{fresh, kept, kept, kept, kept}},
		{"the touch does no harm before 1.32", "1.31.0", assemble.UseExisting, true, []bool{fresh, kept, kept, kept, kept}},
		{"nothing cures always_create before 1.32", "1.31.0", assemble.AlwaysCreate, true, []bool{fresh, fresh, fresh, fresh, fresh}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, tt.version, tt.policy)
			var got []bool
			for i := range tt.want {
				if tt.touch && i > 0 {
					h.touchRule()
				}
				got = append(got, h.start())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("data kept at starts 1 to 5: got %v, want %v\n%s", got, tt.want, h.log.String())
			}
		})
	}
}

func TestWhatElseDecidesOverTheData(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before func(h *host)
		want   bool
	}{
		{"a touched base image wipes", func(h *host) { h.touch(filepath.Join(h.cfg.Product, "super.img")) }, false},
		{"another product directory wipes", func(h *host) {
			next := h.cfg.Product + "2"
			if err := os.Rename(h.cfg.Product, next); err != nil {
				h.t.Fatal(err)
			}
			h.cfg.Product = next
		}, false},
		{"an overlay older than its composite is made anew", func(h *host) { h.touch(h.in("os_composite.img")) }, false},
		{"a missing composite wipes", func(h *host) {
			if err := os.Remove(h.in("os_composite.img")); err != nil {
				h.t.Fatal(err)
			}
		}, false},
		{"a newer metadata.img wipes", func(h *host) { h.touch(h.in("metadata.img")) }, false},
		{"noresume throws the overlay away", func(h *host) { h.cfg.NoResume = true }, false},
		{"the fault wipes", func(h *host) { h.cfg.ForceWipe = true }, false},
		{"nothing changed", func(*host) {}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "1.37.0", assemble.UseExisting)
			h.start()
			tt.before(h)
			if got := h.start(); got != tt.want {
				t.Errorf("data kept: got %t, want %t\n%s", got, tt.want, h.log.String())
			}
		})
	}
}

func TestOnlyThePreserveSetSurvivesAStart(t *testing.T) {
	t.Parallel()
	h := newHost(t, "1.40.0", assemble.UseExisting)
	h.start()
	for _, name := range []string{"NVChip", "iccprofile_for_sim0.xml", "recording", "notes.txt", "logs/kernel.log", "internal/weaver_storage.json", "internal/x.fifo"} {
		h.write(h.in(name), 1)
	}
	h.write(filepath.Join(h.cfg.Dirs[0], "launcher_monitor.sock"), 0)
	h.touchRule()
	h.start()
	for name, want := range map[string]bool{
		"NVChip": true, "iccprofile_for_sim0.xml": true, "recording": true, "internal/weaver_storage.json": true,
		"notes.txt": false, "logs/kernel.log": false, "internal/x.fifo": false, "../../../../uds/launcher_monitor.sock": false,
		"metadata": true, "misc": true, "sdcard.img": true,
	} {
		if _, err := os.Lstat(h.in(name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

func TestFilesInUseAreNamedWithTheirHolders(t *testing.T) {
	t.Parallel()
	h := newHost(t, "1.40.0", assemble.UseExisting)
	h.cfg.Holders = func(...string) []int { return []int{41, 42} }
	_, err := assemble.Run(h.cfg)
	if err == nil || !strings.Contains(err.Error(), "Instance directory files in use. Try `cvd reset`? Observed PIDs: 41, 42") {
		t.Errorf("got %v", err)
	}
}

func TestTheCompositeReadsLikeItsComponents(t *testing.T) {
	t.Parallel()
	h := newHost(t, "1.40.0", assemble.UseExisting)
	super := filepath.Join(h.cfg.Product, "super.img")
	if err := os.WriteFile(super, bytes.Repeat([]byte("s"), 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	h.start()
	c, err := assemble.ReadComposite(h.in("os_composite.img"))
	if err != nil {
		t.Fatal(err)
	}
	off, size, err := c.Partition("super.img")
	if err != nil || size != 8192 {
		t.Fatalf("super: %d bytes at %d, %v; want 8192", size, off, err)
	}
	if _, size, err = c.Partition("userdata.img"); err != nil || size != 1<<20 {
		t.Fatalf("userdata: %d bytes, %v; want 1 MiB", size, err)
	}
	disk, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	got := make([]byte, 8)
	if _, err := disk.ReadAt(got, off+4996); err != nil || string(got) != "ssss\x00\x00\x00\x00" {
		t.Errorf("around the end of super.img: %q, %v", got, err)
	}
	if c.Length%(1<<16) != 0 {
		t.Errorf("length %d is no multiple of 64 KiB", c.Length)
	}
}

func TestQemuAcceptsTheOverlay(t *testing.T) {
	t.Parallel()
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("skipped: needs qemu-img")
	}
	for _, composite := range []bool{false, true} {
		h := newHost(t, "1.40.0", assemble.UseExisting)
		h.cfg.CompositeBacking = composite
		h.start()
		if out, err := exec.Command(qemuImg, "check", h.in("overlay.img")).CombinedOutput(); err != nil {
			t.Errorf("composite backing %t: %v\n%s", composite, err, out)
		}
	}
}

func TestAMissingImageIsNamed(t *testing.T) {
	t.Parallel()
	h := newHost(t, "1.40.0", assemble.UseExisting)
	if err := os.Remove(filepath.Join(h.cfg.Product, "super.img")); err != nil {
		t.Fatal(err)
	}
	if _, err := assemble.Run(h.cfg); err == nil || !strings.Contains(err.Error(), "super.img") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadComposite(f *testing.F) {
	f.Add(assemble.Composite{Components: []assemble.Component{{Path: "/a"}, {Path: "/b", Offset: 4096, Writable: true}}, Length: 8192}.Marshal())
	f.Add([]byte("composite_disk\x1d\x18\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "c.img")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := assemble.ReadComposite(path)
		if err != nil {
			return
		}
		if _, _, err := c.Partition("b"); err == nil && c.Length <= 0 {
			t.Errorf("a partition in a disk of %d bytes", c.Length)
		}
	})
}
