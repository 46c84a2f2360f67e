package apk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Chunk types of ResourceTypes.h.
const (
	chunkStringPool   = 0x0001
	chunkTable        = 0x0002
	chunkXML          = 0x0003
	chunkStartElement = 0x0102
	chunkEndElement   = 0x0103
	chunkResourceMap  = 0x0180
	chunkPackage      = 0x0200
	chunkType         = 0x0201
)

// Types of a value.
const (
	valueReference  = 0x01
	valueString     = 0x03
	valueFirstInt   = 0x10
	valueIntBoolean = 0x12
	valueLastInt    = 0x1f
)

// errTorn is a structure that ends before its time.
var errTorn = errors.New("the binary XML is torn")

// chunk is one piece of a binary resource: a header, and what follows it.
type chunk struct {
	kind   int
	header []byte // from the chunk's first byte on
	body   []byte
}

// nextChunk takes the first chunk off data.
func nextChunk(data []byte) (chunk, []byte, error) {
	if len(data) < 8 {
		return chunk{}, nil, errTorn
	}
	head, size := int(binary.LittleEndian.Uint16(data[2:])), int64(binary.LittleEndian.Uint32(data[4:]))
	if head < 8 || int64(head) > size || size > int64(len(data)) {
		return chunk{}, nil, errTorn
	}
	return chunk{int(binary.LittleEndian.Uint16(data)), data[:head], data[head:size]}, data[size:], nil
}

// word is the 32-bit number at an offset of the header, 0 if it is too short.
func (c chunk) word(at int) uint32 { return wordAt(c.header, at) }

func wordAt(b []byte, at int) uint32 {
	if at < 0 || at+4 > len(b) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[at:])
}

func halfAt(b []byte, at int) int {
	if at < 0 || at+2 > len(b) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(b[at:]))
}

// maxString bounds one string, in bytes of the file.
const maxString = 4096

// pool is a string pool. Its strings are decoded when they are asked for.
type pool struct {
	offsets []byte
	data    []byte
	utf8    bool
}

func newPool(c chunk) (pool, error) {
	count, start := int64(c.word(8)), int64(c.word(20))-int64(len(c.header))
	if 4*count > int64(len(c.body)) || start < 4*count || start > int64(len(c.body)) {
		if count == 0 {
			return pool{}, nil
		}
		return pool{}, errTorn
	}
	return pool{c.body[:4*count], c.body[start:], c.word(16)&(1<<8) != 0}, nil
}

// at is string number i; "" if there is none, or if it is longer than anything here has to be.
func (p pool) at(i uint32) string {
	if int64(i) >= int64(len(p.offsets)/4) {
		return ""
	}
	off := int64(wordAt(p.offsets, int(4*i)))
	if off >= int64(len(p.data)) {
		return ""
	}
	if b := p.data[off:]; p.utf8 {
		return utf8String(b)
	} else {
		return utf16String(b)
	}
}

// utf8String has two lengths in front, in characters and in bytes, of one or two bytes each.
func utf8String(b []byte) string {
	_, b = smallLength(b)
	n, b := smallLength(b)
	if n > len(b) || n > maxString {
		return ""
	}
	return strings.ToValidUTF8(string(b[:n]), "\uFFFD")
}

func smallLength(b []byte) (int, []byte) {
	switch {
	case len(b) >= 1 && b[0]&0x80 == 0:
		return int(b[0]), b[1:]
	case len(b) >= 2:
		return int(b[0]&0x7f)<<8 | int(b[1]), b[2:]
	}
	return 0, nil
}

func utf16String(b []byte) string {
	n := halfAt(b, 0)
	if len(b) < 2 || n&0x8000 != 0 || 2+2*n > len(b) || 2*n > maxString {
		return "" // the long form is for strings beyond any bound of ours
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2+2*i:])
	}
	return string(utf16.Decode(units))
}

// value is an attribute's, or a resource's.
type value struct {
	kind byte
	data uint32
	text string // of a string
}

func (v value) isInt() bool { return v.kind >= valueFirstInt && v.kind <= valueLastInt }

// element is the start of an XML element. Attributes are known by their name without a namespace.
type element struct {
	name  string
	attrs map[string]value
}

// document is an AXML file that is being read.
type document struct {
	strings   pool
	resources []byte // the resource ids of the first strings
}

// maxDepth bounds how deep elements stand in one another.
const maxDepth = 64

// readXML calls start for each element with its parents' names, outermost first, and end behind it.
func readXML(data []byte, start func(path []string, e element) error) error {
	file, _, err := nextChunk(data)
	if err != nil {
		return err
	}
	if file.kind != chunkXML {
		return errors.New("it is no binary XML")
	}
	var d document
	var path []string
	for rest := file.body; len(rest) > 0; {
		var c chunk
		if c, rest, err = nextChunk(rest); err != nil {
			return err
		}
		switch c.kind {
		case chunkStringPool:
			d.strings, err = newPool(c)
		case chunkResourceMap:
			d.resources = c.body
		case chunkStartElement:
			var e element
			if e, err = d.element(c); err == nil {
				err = start(path, e)
			}
			path = append(path, e.name)
			if len(path) > maxDepth {
				err = errors.New("its elements are nested too deep")
			}
		case chunkEndElement:
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *document) element(c chunk) (element, error) {
	b := c.body
	if len(b) < 20 {
		return element{}, errTorn
	}
	e := element{name: d.strings.at(wordAt(b, 4)), attrs: map[string]value{}}
	at, size, count := halfAt(b, 8), halfAt(b, 10), halfAt(b, 12)
	if size < 20 || at+size*count > len(b) {
		return element{}, errTorn
	}
	for i := range count {
		a := b[at+i*size:]
		name := d.attribute(wordAt(a, 4))
		v := value{kind: a[15], data: wordAt(a, 16)}
		if v.kind == valueString {
			v.text = d.strings.at(v.data)
		}
		if name == "" {
			continue
		}
		if _, twice := e.attrs[name]; twice {
			return element{}, fmt.Errorf("attribute %s of <%s> is there twice", name, e.name)
		}
		e.attrs[name] = v
	}
	return e, nil
}

// attribute is the name behind a string: that of its resource id where it has one, for that is what
// Android goes by and what tools leave that obscure names.
func (d *document) attribute(i uint32) string {
	if known := attributeNames[wordAt(d.resources, int(min(int64(i)*4, int64(len(d.resources)))))]; known != "" {
		return known
	}
	return d.strings.at(i)
}

// attributeNames are the ids of android.R.attr that are read here.
var attributeNames = map[uint32]string{
	0x01010001: "label", 0x01010003: "name", 0x0101000e: "enabled", 0x0101000f: "debuggable", 0x01010010: "exported",
	0x01010024: "value", 0x01010026: "mimeType", 0x01010027: "scheme", 0x01010028: "host", 0x01010029: "port",
	0x0101002a: "path", 0x0101002b: "pathPrefix", 0x0101002c: "pathPattern", 0x01010202: "targetActivity",
	0x0101020c: "minSdkVersion", 0x0101021b: "versionCode", 0x0101021c: "versionName", 0x01010270: "targetSdkVersion",
	0x01010272: "testOnly", 0x01010576: "versionCodeMajor",
}

// AttributeID is the id of an attribute of the manifest, 0 if it is not one that Read looks at.
func AttributeID(name string) uint32 {
	for id, known := range attributeNames {
		if known == name {
			return id
		}
	}
	return 0
}
