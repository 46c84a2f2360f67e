package disktemplate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/qcow2"
)

const (
	maxSpec    = 1 << 20  // bytes of a composite, or of its list
	maxContent = 16 << 20 // bytes that one generated file may hold, zeros apart
)

// disks are the composites that assembly compares with what it finds: of the OS, and of the access point where there is one.
func disks() []string { return []string{"os_composite", "ap_composite"} }

// Keep makes a template of a device that was stopped after its first boot, if there is none of that name yet. Nothing of
// the device is changed. Unsupported, saying what, where its files are more than can be kept.
func (s *Store) Keep(ctx context.Context, key string, from Site) (err error) {
	defer func() { err = fault.Op("make a disk template of "+from.InstanceDir, err) }()
	if _, err := s.host.Lstat(ctx, path.Join(s.dir, key)); !fault.Is(err, fault.NotFound) {
		return err
	}
	aside := path.Join(s.dir, newMark+key+"-"+path.Base(from.GroupDir))
	err = s.build(ctx, aside, func() error {
		k := keeper{Store: s, aside: aside, record: record{Site: from}}
		return k.keep(ctx)
	})
	if err != nil {
		return err
	}
	return s.publish(ctx, aside, key)
}

// keeper is a template in the making.
type keeper struct {
	*Store
	aside  string
	record record
}

func (k *keeper) keep(ctx context.Context) error {
	for _, disk := range disks() {
		if err := k.keepDisk(ctx, disk); err != nil {
			return fault.Op(disk, err)
		}
	}
	if len(k.record.Files) == 0 {
		return fault.Unsupportedf("it has no composite disk")
	}
	head, err := k.readHead(ctx, path.Join(k.record.Site.InstanceDir, "overlay.img"))
	if err != nil {
		return fault.Op("overlay.img", err)
	}
	if err := k.host.WriteFile(ctx, path.Join(k.aside, headName), head, 0o644); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(k.record, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, "write "+recordName, err)
	}
	return k.host.WriteFile(ctx, path.Join(k.aside, recordName), append(raw, '\n'), 0o644)
}

// keepDisk keeps a composite, the list of its parts, and those parts that are the device's own.
func (k *keeper) keepDisk(ctx context.Context, disk string) error {
	spec, err := k.host.ReadFile(ctx, path.Join(k.record.Site.InstanceDir, disk+".img"), 0)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := k.host.ReadFile(ctx, path.Join(k.record.Site.InstanceDir, disk+"_disk_config.txt"), 0)
	if err != nil {
		return err
	}
	if len(spec) > maxSpec || len(list) > maxSpec {
		return fault.Unsupportedf("%d and %d bytes are more than a composite and its list have", len(spec), len(list))
	}
	paths := strings.Split(string(list), "\n")
	if _, err := mapPaths(spec, func(p string) string { paths = append(paths, p); return p }); err != nil {
		return err
	}
	if err := errors.Join(k.add(ctx, disk+".img", composite, spec), k.add(ctx, disk+"_disk_config.txt", config, list)); err != nil {
		return err
	}
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		if name, own := strings.CutPrefix(p, k.record.Site.InstanceDir+"/"); own {
			if err := k.keepPart(ctx, name); err != nil {
				return fault.Op(name, err)
			}
		}
	}
	return nil
}

// keepPart keeps a file that assembly generated.
func (k *keeper) keepPart(ctx context.Context, name string) error {
	if name != path.Clean(name) || strings.HasPrefix(name, "../") {
		return fault.Unsupportedf("its name leads elsewhere")
	}
	info, err := k.host.Lstat(ctx, path.Join(k.record.Site.InstanceDir, name))
	if err != nil {
		return err
	}
	if !info.Mode.IsRegular() {
		return fault.Unsupportedf("it is not a regular file")
	}
	r, err := k.host.Open(ctx, path.Join(k.record.Site.InstanceDir, name))
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was read
	zero, err := holdsZeros(r, info.Size)
	switch {
	case err != nil:
		return err
	case zero:
		k.record.Files = append(k.record.Files, part{Name: name, Size: info.Size, Kind: blank})
		return nil
	case info.Size > maxContent:
		return fault.Unsupportedf("it holds %d bytes, and at most %d are kept", info.Size, maxContent)
	}
	data := make([]byte, info.Size)
	if _, err := r.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return k.add(ctx, name, content, data)
}

func (k *keeper) add(ctx context.Context, name string, kind kind, data []byte) error {
	file := path.Join(k.aside, strconv.Itoa(len(k.record.Files)))
	k.record.Files = append(k.record.Files, part{Name: name, Size: int64(len(data)), Kind: kind})
	return k.host.WriteFile(ctx, file, data, 0o644)
}

func (s *Store) readHead(ctx context.Context, file string) ([]byte, error) {
	r, err := s.host.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it was read
	head, _, err := qcow2.Read(r)
	return head, err
}

// holdsZeros reads what may hold data.
func holdsZeros(r host.Reader, size int64) (bool, error) {
	buf := make([]byte, 256<<10)
	for at := int64(0); ; {
		start, end, err := r.NextData(at)
		if err != nil || start >= size {
			return err == nil, err
		}
		for at = start; at < end; {
			n, err := r.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
			if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
				return false, nil
			}
			if at += int64(n); errors.Is(err, io.EOF) {
				return true, nil
			} else if err != nil {
				return false, err
			}
		}
	}
}
