package apk

import "encoding/binary"

// table is a resources.arsc.
type table struct {
	strings pool
	types   []tableType
}

// tableType are the values of one type of resource for one configuration of the device.
type tableType struct {
	id      uint32 // package and type, as in a resource's id: 0xPPTT0000
	flags   int
	count   int64
	plain   bool // for any configuration
	offsets []byte
	entries []byte
}

// maxTypes bounds the configurations that are looked at.
const maxTypes = 100_000

func newTable(data []byte) (*table, error) {
	file, _, err := nextChunk(data)
	if err != nil || file.kind != chunkTable {
		return nil, errTorn
	}
	t := &table{}
	for rest := file.body; len(rest) > 0; {
		var c chunk
		if c, rest, err = nextChunk(rest); err != nil {
			return nil, err
		}
		switch c.kind {
		case chunkStringPool:
			t.strings, err = newPool(c)
		case chunkPackage:
			err = t.addPackage(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *table) addPackage(p chunk) error {
	id := p.word(8) << 24
	for rest := p.body; len(rest) > 0 && len(t.types) < maxTypes; {
		var c chunk
		var err error
		if c, rest, err = nextChunk(rest); err != nil {
			return err
		}
		if c.kind != chunkType || len(c.header) < 24 {
			continue
		}
		start := int64(c.word(16)) - int64(len(c.header))
		if start < 0 || start > int64(len(c.body)) {
			return errTorn
		}
		t.types = append(t.types, tableType{id: id | uint32(c.header[8])<<16, flags: int(c.header[9]), count: int64(c.word(12)),
			plain: isPlain(c.header[20:]), offsets: c.body[:start], entries: c.body[start:]})
	}
	return nil
}

// isPlain tells a configuration that asks for nothing: all of it behind its size is zero.
func isPlain(config []byte) bool {
	for _, b := range config[min(4, len(config)):] {
		if b != 0 {
			return false
		}
	}
	return true
}

// maxReferences bounds a chain of resources that refer to each other.
const maxReferences = 8

// text is the string behind resource id, for a device in no particular language; "" if there is none.
func (t *table) text(id uint32) string {
	for range maxReferences {
		v, ok := t.value(id)
		switch {
		case !ok:
			return ""
		case v.kind == valueString:
			return t.strings.at(v.data)
		case v.kind != valueReference:
			return ""
		}
		id = v.data
	}
	return ""
}

func (t *table) value(id uint32) (value, bool) {
	var found value
	any := false
	for i := range t.types {
		tt := &t.types[i]
		if tt.id != id&0xffff0000 || any && !tt.plain {
			continue
		}
		if v, ok := tt.value(id & 0xffff); ok {
			found, any = v, true
			if tt.plain {
				break
			}
		}
	}
	return found, any
}

// Flags of a type and of an entry.
const (
	typeSparse   = 1
	typeOffset16 = 2
	entryComplex = 1
	entryCompact = 8
)

// offset is where the entry of an index begins.
func (tt *tableType) offset(index uint32) (int64, bool) {
	if tt.flags&typeSparse != 0 {
		for i := int64(0); i < tt.count && 4*i+4 <= int64(len(tt.offsets)); i++ {
			if uint32(halfAt(tt.offsets, int(4*i))) == index {
				return 4 * int64(halfAt(tt.offsets, int(4*i+2))), true
			}
		}
		return 0, false
	}
	if int64(index) >= tt.count {
		return 0, false
	}
	if tt.flags&typeOffset16 != 0 {
		if 2*int(index)+2 > len(tt.offsets) {
			return 0, false
		}
		off := halfAt(tt.offsets, 2*int(index))
		return 4 * int64(off), off != 0xffff
	}
	if 4*int(index)+4 > len(tt.offsets) {
		return 0, false
	}
	off := binary.LittleEndian.Uint32(tt.offsets[4*index:])
	return int64(off), off != 0xffffffff
}

func (tt *tableType) value(index uint32) (value, bool) {
	off, ok := tt.offset(index)
	if !ok || off+8 > int64(len(tt.entries)) {
		return value{}, false
	}
	e := tt.entries[off:]
	size, flags := halfAt(e, 0), halfAt(e, 2)
	switch {
	case flags&entryCompact != 0: // the key stands where the size is, and the value's type in the flags
		return value{kind: byte(flags >> 8), data: wordAt(e, 4)}, true
	case flags&entryComplex != 0 || size < 8 || size+8 > len(e):
		return value{}, false
	}
	return value{kind: e[size+3], data: wordAt(e, size+4)}, true
}
