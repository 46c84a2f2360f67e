package apk

import (
	"encoding/binary"
	"math"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// Manifest is what the first element of a manifest says.
type Manifest struct {
	Package     string // by grammar: see package name
	VersionCode int64
	VersionName string // empty: none, or one that only the resources know
	Split       string // empty: the base
}

// Kinds of chunks and values of Android's binary XML.
const (
	chunkXML     = 0x0003
	chunkStrings = 0x0001
	chunkIDs     = 0x0180
	chunkElement = 0x0102

	typeString     = 0x03
	typeFirstInt   = 0x10
	typeLastInt    = 0x1f
	noString       = math.MaxUint32
	chunkHeader    = 8
	attributeSize  = 20
	elementHeader  = 36
	stringsHeader  = 28
	utf8Flag       = 1 << 8
	maxText        = 1 << 10 // bytes of a name or version that is kept
	maxAttributes  = 64
	idVersionCode  = 0x0101021b
	idVersionName  = 0x0101021c
	idVersionMajor = 0x01010576
)

// errNoManifest is all that is said of a manifest that cannot be read: why matters to nobody.
var errNoManifest = fault.Invalidf("this is no APK: its AndroidManifest.xml cannot be read")

// Parse reads a binary AndroidManifest.xml. Invalid when it is none, or names no package.
func Parse(data []byte) (Manifest, error) {
	kind, header, body, _ := chunk(data)
	if kind != chunkXML {
		return Manifest{}, errNoManifest
	}
	data = body[header-chunkHeader:]
	var d document
	for {
		kind, header, body, rest := chunk(data)
		switch kind {
		case 0:
			return Manifest{}, errNoManifest
		case chunkStrings:
			d.strings = pool{data[:len(data)-len(rest)], header}
		case chunkIDs:
			d.ids = body[header-chunkHeader:]
		case chunkElement:
			return d.manifest(data[:len(data)-len(rest)])
		}
		data = rest
	}
}

// chunk parts the first chunk from what follows. body begins behind the common header. Kind 0 is none.
func chunk(data []byte) (kind, header int, body, rest []byte) {
	if len(data) < chunkHeader {
		return 0, 0, nil, nil
	}
	kind, header = int(binary.LittleEndian.Uint16(data)), int(binary.LittleEndian.Uint16(data[2:]))
	size := int64(binary.LittleEndian.Uint32(data[4:]))
	if header < chunkHeader || size < int64(header) || size > int64(len(data)) {
		return 0, 0, nil, nil
	}
	return kind, header, data[chunkHeader:size], data[size:]
}

// document is what is known when the first element comes.
type document struct {
	strings pool
	ids     []byte // resource ids of the first strings, which are names of attributes
}

func (d *document) manifest(element []byte) (m Manifest, err error) {
	if len(element) < elementHeader || d.strings.text(word(element, 20)) != "manifest" {
		return m, errNoManifest
	}
	start := 16 + int(binary.LittleEndian.Uint16(element[24:]))
	size := int(binary.LittleEndian.Uint16(element[26:]))
	count := int(binary.LittleEndian.Uint16(element[28:]))
	if size < attributeSize || count > maxAttributes || start+count*size > len(element) {
		return m, errNoManifest
	}
	var low, high uint32
	for i := range count {
		a := element[start+i*size:]
		switch d.attribute(a) {
		case "package":
			m.Package = d.value(a)
		case "split":
			m.Split = d.value(a)
		case "versionName":
			m.VersionName = d.value(a)
		case "versionCode":
			low = number(a)
		case "versionCodeMajor":
			high = number(a)
		}
	}
	m.VersionCode = int64(uint64(high)<<32 | uint64(low))
	if _, err := name.Package(m.Package); err != nil {
		return Manifest{}, errNoManifest
	}
	return m, nil
}

// attribute names an attribute: by its resource id where it has one, since the texts may have been taken out.
func (d *document) attribute(a []byte) string {
	index := word(a, 4)
	if at := int64(index) * 4; at+4 <= int64(len(d.ids)) {
		switch word(d.ids, int(at)) {
		case idVersionCode:
			return "versionCode"
		case idVersionName:
			return "versionName"
		case idVersionMajor:
			return "versionCodeMajor"
		}
	}
	if word(a, 0) != noString {
		return "" // of a namespace, and none of the above
	}
	return d.strings.text(index)
}

func (d *document) value(a []byte) string {
	if raw := word(a, 8); raw != noString {
		return d.strings.text(raw)
	}
	if a[15] == typeString {
		return d.strings.text(word(a, 16))
	}
	return ""
}

func number(a []byte) uint32 {
	if a[15] < typeFirstInt || a[15] > typeLastInt {
		return 0
	}
	return word(a, 16)
}

func word(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// pool is a chunk of strings.
type pool struct {
	chunk  []byte
	header int
}

// text is the string of an index; empty where there is none.
func (p pool) text(index uint32) string {
	if len(p.chunk) < stringsHeader || index >= word(p.chunk, 8) {
		return ""
	}
	at := int64(p.header) + int64(index)*4
	if at+4 > int64(len(p.chunk)) {
		return ""
	}
	at = int64(word(p.chunk, 20)) + int64(word(p.chunk, int(at)))
	if at >= int64(len(p.chunk)) {
		return ""
	}
	if b := p.chunk[at:]; word(p.chunk, 16)&utf8Flag != 0 {
		return text8(b)
	} else {
		return text16(b)
	}
}

// text8 is preceded by its length in UTF-16 and its length in bytes, of one or two bytes each.
func text8(b []byte) string {
	_, b = length8(b)
	n, b := length8(b)
	if n > len(b) || n > maxText || !utf8.Valid(b[:n]) {
		return ""
	}
	return string(b[:n])
}

func length8(b []byte) (int, []byte) {
	switch {
	case len(b) == 0:
		return math.MaxInt, nil
	case b[0]&0x80 == 0:
		return int(b[0]), b[1:]
	case len(b) == 1:
		return math.MaxInt, nil
	}
	return int(b[0]&0x7f)<<8 | int(b[1]), b[2:]
}

// text16 is preceded by its length in words, of one word; what needs two is none of ours.
func text16(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n > maxText || 2+2*n > len(b) {
		return ""
	}
	words := make([]uint16, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint16(b[2+2*i:])
	}
	return string(utf16.Decode(words))
}
