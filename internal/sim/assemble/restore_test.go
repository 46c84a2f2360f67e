package assemble_test

import (
	"os"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// replace puts an overlay with the mark "mark" over the old one by rename: another inode, the same header.
func (h *host) replace() {
	h.t.Helper()
	old, err := os.ReadFile(h.in("overlay.img"))
	if err != nil {
		h.t.Fatal(err)
	}
	next := h.in("overlay.img.new")
	if err := os.WriteFile(next, old, 0o644); err != nil {
		h.t.Fatal(err)
	}
	image, err := qcow2.Open(next)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = image.WriteAt([]byte("mark"), 4096)
	if cerr := image.Close(); err != nil || cerr != nil {
		h.t.Fatal(err, cerr)
	}
	if err := os.Rename(next, h.in("overlay.img")); err != nil {
		h.t.Fatal(err)
	}
}

func TestAnOverlayThatWasReplacedIsJudgedByItsTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		date         func(h *host)
		kept, wiping bool
	}{
		{"dated as the rule says it is kept", func(h *host) { h.touchRule() }, true, false},
		{"of the composite's very time it is kept", func(h *host) {
			h.touch(h.in("os_composite.img"))
			info, err := os.Stat(h.in("os_composite.img"))
			if err != nil {
				h.t.Fatal(err)
			}
			if err := os.Chtimes(h.in("overlay.img"), info.ModTime(), info.ModTime()); err != nil {
				h.t.Fatal(err)
			}
		}, true, false},
		{"older than the composite it is made anew, and the rest stays", func(h *host) {
			h.touch(h.in("overlay.img"))
			h.touch(h.in("os_composite.img"))
		}, false, false},
		{"with a component newer than the composite all is wiped", func(h *host) {
			h.touchRule()
			h.touch(h.in("metadata"))
		}, false, true},
		{"with a blank image newer than the composite all is wiped", func(h *host) {
			h.touchRule()
			h.touch(h.in("misc"))
		}, false, true},
		{"a secret that was put back wipes nothing", func(h *host) {
			h.touchRule()
			h.write(h.in("NVChip"), 1)
			h.write(h.in("internal/factory_reset_protected.img"), 1)
		}, true, false},
	}
	for _, version := range []string{"1.40.0", "1.55.2"} {
		for _, tt := range tests {
			t.Run(version+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				h := newHost(t, version, assemble.UseExisting)
				if _, err := assemble.Run(h.cfg); err != nil {
					t.Fatal(err)
				}
				h.replace()
				h.write(h.in("gatekeeper_secure"), 1)
				tt.date(h)
				h.log.Reset()
				if kept := h.start(); kept != tt.kept {
					t.Errorf("kept %t, want %t", kept, tt.kept)
				}
				if wiping := strings.Contains(h.log.String(), "Wiping"); wiping != tt.wiping {
					t.Errorf("the log says wiping: %t, want %t\n%s", wiping, tt.wiping, h.log.String())
				}
				if _, err := os.Stat(h.in("gatekeeper_secure")); (err == nil) == tt.wiping {
					t.Errorf("gatekeeper_secure: %v", err)
				}
			})
		}
	}
}

func TestEachFileOfAnInstanceIsKeptOrDeleted(t *testing.T) {
	t.Parallel()
	const (
		kept    = true
		deleted = false
	)
	h := newHost(t, "1.55.2", assemble.UseExisting)
	h.start()
	files := map[string]bool{
		"sdcard.img": kept, "pflash.img": kept, "uboot_env.img": kept, "persistent_vbmeta.img": kept, "os_vbmeta.img": kept,
		"boot_repacked.img": kept, "vendor_boot_repacked.img": kept, "access-kregistry": kept, "internal/hwcomposer-pmem": kept,
		"internal/factory_reset_protected.img": kept, "NVChip": kept, "gatekeeper_secure": kept, "gatekeeper_insecure": kept,
		"keymint_secure_deletion_data": kept, "oemlock_secure": kept, "oemlock_insecure": kept, "internal/weaver_storage.json": kept,
		"modem_nvram.json": kept, "iccprofile_for_sim0.xml": kept, "ap_overlay.img": kept, "recording/a.webm": kept,
		"sdcard_overlay.img": kept, "vmmtruststore.img": kept, "metadata.img": kept, "misc.img": kept,
		"userdata.img": deleted, "cuttlefish_config.json": deleted, "logs/launcher.log": deleted, "shared/a": deleted,
		"internal/a_fifo": deleted, "overlay.img.new": deleted, "../../assembly/restore": deleted,
		"../../assembly/cuttlefish_config.json": deleted, "../../assembly/assemble_cvd.log": deleted,
	}
	for name := range files {
		h.write(h.in(name), 7)
	}
	for _, name := range []string{"pstore", "metadata", "misc", "internal/bootconfig"} {
		h.write(h.in(name), 7) // deleted, and made anew with its own size
	}
	h.touchRule()
	h.start()
	for name, want := range files {
		if info, err := os.Stat(h.in(name)); (err == nil) != want || err == nil && info.Size() != 7 {
			t.Errorf("%s: kept %t, want %t", name, err == nil, want)
		}
	}
	for _, name := range []string{"pstore", "metadata", "misc", "internal/bootconfig"} {
		if info, err := os.Stat(h.in(name)); err != nil || info.Size() == 7 {
			t.Errorf("%s: %v; want a new one", name, err)
		}
	}
}
