package apk

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"strings"
)

// Parts of a ZIP's local header, which stands before each entry.
const (
	localMagic  = "PK\x03\x04"
	localHeader = 30
	sizesFollow = 1 << 3 // of the flags: the entry's size stands behind it
	stored      = 0
	deflated    = 8
)

// Watch is a writer that finds the manifest of an APK that goes by. It follows the headers that stand before the
// entries, so it learns nothing of files that state sizes behind them; and a hostile file may tell it something else
// than its directory says: what it found is a hint, to be asked of the device. It keeps 4 MiB at most.
type Watch struct {
	header  []byte
	skip    int64 // bytes of an entry that are still to come
	capture bool  // they are the manifest's
	method  uint16
	data    []byte
	over    bool // nothing more is to be learned
	code    bool
}

// Write implements io.Writer. It never fails.
func (w *Watch) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !w.over {
		if w.skip > 0 {
			k := int(min(w.skip, int64(len(p))))
			if w.capture {
				w.data = append(w.data, p[:k]...)
			}
			w.skip -= int64(k)
			p = p[k:]
			w.over = w.skip == 0 && w.capture
			continue
		}
		p = w.head(p)
	}
	return n, nil
}

// head takes what belongs to a header and returns the rest.
func (w *Watch) head(p []byte) []byte {
	want := localHeader
	if len(w.header) >= localHeader {
		want += int(binary.LittleEndian.Uint16(w.header[26:])) + int(binary.LittleEndian.Uint16(w.header[28:]))
	}
	k := min(want-len(w.header), len(p))
	w.header = append(w.header, p[:k]...)
	if len(w.header) == localHeader {
		want += int(binary.LittleEndian.Uint16(w.header[26:])) + int(binary.LittleEndian.Uint16(w.header[28:]))
	}
	if len(w.header) == want {
		w.entry()
		w.header = w.header[:0]
	}
	return p[k:]
}

// entry judges a header that is complete.
func (w *Watch) entry() {
	h := w.header
	size := int64(binary.LittleEndian.Uint32(h[18:]))
	unknown := binary.LittleEndian.Uint16(h[6:])&sizesFollow != 0 && size == 0
	if string(h[:4]) != localMagic || unknown || size == 0xffffffff {
		w.over = true
		return
	}
	name := string(h[localHeader : localHeader+int(binary.LittleEndian.Uint16(h[26:]))])
	w.code = w.code || ofAPK(name)
	w.skip, w.method = size, binary.LittleEndian.Uint16(h[8:])
	w.capture = name == EntryName && size > 0 && size <= maxManifest
}

// ofAPK reports whether an APK has such an entry, and an archive of APKs has none.
func ofAPK(name string) bool {
	if name == EntryName || name == "resources.arsc" || strings.HasPrefix(name, "classes") && strings.HasSuffix(name, ".dex") {
		return true
	}
	dir, _, below := strings.Cut(name, "/")
	switch dir {
	case "res", "assets", "kotlin": // META-INF is in signed archives of APKs too
		return below
	}
	return false
}

// IsAPK reports whether what went by so far belongs to an APK, and to no archive of APKs, and all its sizes are known.
func (w *Watch) IsAPK() bool { return w.code && (!w.over || w.capture) }

// Manifest returns what was found.
func (w *Watch) Manifest() (m Manifest, found bool) {
	if !w.capture || !w.over {
		return Manifest{}, false
	}
	data := w.data
	switch w.method {
	case stored:
	case deflated:
		var err error
		if data, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxManifest)); err != nil {
			return Manifest{}, false
		}
	default:
		return Manifest{}, false
	}
	m, err := Parse(data)
	return m, err == nil
}
