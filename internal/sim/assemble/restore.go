package assemble

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// RestoreMark is the file in A that says that the next VM begins with a saved memory; it holds the path of that.
const RestoreMark = "restore"

// SavedTree is where a snapshot of the memory has the group's files, GuestMemory what the VM of instance n saved there.
func SavedTree(snapshot string) string { return filepath.Join(snapshot, "cuttlefish") }

// GuestMemory is a file of a snapshot.
func GuestMemory(snapshot string, n int) string {
	return filepath.Join(snapshot, GuestSnapshot(n), "guest_vm")
}

// GuestSnapshot is the directory for it, relative to the snapshot.
func GuestSnapshot(n int) string {
	return filepath.Join("cuttlefish", "instances", fmt.Sprintf("cvd-%d", n), "guest_snapshot")
}

// restore puts the group's files of a snapshot of its memory in place. Disks that would have to be made anew would not be
// those of the memory: from 1.38 on that is so after each second start (see the package's word on defects).
func (c Config) restore(paths []string) (Result, error) {
	if c.NoResume {
		return Result{}, simroot.Saidf("Restoring from snapshot requires --resume")
	}
	if err := c.clean(true); err != nil {
		return Result{}, err
	}
	if err := CopyTree(SavedTree(c.Snapshot), filepath.Join(c.Home, "cuttlefish")); err != nil {
		return Result{}, err
	}
	reason, err := c.rebuildNeeded(paths)
	if err != nil {
		return Result{}, err
	}
	if older, err := c.overlayTooOld(); err != nil {
		return Result{}, err
	} else if older && reason == "" {
		reason = "the overlay is older than the composite"
	}
	if reason != "" {
		return Result{}, simroot.Saidf("Restoring from snapshot requires not creating OS disks (%s)", reason)
	}
	mark := filepath.Join(c.AssemblyDir(), RestoreMark)
	if err := os.WriteFile(mark, []byte(GuestMemory(c.Snapshot, c.Instance)), 0o644); err != nil {
		return Result{}, fmt.Errorf("mark the restore: %w", err)
	}
	c.logf("Disks of instance %d are those of the snapshot %s", c.Instance, c.Snapshot)
	return Result{OverlayKept: true}, nil
}
