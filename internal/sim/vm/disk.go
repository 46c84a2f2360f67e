package vm

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// disk is the OS disk of a VM: the overlay on the composite.
type disk struct {
	image    *qcow2.Image
	base     *assemble.Disk
	userdata guestfs.Device // the partition with the guest's files
	off      atomic.Bool    // nothing is written any more
}

// openDisk opens an overlay and what its header names as backing: that decides what is under it, and not
// which file lies beside it. A crosvm that writes the format extension opens no other overlay
// (MissingBackingFileFormat in disk/src/qcow/mod.rs since 69abc27).
func openDisk(overlay string, needFormat bool) (*disk, error) {
	image, err := qcow2.Open(overlay)
	if err != nil {
		return nil, err
	}
	d, err := openOn(image, needFormat)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", overlay, err), image.Close())
	}
	return d, nil
}

var errNoFormat = errors.New("failed to open backing file: MissingBackingFileFormat")

func openOn(image *qcow2.Image, needFormat bool) (*disk, error) {
	header := image.Header()
	if needFormat && header.Style == qcow2.Old {
		return nil, errNoFormat
	}
	composite, err := assemble.ReadComposite(header.Backing)
	if err != nil {
		return nil, fmt.Errorf("failed to open backing file: %w", err)
	}
	offset, size, err := composite.Partition("userdata.img")
	if err != nil {
		return nil, err
	}
	base, err := composite.Open()
	if err != nil {
		return nil, err
	}
	image.SetBacking(base)
	d := &disk{image: image, base: base}
	userdata, err := guestfs.Range(image, offset, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("userdata: %w", err), base.Close())
	}
	d.userdata = &powered{Device: userdata, off: &d.off}
	return d, nil
}

// cutPower closes the image files. What the guest has not written by then is lost.
func (d *disk) cutPower() error { return errors.Join(d.image.Close(), d.base.Close()) }

// powered is a device that takes nothing any more once its power is off.
type powered struct {
	guestfs.Device
	off *atomic.Bool
}

var errPowerOff = errors.New("the power is off")

// WriteAt implements guestfs.Device.
func (p *powered) WriteAt(b []byte, at int64) (int, error) {
	if p.off.Load() {
		return 0, errPowerOff
	}
	return p.Device.WriteAt(b, at)
}
