package vm

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// disk is the OS disk of a VM: the overlay on the composite.
type disk struct {
	image    *qcow2.Image
	base     *assemble.Disk
	userdata guestfs.Device // the partition with the guest's files
}

func openDisk(overlay string) (*disk, error) {
	composite, err := assemble.ReadComposite(filepath.Join(filepath.Dir(overlay), "os_composite.img"))
	if err != nil {
		return nil, err
	}
	offset, size, err := composite.Partition("userdata.img")
	if err != nil {
		return nil, err
	}
	image, err := qcow2.Open(overlay)
	if err != nil {
		return nil, err
	}
	base, err := composite.Open()
	if err != nil {
		return nil, errors.Join(err, image.Close())
	}
	image.SetBacking(base)
	userdata, err := guestfs.Range(image, offset, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("userdata: %w", err), image.Close(), base.Close())
	}
	return &disk{image: image, base: base, userdata: userdata}, nil
}

// cutPower closes the image files. What the guest has not written by then is lost.
func (d *disk) cutPower() error { return errors.Join(d.image.Close(), d.base.Close()) }
