package device

import (
	"context"
	"encoding/json"
	"slices"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
)

// maxDigests bounds the devices that wait for the digests of their images; one that finds the
// line full gets them after the next start of the runner.
const maxDigests = 128

// wantDigests puts the device in line unless its images have digests.
func (d *Device) wantDigests() {
	if base, ok := d.base(); !ok || !slices.ContainsFunc(base.Files, lacksDigest) {
		return
	}
	select {
	case d.digests <- d:
	default:
		d.log.Warn("too many devices wait for the digests of their images; this one waits for the next start")
	}
}

func lacksDigest(f image.File) bool { return f.SHA256 == "" }

// base is the base image on record; there is none on those of older installations.
func (d *Device) base() (base image.Base, ok bool) {
	raw := d.record().Paths.Base
	return base, len(raw) > 0 && json.Unmarshal(raw, &base) == nil && base.Dir != ""
}

// RunDigests computes the SHA-256 of base images beside other work, one image at a time and
// each image once, and records them with the devices: a restore on another host needs them.
// It returns when ctx ends.
func (d *Devices) RunDigests(ctx context.Context) error {
	known := map[string]image.Base{} // by directory
	for {
		select {
		case dev := <-d.digests:
			if err := dev.digest(ctx, known); err != nil && ctx.Err() == nil {
				dev.log.Warn("digests of the base image not recorded", zap.Error(err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// digest computes or looks up the digests of one device's images and records them. A device
// that was destroyed meanwhile has nothing to record them with.
func (d *Device) digest(ctx context.Context, known map[string]image.Base) error {
	base, ok := d.base()
	if !ok {
		return nil
	}
	done, seen := known[base.Dir]
	if !seen || d.o.Images.Verify(ctx, done) != nil {
		var err error
		if done, err = d.o.Images.Digest(ctx, base); err != nil {
			return err
		}
		known[base.Dir] = done
	}
	record, err := json.Marshal(done)
	if err != nil {
		return err
	}
	return d.amend(ctx, func(r *ledger.Record) { r.Paths.Base = record })
}
