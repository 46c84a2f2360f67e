package simhost

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// BaseImage is the image that every simulated host offers.
const BaseImage = "android-LATEST"

// HostPrograms are the programs of a host package.
func HostPrograms() []string {
	return []string{
		"crosvm", "cvd_internal_start", "cvd_internal_status", "cvd_internal_stop", "process_restarter",
		"run_cvd", "snapshot_util_cvd", "tombstone_receiver", "webRTC",
	}
}

// Furnish makes the host's programs out of the cvd-sim binary, its host package and its base image.
// Images that are there stay untouched: a base image with a new time wipes every device.
func Furnish(root *simroot.Root, binary string) error {
	if err := install(binary, root.CVDProgram()); err != nil {
		return err
	}
	if err := install(binary, root.OperatorProgram()); err != nil {
		return err
	}
	if err := InstallHostPackage(root.HostHome(), binary); err != nil {
		return err
	}
	if err := os.MkdirAll(root.InstancesDir(), 0o755); err != nil {
		return fmt.Errorf("furnish the host: %w", err)
	}
	return CreateImage(filepath.Join(root.ArtifactsDir(), BaseImage))
}

// InstallHostPackage puts the programs of a host package into dir/bin.
func InstallHostPackage(dir, binary string) error {
	for _, name := range HostPrograms() {
		if err := install(binary, filepath.Join(dir, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

// install makes path a hard link to the binary, so that the executable's name is genuine; across file
// systems a copy.
func install(binary, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", path, err)
	}
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("install %s: %w", path, err)
	}
	if os.Link(binary, next) != nil {
		if err := copyProgram(binary, next); err != nil {
			return fmt.Errorf("install %s: %w", path, err)
		}
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("install %s: %w", path, err)
	}
	// Renaming one link of a file over another does nothing, and leaves the first.
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("install %s: %w", path, err)
	}
	return nil
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	// Nothing is forked while the file is open: a program that somebody has open for writing cannot be run (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// imageFile is one file of a product directory: its first bytes and its size, the rest being a hole.
type imageFile struct {
	name, head string
	size       int64
}

const mib = 1 << 20

func imageFiles() []imageFile {
	return []imageFile{
		{"android-info.txt", "config=phone\ngfxstream=supported\n", 0},
		{"fetcher_config.json", "{\n\t\"cvd_config\" : {}\n}\n", 0},
		{"misc_info.txt", "use_dynamic_partitions=true\n", 0},
		{"bootloader", "simulated bootloader\n", mib},
		{"boot.img", "ANDROID!", 4 * mib},
		{"init_boot.img", "ANDROID!", 2 * mib},
		{"vendor_boot.img", "VNDRBOOT", 4 * mib},
		{"vbmeta.img", "AVB0", 65536},
		{"vbmeta_system.img", "AVB0", 65536},
		{"super.img", "simulated system, vendor and product\n", 32 * mib},
		{"userdata.img", "", 256 * mib},
	}
}

// CreateImage makes the missing files of a product directory: raw, sparse and small.
func CreateImage(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create base image: %w", err)
	}
	for _, f := range imageFiles() {
		path := filepath.Join(dir, f.name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.WriteFile(path, []byte(f.head), 0o644); err != nil {
			return fmt.Errorf("create base image: %w", err)
		}
		if err := os.Truncate(path, max(f.size, int64(len(f.head)))); err != nil {
			return fmt.Errorf("create base image: %w", err)
		}
	}
	return nil
}
