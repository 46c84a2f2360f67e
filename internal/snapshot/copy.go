package snapshot

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// hasRoomToCopy refuses what would fill the disk. Where the file system shares blocks a copy needs none.
func (s *Store) hasRoomToCopy(ctx context.Context, aside, instanceDir string) error {
	var need, least int64
	smallest := ""
	for _, f := range savedFiles() {
		file, info, err := s.find(ctx, instanceDir, f)
		if err != nil {
			if unlessMissing(err) != nil {
				return err
			}
			continue
		}
		need += info.Blocks * blockSize
		if info.Blocks > 0 && (least == 0 || info.Blocks < least) {
			smallest, least = file, info.Blocks
		}
	}
	short := s.hasRoom(ctx, need)
	if short == nil || smallest == "" {
		return short
	}
	probe := path.Join(aside, ".probe")
	copied, err := s.host.Copy(ctx, smallest, probe)
	if err == nil && copied == 0 {
		short = nil
	}
	return errors.Join(short, s.host.RemoveAll(ctx, probe))
}

// copyQuiet copies what there is of the saved files while the device is quiet, and says for how long it was.
func (s *Store) copyQuiet(ctx context.Context, aside string, src Source, m *Manifest, report func(sandbox.Progress)) (names []string, err error) {
	quiet, err := src.Quiet(ctx)
	if err != nil {
		return nil, err
	}
	m.Consistency, m.Sentinel = quiet.How, quiet.Sentinel
	defer func() {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), resumeLimit)
		defer cancel()
		err = errors.Join(err, fault.Op("let the device go on", quiet.Resume(own)))
		if quiet.How == Paused {
			m.PausedFor = time.Since(quiet.Since).Milliseconds()
		}
	}()
	for _, f := range savedFiles() {
		from, info, err := s.find(ctx, src.InstanceDir, f)
		if fault.Is(err, fault.NotFound) && f.name != overlayName {
			continue
		}
		if err != nil {
			return nil, err
		}
		report(sandbox.Progress{Step: "copy", Total: info.Size})
		to := path.Join(aside, DataDir, f.name)
		if _, err := s.host.Copy(ctx, from, to); err != nil {
			return nil, err
		}
		if err := s.host.GiveToDeviceUser(ctx, to); err != nil { // as whom qemu-img runs
			return nil, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// find looks for a saved file under either of its names. A link is none: what it leads to is not the device's.
func (s *Store) find(ctx context.Context, instanceDir string, f saved) (file string, info host.FileInfo, err error) {
	for _, name := range []string{f.name, f.other} {
		if name == "" {
			continue
		}
		file = path.Join(instanceDir, name)
		if err := s.staysInside(ctx, instanceDir, name); err != nil {
			return file, info, err
		}
		if info, err = s.host.Lstat(ctx, file); err == nil && !info.Mode.IsRegular() {
			return file, info, fault.Conflictf("%s is not a regular file", file)
		}
		if !fault.Is(err, fault.NotFound) {
			break
		}
	}
	return file, info, err
}
