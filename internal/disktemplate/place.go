package disktemplate

import (
	"context"
	"path"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/qcow2"
)

// Place puts what assembly would make into the directory of a device that has never been started, and which exists not yet:
// an overlay that holds nothing but its first cluster, for a snapshot's to be grafted onto, and all that it lies over.
// NotFound where there is no usable template of that name; Conflict where it does not fit. On failure what is there has to
// be removed with the device.
func (s *Store) Place(ctx context.Context, key string, to Site) (err error) {
	defer func() { err = fault.Op("place disk template "+key+" in "+to.InstanceDir, err) }()
	if !s.Usable(ctx, key) {
		return fault.NotFoundf("there is none, or none that can be trusted")
	}
	r, err := s.read(ctx, key)
	if err != nil {
		return err
	}
	if _, err := s.host.Lstat(ctx, to.InstanceDir); !fault.Is(err, fault.NotFound) {
		return fault.Conflictf("the directory is there already (%v)", err)
	}
	p := placer{Store: s, dir: path.Join(s.dir, key), to: to, moved: r.Site.moves(to)}
	if err := p.makeDir(ctx, to.InstanceDir); err != nil {
		return err
	}
	for i, f := range r.Files {
		if err := p.place(ctx, f, strconv.Itoa(i)); err != nil {
			return fault.Op(f.Name, err)
		}
	}
	if err := p.placeHead(ctx); err != nil {
		return fault.Op("overlay.img", err)
	}
	return p.checkPaths(ctx)
}

// placer is a template on its way into a device's directory.
type placer struct {
	*Store
	dir   string // of the template
	to    Site
	moved func(string) string
	named []string // all paths that the composites name
}

func (p *placer) place(ctx context.Context, f part, from string) error {
	file := path.Join(p.to.InstanceDir, f.Name)
	if err := p.makeDir(ctx, path.Dir(file)); err != nil {
		return err
	}
	if f.Kind == blank {
		if err := p.host.CreateSparse(ctx, file, f.Size, 0o644); err != nil {
			return err
		}
		return p.host.GiveToDeviceUser(ctx, file)
	}
	data, err := p.host.ReadFile(ctx, path.Join(p.dir, from), 0)
	if err != nil {
		return err
	}
	if int64(len(data)) != f.Size {
		return fault.Conflictf("the template has %d bytes of it, and %d are on record", len(data), f.Size)
	}
	if f.Kind == composite {
		if data, err = mapPaths(data, p.move); err != nil {
			return err
		}
	}
	if f.Kind == config {
		data = mapLines(data, p.move)
	}
	return p.write(ctx, file, data)
}

func mapLines(list []byte, replace func(string) string) []byte {
	lines := strings.Split(string(list), "\n")
	for i, line := range lines {
		if path.IsAbs(line) {
			lines[i] = replace(line)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

func (p *placer) move(from string) string {
	to := p.moved(from)
	p.named = append(p.named, to)
	return to
}

func (p *placer) placeHead(ctx context.Context) error {
	head, err := p.host.ReadFile(ctx, path.Join(p.dir, headName), 0)
	if err != nil {
		return err
	}
	header, err := qcow2.Parse(head)
	if err != nil {
		return err
	}
	if head, err = qcow2.WithBacking(head, p.move(header.Backing)); err != nil {
		return err
	}
	return p.write(ctx, path.Join(p.to.InstanceDir, "overlay.img"), head)
}

func (p *placer) write(ctx context.Context, file string, data []byte) error {
	if err := p.host.WriteFile(ctx, file, data, 0o644); err != nil {
		return err
	}
	return p.host.GiveToDeviceUser(ctx, file)
}

// makeDir makes a directory below the group's, and what is missing above it, the device user's.
func (p *placer) makeDir(ctx context.Context, dir string) error {
	below, inside := strings.CutPrefix(dir, p.to.GroupDir+"/")
	if !inside {
		return fault.Conflictf("%s is not below %s", dir, p.to.GroupDir)
	}
	dir = p.to.GroupDir
	for name := range strings.SplitSeq(below, "/") {
		dir = path.Join(dir, name)
		if _, err := p.host.Lstat(ctx, dir); !fault.Is(err, fault.NotFound) {
			if err != nil {
				return err
			}
			continue
		}
		if err := p.host.MkdirAll(ctx, dir, 0o775); err != nil {
			return err
		}
		if err := p.host.GiveToDeviceUser(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// checkPaths fails where a composite names what is not there: assembly would not find it either.
func (p *placer) checkPaths(ctx context.Context) error {
	for _, file := range p.named {
		if _, err := p.host.Stat(ctx, file); err != nil {
			return fault.Conflictf("a disk is made of %s: %v", file, err)
		}
	}
	return nil
}
