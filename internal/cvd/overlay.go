package cvd

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// The disk of a device is overlay.img, a qcow2 file over os_composite.img, which is composed of the
// images. At each start assemble_cvd compares modification times: a component newer than the
// composite, or a composite newer than the overlay, makes it wipe the overlay with all the guest's
// data. Since 1.38 it makes two components anew itself at every start, so that without a cure every
// second restart wipes (disk_builder and assemble_cvd of google/android-cuttlefish; first in commit
// 44346c6).

const maxComponents = 256 // images of a composite that are looked at

// KeepOverlay makes the next start of a stopped device keep its guest's data. Call it before every
// start. It sets the times of the composite to now, or to that of its newest component where that is
// later, and those of the overlay to the same. The access point's disks get the same where they
// exist.
//
// Without an overlay there is nothing to keep: NotFound.
func KeepOverlay(ctx context.Context, h host.Files, instanceDir string) error {
	op := "keep the overlay of " + instanceDir
	if err := keepPair(ctx, h, instanceDir, "os_composite", "overlay.img"); err != nil {
		if missing(err) {
			return fault.Wrap(fault.NotFound, op, err)
		}
		return fault.Op(op, err)
	}
	if err := keepPair(ctx, h, instanceDir, "ap_composite", "ap_overlay.img"); err != nil && !missing(err) {
		return fault.Op(op, err)
	}
	return nil
}

func keepPair(ctx context.Context, h host.Files, dir, composite, overlay string) error {
	compositePath, overlayPath := path.Join(dir, composite+".img"), path.Join(dir, overlay)
	stamps := make([]time.Time, 0, maxComponents)
	for _, file := range []string{compositePath, overlayPath} { // both must exist before either is touched
		info, err := h.Stat(ctx, file)
		if err != nil {
			return err
		}
		stamps = append(stamps, info.ModTime)
	}
	for _, file := range components(ctx, h, path.Join(dir, composite+"_disk_config.txt")) {
		if info, err := h.Stat(ctx, file); err == nil {
			stamps = append(stamps, info.ModTime)
		}
	}
	stamp := latestSecond(time.Now(), stamps)
	for _, file := range []string{compositePath, overlayPath} { // the overlay last: it must never be older
		if err := h.Chtimes(ctx, file, stamp); err != nil {
			return err
		}
	}
	return nil
}

// latestSecond returns the latest of the times, rounded up to a second: a host that stores whole
// seconds must not make the composite older than a component. Clocks of runner and host may differ,
// and images may come with times in the future.
func latestSecond(now time.Time, stamps []time.Time) time.Time {
	for _, s := range stamps {
		if s.After(now) {
			now = s
		}
	}
	if whole := now.Truncate(time.Second); !whole.Equal(now) {
		return whole.Add(time.Second)
	}
	return now
}

// components returns the files that a composite is made of, as its config lists them: the name of the
// VM manager, then one absolute path on each line. Unreadable means none.
func components(ctx context.Context, h host.Files, config string) []string {
	b, err := h.ReadFile(ctx, config, 1<<20)
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); path.IsAbs(line) && len(out) < maxComponents {
			out = append(out, line)
		}
	}
	return out
}

// OverlayMark identifies an overlay, to be compared with its state after a start. The zero value is
// an overlay that does not exist.
type OverlayMark struct {
	Inode uint64
	Size  int64
}

// MarkOverlay returns the mark of the instance's overlay; that of a missing one is zero.
func MarkOverlay(ctx context.Context, h host.Files, instanceDir string) (OverlayMark, error) {
	info, err := h.Stat(ctx, path.Join(instanceDir, "overlay.img"))
	if missing(err) {
		return OverlayMark{}, nil
	}
	if err != nil {
		return OverlayMark{}, fault.Op("mark the overlay of "+instanceDir, err)
	}
	return OverlayMark{Inode: info.Inode, Size: info.Size}, nil
}

// wipeText is in assemble_cvd's log, and in the launcher's, of a start that threw the overlay away.
const wipeText = "base images have changed under the overlay"

// OverlayKept reports whether a start kept the overlay, and if not, how that shows. Before is the mark
// before the start, after the one once the device runs, assembleLog the end of what assembly wrote.
// An overlay only grows; one that is smaller is another one, even with the same inode number.
func OverlayKept(before, after OverlayMark, assembleLog []string) (kept bool, why string) {
	switch {
	case before == OverlayMark{}:
		return true, ""
	case after == OverlayMark{}:
		return false, "the overlay is gone"
	case after.Inode != before.Inode:
		return false, fmt.Sprintf("the overlay is another file: inode %d, was %d", after.Inode, before.Inode)
	case after.Size < before.Size:
		return false, fmt.Sprintf("the overlay shrank from %d to %d bytes", before.Size, after.Size)
	}
	for _, line := range assembleLog {
		if strings.Contains(line, wipeText) {
			return false, "assembly says: " + line
		}
	}
	return true, ""
}
