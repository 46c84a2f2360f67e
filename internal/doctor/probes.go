package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// What a file system must have free, whichever is more. The disks of devices are sparse: together
// they were promised more than they take, so on a full file system it is the running guests whose
// writes fail. The one figure is room for a start, which writes logs, metadata and the first
// blocks of the disks; the other is for large hosts, where many guests write while somebody frees
// space.
const (
	minFreeBytes = 2 << 30
	minFreeShare = 50 // one in
)

const kvmDevice = "/dev/kvm"

// cvd asks the program for its version, which it answers without a look at any device.
func (d *Doctor) cvd(ctx context.Context) error {
	_, err := d.o.CVD.Version(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: install the package cuttlefish-base, or say with CVD_PATH where cvd is", err)
	default:
		return fmt.Errorf("%w: run 'cvd version' as the user that owns the devices, and see what it says", err)
	}
}

// disk looks at every file system that devices write to.
func (d *Doctor) disk(ctx context.Context) error {
	var wrong []string
	for _, place := range []struct {
		what, path string
		mayLack    bool // made when it is needed; its parent's file system then counts
	}{
		{"instances", d.o.InstancesPath, false},
		{"artifacts", d.o.ArtifactsPath, false},
		{"cvd runtime", d.o.RuntimePath, true},
	} {
		total, free, err := d.free(ctx, place.path, place.mayLack)
		need := max(minFreeBytes, total/minFreeShare)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case fault.Is(err, fault.NotFound):
			wrong = append(wrong, fmt.Sprintf("the %s directory %s does not exist: create it, or mount its file system",
				place.what, place.path))
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("the %s directory %s: %s", place.what, place.path, err))
		case free < need:
			wrong = append(wrong, fmt.Sprintf("the file system of the %s directory %s has %s of %s free, want %s: "+
				"free space on it, or remove sandboxes", place.what, place.path, gib(free), gib(total), gib(need)))
		}
	}
	if len(wrong) > 0 {
		return fault.Exhaustedf("%s", strings.Join(wrong, "; "))
	}
	return nil
}

// free is DiskFree of path or, where that may lack, of the nearest directory above it.
func (d *Doctor) free(ctx context.Context, path string, mayLack bool) (total, available int64, err error) {
	for {
		total, available, err = d.o.Host.DiskFree(ctx, path)
		if !mayLack || path == filepath.Dir(path) || !fault.Is(err, fault.NotFound) {
			return total, available, err
		}
		path = filepath.Dir(path)
	}
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// kvm looks for the device only: what the hypervisor makes of it shows at the next boot.
func (d *Doctor) kvm(ctx context.Context) error {
	const cure = "load the module kvm_intel or kvm_amd, and where it refuses enable virtualisation in the firmware, " +
		"or nested virtualisation for this machine"
	info, err := d.o.Host.Stat(ctx, kvmDevice)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.Unavailablef("%s does not exist and a boot failed (%s): %s", kvmDevice, d.suspicion(), cure)
	case err != nil:
		return fault.Op("look at "+kvmDevice, err)
	case info.Mode&fs.ModeCharDevice == 0:
		return fault.Unavailablef("%s is not a character device and a boot failed (%s): remove it and %s",
			kvmDevice, d.suspicion(), cure)
	}
	return nil
}
