package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/qcow2"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Source is the device whose data are saved.
type Source struct {
	Sandbox     string
	BaseImage   string // name
	ImageDir    string // where the base images are
	Images      []File // the base images, with their digests
	InstanceDir string
	Resources   Resources
	Flags       []string
	Versions    Versions

	// Quiet makes the files stand still until Resume is called. Whoever owns the device needs to know of nothing else of a
	// taking: before it and after it the device is not touched.
	Quiet func(ctx context.Context) (Quiet, error)
}

// Quiet is a device whose files stand still.
type Quiet struct {
	How      Consistency
	Sentinel string    // see [Manifest]
	Since    time.Time // when it was told to stand still; of a paused one
	// Resume lets it go on. It is called once, in every case, on a context of its own.
	Resume func(ctx context.Context) error
}

// resumeLimit bounds the end of a pause.
const resumeLimit = 30 * time.Second

// Take saves a device's data as the snapshot of a name. It is there whole when Take returns without an error; otherwise all
// is as it was before. Conflict when the name is taken: one of the same sandbox that was to be sent and was not is replaced,
// for whoever took it was told that it failed, and takes it again. Exhausted where the disk has no room for a copy. An error
// of Resume is joined to what went wrong before, and the snapshot is not kept: whoever paused has to know.
func (s *Store) Take(ctx context.Context, name string, src Source, report func(sandbox.Progress)) (m Manifest, err error) {
	op := "take snapshot " + name
	dir, err := s.Dir(name)
	if err != nil {
		return Manifest{}, err
	}
	replaces, err := s.isFree(ctx, name, dir, src.Sandbox)
	if err != nil {
		return Manifest{}, fault.Op(op, err)
	}
	aside := path.Join(path.Dir(dir), newMark+path.Base(dir))
	defer func() {
		if err != nil {
			err = errors.Join(fault.Op(op, err), s.host.RemoveAll(context.WithoutCancel(ctx), aside))
		}
	}()
	if m, err = s.build(ctx, name, aside, src, report); err != nil {
		return Manifest{}, err
	}
	if s.bucket != nil { // whoever comes after a kill sends it
		if err := s.host.MkdirAll(ctx, s.pushDir(name), 0o755); err != nil {
			return Manifest{}, err
		}
	}
	if !replaces {
		return m, s.publish(ctx, aside, dir)
	}
	end, err := s.turn(ctx, name)
	if err != nil {
		return Manifest{}, err
	}
	defer end()
	return m, s.replaceOld(ctx, aside, dir)
}

// build makes all of a snapshot in a directory that nobody looks into.
func (s *Store) build(ctx context.Context, name, aside string, src Source, report func(sandbox.Progress)) (Manifest, error) {
	org, snap, _ := Split(name) // it was split before
	if err := s.prepare(ctx, aside, src); err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Name: snap, Org: org, BaseImage: src.BaseImage, CreatedAt: time.Now().UTC().Truncate(time.Second),
		Format: FormatVersion, Source: src.Sandbox, Resources: src.Resources, Flags: src.Flags,
		Versions: src.Versions, Images: src.Images, Memory: notSaved,
	}
	names, err := s.copyQuiet(ctx, aside, src, &m, report)
	if err != nil {
		return Manifest{}, err
	}
	if err := s.describe(ctx, aside, names, &m, report); err != nil {
		return Manifest{}, err
	}
	if m.Consistency == Crash {
		report(sandbox.Progress{Step: "check"})
		if err := s.checkImage(ctx, path.Join(aside, DataDir, overlayName)); err != nil {
			return Manifest{}, err
		}
	}
	return m, s.write(ctx, aside, m)
}

// prepare makes the directory with the links to the base images.
func (s *Store) prepare(ctx context.Context, aside string, src Source) error {
	if err := s.host.RemoveAll(ctx, aside); err != nil { // of one that a kill cut short
		return err
	}
	if err := s.makeDataDir(ctx, aside); err != nil {
		return err
	}
	if err := s.hasRoomToCopy(ctx, aside, src.InstanceDir); err != nil {
		return err
	}
	for _, f := range src.Images {
		if !imageName(f.Name) {
			return fault.Conflictf("a manifest cannot name %.80q, which lies beside the images in %s: move it elsewhere", f.Name, src.ImageDir)
		}
		image, err := s.host.EvalSymlinks(ctx, path.Join(src.ImageDir, f.Name)) // what links lead there may go
		if err != nil {
			return err
		}
		if err := s.host.Symlink(ctx, image, path.Join(aside, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// makeDataDir makes the directories of the saved files. Those hold what a guest keeps secret: they are the device user's,
// as whom qemu-img runs, and nobody else looks into them.
func (s *Store) makeDataDir(ctx context.Context, dir string) error {
	if err := s.host.MkdirAll(ctx, dir, 0o755); err != nil {
		return err
	}
	for _, below := range []string{DataDir, DataDir + "/internal"} {
		if err := s.host.MkdirAll(ctx, path.Join(dir, below), 0o700); err != nil {
			return err
		}
		if err := s.host.GiveToDeviceUser(ctx, path.Join(dir, below)); err != nil {
			return err
		}
	}
	return nil
}

// describe reads the copies for the manifest. The device runs on meanwhile.
func (s *Store) describe(ctx context.Context, aside string, names []string, m *Manifest, report func(sandbox.Progress)) error {
	for _, name := range names {
		file := path.Join(aside, DataDir, name)
		info, err := s.host.Stat(ctx, file)
		if err != nil {
			return err
		}
		f, err := s.digest(ctx, path.Join(DataDir, name), file, func(done int64) {
			report(sandbox.Progress{Step: "digest", Done: done, Total: info.Size})
		})
		if err != nil {
			return err
		}
		if s.compress {
			f.Encoding = Zstd
		}
		m.Files = append(m.Files, f)
		m.Size += f.Size
	}
	header, err := s.header(ctx, path.Join(aside, DataDir, overlayName))
	m.Disk = &header
	return err
}

// header reads the geometry of a disk.
func (s *Store) header(ctx context.Context, file string) (qcow2.Header, error) {
	r, err := s.host.Open(ctx, file)
	if err != nil {
		return qcow2.Header{}, err
	}
	defer r.Close() //nolint:errcheck // it was read
	_, h, err := qcow2.Read(r)
	return h, fault.Op(file, err)
}

// checkImage has qemu-img look for torn tables, which a copy of a running device may have.
func (s *Store) checkImage(ctx context.Context, file string) error {
	alone, err := json.Marshal(map[string]any{ // its backing file may be gone, and is not looked at
		"driver": "qcow2", "backing": nil, "file": map[string]string{"driver": "file", "filename": file},
	})
	if err != nil {
		return fault.Wrap(fault.Internal, "check "+file, err)
	}
	_, err = s.host.Run(ctx, host.Command{Args: []string{"qemu-img", "check", "-q", "json:" + string(alone)}})
	if fault.Is(err, fault.Unavailable) { // what a program is that is not there
		return fault.Unavailablef("a disk that was copied while its device ran has to be checked, and there is no qemu-img on the host: " +
			"install it (Debian: qemu-utils), or take the snapshot of a stopped sandbox")
	}
	var exit *host.ExitError
	if errors.As(err, &exit) && exit.Code == leaksOnly {
		return nil
	}
	if err != nil {
		return fault.Unavailablef("the disk was torn while it was copied, or cannot be checked: %v; try again, or stop the sandbox first", err)
	}
	return nil
}

// leaksOnly is qemu-img's exit code for clusters that nobody uses: they cost room and no data (qemu-img(1)).
const leaksOnly = 3
