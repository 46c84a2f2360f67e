package assemble

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
)

// compositeMagic begins a composite disk (crosvm disk/src/composite.rs: CDISK_MAGIC).
const compositeMagic = "composite_disk\x1d"

// Fields of cdisk_spec.proto of crosvm.
const (
	fieldVersion    protowire.Number = 1
	fieldComponents protowire.Number = 2
	fieldLength     protowire.Number = 3

	fieldPath   protowire.Number = 1
	fieldOffset protowire.Number = 2
	fieldAccess protowire.Number = 3
)

const compositeVersion = 2

// Composite is a disk put together from files.
type Composite struct {
	Components []Component // by offset
	Length     int64
}

// Component is one file of it.
type Component struct {
	Path     string
	Offset   int64
	Writable bool
}

// Marshal returns the content of the composite's file.
func (c Composite) Marshal() []byte {
	out := []byte(compositeMagic)
	out = protowire.AppendTag(out, fieldVersion, protowire.VarintType)
	out = protowire.AppendVarint(out, compositeVersion)
	for _, part := range c.Components {
		var b []byte
		b = protowire.AppendTag(b, fieldPath, protowire.BytesType)
		b = protowire.AppendString(b, part.Path)
		if part.Offset != 0 {
			b = protowire.AppendTag(b, fieldOffset, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(part.Offset))
		}
		if part.Writable {
			b = protowire.AppendTag(b, fieldAccess, protowire.VarintType)
			b = protowire.AppendVarint(b, 1)
		}
		out = protowire.AppendTag(out, fieldComponents, protowire.BytesType)
		out = protowire.AppendBytes(out, b)
	}
	out = protowire.AppendTag(out, fieldLength, protowire.VarintType)
	return protowire.AppendVarint(out, uint64(c.Length))
}

// ReadComposite reads a composite's file.
func ReadComposite(path string) (Composite, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Composite{}, fmt.Errorf("read composite: %w", err)
	}
	c, err := parseComposite(data)
	if err != nil {
		return Composite{}, fmt.Errorf("read composite %s: %w", path, err)
	}
	return c, nil
}

var errComposite = errors.New("not a composite disk")

func parseComposite(data []byte) (Composite, error) {
	body, ok := bytes.CutPrefix(data, []byte(compositeMagic))
	if !ok {
		return Composite{}, errComposite
	}
	var c Composite
	err := eachField(body, func(n protowire.Number, num uint64, b []byte) error {
		switch n {
		case fieldLength:
			c.Length = int64(num)
			return nil
		case fieldComponents:
			part, err := parseComponent(b)
			c.Components = append(c.Components, part)
			return err
		default:
			return nil // a field of a later version
		}
	})
	if err != nil {
		return Composite{}, err
	}
	return c, c.check()
}

func parseComponent(b []byte) (Component, error) {
	var part Component
	err := eachField(b, func(n protowire.Number, num uint64, v []byte) error {
		switch n {
		case fieldPath:
			part.Path = string(v)
		case fieldOffset:
			part.Offset = int64(num)
		case fieldAccess:
			part.Writable = num == 1
		default: // a field of a later version
		}
		return nil
	})
	return part, err
}

func (c Composite) check() error {
	last := int64(-1)
	for _, part := range c.Components {
		if part.Offset <= last || part.Offset >= c.Length {
			return fmt.Errorf("%w: component %q at %d of %d", errComposite, part.Path, part.Offset, c.Length)
		}
		last = part.Offset
	}
	return nil
}

func eachField(b []byte, f func(n protowire.Number, num uint64, v []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("%w: %w", errComposite, protowire.ParseError(size))
		}
		b = b[size:]
		var num uint64
		var v []byte
		switch typ {
		case protowire.VarintType:
			num, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, typ, b)
		}
		if size < 0 {
			return fmt.Errorf("%w: %w", errComposite, protowire.ParseError(size))
		}
		if err := f(n, num, v); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// Partition returns where the component with that file name lies: its offset, and its size, which is
// that of the file in whole pages.
func (c Composite) Partition(file string) (offset, size int64, err error) {
	for _, part := range c.Components {
		if filepath.Base(part.Path) != file {
			continue
		}
		info, err := os.Stat(part.Path)
		if err != nil {
			return 0, 0, fmt.Errorf("partition of the OS disk: %w", err)
		}
		return part.Offset, roundUp(info.Size(), partitionUnit), nil
	}
	return 0, 0, fmt.Errorf("the OS disk has no %s", file)
}

// Open opens the components for reading. The caller closes the disk.
func (c Composite) Open() (*Disk, error) {
	d := &Disk{composite: c}
	for _, part := range c.Components {
		f, err := os.Open(part.Path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the OS disk: %w", err), d.Close())
		}
		d.files = append(d.files, f)
	}
	return d, nil
}

// Disk is the content of a composite. It is safe for concurrent use.
type Disk struct {
	composite Composite
	files     []*os.File // as the components
}

// Close closes the components.
func (d *Disk) Close() error {
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// ReadAt reads across components. Room behind the end of a component's file reads as zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for i, part := range d.composite.Components {
		end := d.composite.Length
		if i+1 < len(d.composite.Components) {
			end = d.composite.Components[i+1].Offset
		}
		from, to := max(off, part.Offset), min(off+int64(len(p)), end)
		if from >= to {
			continue
		}
		if _, err := d.files[i].ReadAt(p[from-off:to-off], from-part.Offset); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read %s: %w", part.Path, err)
		}
	}
	if rest := d.composite.Length - off; rest < int64(len(p)) {
		return int(max(rest, 0)), io.EOF
	}
	return len(p), nil
}
