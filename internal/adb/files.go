package adb

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// Stat looks at what path leads to; links are followed, except on devices without stat_v2.
// Errors: NotFound, Forbidden or Invalid as the device says; Invalid for a path that cannot be
// sent (empty, with a NUL, over 1024 bytes); otherwise those of Open.
func (d *Device) Stat(ctx context.Context, path string) (FileStat, error) {
	return d.stat(ctx, wire.SyncStat2, path)
}

// Lstat is Stat that does not follow a link.
func (d *Device) Lstat(ctx context.Context, path string) (FileStat, error) {
	return d.stat(ctx, wire.SyncLstat2, path)
}

// stat goes over the first connection: it is small, and not to wait behind what is large.
func (d *Device) stat(ctx context.Context, how wire.SyncID, path string) (FileStat, error) {
	op := "stat " + label(path)
	if err := checkPath(path); err != nil {
		return FileStat{}, fault.Op(op, err)
	}
	c, err := d.current()
	if err != nil {
		return FileStat{}, fault.Op(op, err)
	}
	s, err := openSync(ctx, c, c.openLink)
	if err != nil {
		return FileStat{}, fault.Op(op, err)
	}
	defer s.close()
	st, err := s.stat(ctx, how, path)
	return st, fault.Op(op, err)
}

// label is how a path reads in an error.
func label(path string) string {
	const most = 256
	if len(path) > most {
		return fmt.Sprintf("%q…", path[:most])
	}
	return fmt.Sprintf("%q", path)
}

func (s *syncer) stat(ctx context.Context, how wire.SyncID, path string) (FileStat, error) {
	size := wire.SyncStat2Size
	if !s.stat2 {
		how, size = wire.SyncStat, wire.SyncStatSize
	}
	if err := s.ask(ctx, how, path); err != nil {
		return FileStat{}, err
	}
	_, raw, err := s.answer(ctx, size, how)
	if err != nil {
		return FileStat{}, err
	}
	return s.fileStat(raw)
}

// fileStat reads an answer to stat, or the start of a directory's entry.
func (s *syncer) fileStat(raw []byte) (FileStat, error) {
	var st wire.SyncFileStat
	long := len(raw) >= wire.SyncStat2Size
	if long {
		st = wire.ParseSyncStat2(raw)
	} else {
		st = wire.ParseSyncStat(raw)
	}
	switch {
	case st.Error != 0:
		return FileStat{}, errnoError(st.Error)
	case !long && st == (wire.SyncFileStat{}): // whatever the reason
		return FileStat{}, errnoError(2)
	case st.Size > math.MaxInt64:
		return FileStat{}, s.in.lies("a file of %d bytes", st.Size)
	}
	out := FileStat{Mode: goMode(st.Mode), Size: int64(st.Size), MTime: time.Unix(st.MTime, 0), V2: long}
	if long {
		out.UID, out.GID, out.Nlink, out.Dev, out.Ino = st.UID, st.GID, st.Nlink, st.Dev, st.Ino
		out.ATime, out.CTime = time.Unix(st.ATime, 0), time.Unix(st.CTime, 0)
	}
	return out, nil
}

// Linux's file types and bits in st_mode.
const (
	modeType   = 0o170000
	modeSocket = 0o140000
	modeLink   = 0o120000
	modeFile   = 0o100000
	modeBlock  = 0o060000
	modeDir    = 0o040000
	modeChar   = 0o020000
	modePipe   = 0o010000
	modeSetuid = 0o004000
	modeSetgid = 0o002000
	modeSticky = 0o001000
)

// goMode spells Linux's st_mode as Go does.
func goMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	switch bits & modeType {
	case modeFile:
	case modeSocket:
		mode |= fs.ModeSocket
	case modeLink:
		mode |= fs.ModeSymlink
	case modeBlock:
		mode |= fs.ModeDevice
	case modeDir:
		mode |= fs.ModeDir
	case modeChar:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case modePipe:
		mode |= fs.ModeNamedPipe
	default:
		mode |= fs.ModeIrregular
	}
	if bits&modeSetuid != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&modeSetgid != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&modeSticky != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}
