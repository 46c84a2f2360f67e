package vfs

import "io/fs"

// The type bits of st_mode, from linux/stat.h.
const (
	typeDir     = 0o040000
	typeFIFO    = 0o010000
	typeChar    = 0o020000
	typeRegular = 0o100000
	typeLink    = 0o120000
)

// UnixMode is st_mode as Linux numbers it.
func UnixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	switch {
	case m.IsDir():
		bits |= typeDir
	case m&fs.ModeSymlink != 0:
		bits |= typeLink
	case m&fs.ModeCharDevice != 0:
		bits |= typeChar
	case m&fs.ModeNamedPipe != 0:
		bits |= typeFIFO
	default:
		bits |= typeRegular
	}
	for i, flag := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if m&flag != 0 {
			bits |= 0o1000 << i
		}
	}
	return bits
}

// FileMode makes a mode of the low twelve bits of st_mode.
func FileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for i, flag := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if bits&(0o1000<<i) != 0 {
			m |= flag
		}
	}
	return m
}

// ModeString is the ten letters of ls -l.
func ModeString(m fs.FileMode) string {
	text := []byte("----------")
	for i := range 9 {
		if m&(1<<(8-i)) != 0 {
			text[1+i] = "rwx"[i%3]
		}
	}
	for _, s := range []struct {
		flag   fs.FileMode
		at     int
		letter byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if m&s.flag == 0 {
			continue
		}
		if text[s.at] == '-' {
			s.letter -= 'a' - 'A'
		}
		text[s.at] = s.letter
	}
	switch {
	case m.IsDir():
		text[0] = 'd'
	case m&fs.ModeSymlink != 0:
		text[0] = 'l'
	case m&fs.ModeCharDevice != 0:
		text[0] = 'c'
	case m&fs.ModeNamedPipe != 0:
		text[0] = 'p'
	}
	return string(text)
}
