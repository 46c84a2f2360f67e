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

// RunDigests computes the SHA-256 of base images beside other work, one device at a time, and records
// them with the devices: a restore on another host needs them. It returns when ctx ends.
func (d *Devices) RunDigests(ctx context.Context) error {
	for {
		select {
		case dev := <-d.digests:
			if err := dev.digest(ctx); err != nil && ctx.Err() == nil {
				dev.log.Warn("digests of the base image not recorded", zap.Error(err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// digest records the digests of one device's images. A device that was destroyed meanwhile has
// nothing to record them with.
func (d *Device) digest(ctx context.Context) error {
	base, ok := d.base()
	if !ok {
		return nil
	}
	base, err := d.o.Images.Digest(ctx, base)
	if err != nil {
		return err
	}
	record, err := json.Marshal(base)
	if err != nil {
		return err
	}
	return d.amend(ctx, func(r *ledger.Record) { r.Paths.Base = record })
}
