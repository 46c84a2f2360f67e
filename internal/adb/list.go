package adb

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// List calls each for every name in a directory, in the device's order, as they arrive; "."
// and ".." are left out. An error of each ends the listing and is returned. A device that
// sends a name with a "/" is not believed: Unavailable.
//
// Errors are those of Stat, and Invalid for what is no directory.
func (d *Device) List(ctx context.Context, dir string, each func(Entry) error) error {
	op := "list " + label(dir)
	s, err := d.openBulkSync(ctx, dir)
	if err != nil {
		return fault.Op(op, err)
	}
	defer s.close()
	some, err := s.list(ctx, dir, each)
	if err == nil && !some {
		err = d.whyNothing(ctx, s, dir)
	}
	return fault.Op(op, err)
}

func (d *Device) openBulkSync(ctx context.Context, path string) (*syncer, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	c, err := d.current()
	if err != nil {
		return nil, err
	}
	return openSync(ctx, c, d.openBulkLink)
}

// list reports whether anything at all was sent, "." and ".." included.
func (s *syncer) list(ctx context.Context, dir string, each func(Entry) error) (some bool, err error) {
	ask, dent, size := wire.SyncList, wire.SyncDent, wire.SyncDentSize
	if s.list2 {
		ask, dent, size = wire.SyncList2, wire.SyncDent2, wire.SyncDent2Size
	}
	if err := s.ask(ctx, ask, dir); err != nil {
		return false, err
	}
	for ; ; some = true {
		id, raw, err := s.answer(ctx, size, dent, wire.SyncDone)
		if err != nil || id == wire.SyncDone {
			return some, err
		}
		e, err := s.entry(ctx, raw)
		if err != nil {
			return some, err
		}
		if e.Name == "." || e.Name == ".." {
			continue
		}
		if err := each(e); err != nil {
			return some, err
		}
	}
}

// entry reads the name behind raw. A name that could lead elsewhere is no name.
func (s *syncer) entry(ctx context.Context, raw []byte) (Entry, error) {
	n := binary.LittleEndian.Uint32(raw[len(raw)-4:])
	raw = raw[:len(raw)-4]
	if n == 0 || n > wire.MaxSyncName {
		return Entry{}, s.in.lies("a name of %d bytes", n)
	}
	var e Entry
	e.FileStat, e.Err = s.fileStat(raw)
	if err := s.in.full(ctx, s.entryName[:n]); err != nil {
		return Entry{}, err
	}
	e.Name = string(s.entryName[:n])
	if strings.ContainsAny(e.Name, "/\x00") {
		return Entry{}, s.in.lies("a directory with the entry %q", e.Name)
	}
	return e, nil
}

// whyNothing tells a directory that is empty from one that the device cannot read, and from
// none: adbd says nothing in all cases (do_list). That a directory on the sdcard is empty also of
// "." is the doing of MediaProvider.
func (d *Device) whyNothing(ctx context.Context, s *syncer, dir string) error {
	how := dir
	if !s.stat2 {
		how = strings.TrimSuffix(dir, "/") + "/" // which follows a link
	}
	st, err := s.stat(ctx, wire.SyncStat2, how[:min(len(how), wire.MaxSyncPath)])
	switch {
	case err != nil:
		return err
	case !st.Mode.IsDir():
		return fault.Invalidf("not a directory")
	}
	res, err := d.Shell(ctx, ShellCommand{Command: fmt.Sprintf("[ -r %s ]", Quote(dir)), MaxOutput: 1 << 10})
	if err == nil && res.ExitCode == 1 {
		return fault.New(fault.Forbidden, "permission denied")
	}
	return nil
}

// Quote makes one word of s for the device's shell, whatever bytes it holds but NUL.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
