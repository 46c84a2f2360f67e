package apkbuild

import (
	"encoding/binary"
	"slices"
	"unicode/utf16"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
)

// Chunk types and types of values, of ResourceTypes.h.
const (
	chunkStringPool     = 0x0001
	chunkTable          = 0x0002
	chunkXML            = 0x0003
	chunkStartNamespace = 0x0100
	chunkEndNamespace   = 0x0101
	chunkStartElement   = 0x0102
	chunkEndElement     = 0x0103
	chunkResourceMap    = 0x0180
	chunkPackage        = 0x0200
	chunkType           = 0x0201
	chunkTypeSpec       = 0x0202

	valueReference = 0x01
	valueString    = 0x03
	valueInt       = 0x10
	valueBoolean   = 0x12

	none      = 0xffffffff
	namespace = "http://schemas.android.com/apk/res/android"
)

// node is an XML element.
type node struct {
	name     string
	attrs    []attr
	children []*node
}

// attr is an attribute. Only package and split stand outside of Android's namespace.
type attr struct {
	name string
	kind byte
	text string
	data uint32
}

func str(name, text string) attr { return attr{name, valueString, text, 0} }

func num(name string, n int64) attr { return attr{name, valueInt, "", uint32(n)} }

func yes(name string) attr { return attr{name, valueBoolean, "", none} }

func (n *node) add(name string, attrs ...attr) *node {
	child := &node{name: name, attrs: attrs}
	n.children = append(n.children, child)
	return child
}

var le = binary.LittleEndian

// chunkOf frames a chunk: header is what follows its first eight bytes.
func chunkOf(kind int, header, body []byte) []byte {
	b := le.AppendUint16(nil, uint16(kind))
	b = le.AppendUint16(b, uint16(8+len(header)))
	b = le.AppendUint32(b, uint32(8+len(header)+len(body)))
	return append(append(b, header...), body...)
}

func words(list ...uint32) []byte {
	var b []byte
	for _, w := range list {
		b = le.AppendUint32(b, w)
	}
	return b
}

// stringPool is a pool of texts, in UTF-8 or, as older tools wrote it, in UTF-16.
func stringPool(texts []string, wide bool) []byte {
	var offsets, data []byte
	for _, text := range texts {
		offsets = le.AppendUint32(offsets, uint32(len(data)))
		units := utf16.Encode([]rune(text))
		if wide {
			data = le.AppendUint16(data, uint16(len(units)))
			for _, u := range units {
				data = le.AppendUint16(data, u)
			}
			data = append(data, 0, 0)
			continue
		}
		data = appendLength(appendLength(data, len(units)), len(text))
		data = append(append(data, text...), 0)
	}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	flags := uint32(1 << 8)
	if wide {
		flags = 0
	}
	header := words(uint32(len(texts)), 0, flags, uint32(28+len(offsets)), 0)
	return chunkOf(chunkStringPool, header, append(offsets, data...))
}

func appendLength(b []byte, n int) []byte {
	if n >= 0x80 {
		b = append(b, byte(n>>8)|0x80)
	}
	return append(b, byte(n))
}

// writer numbers the strings of a document.
type writer struct{ texts []string }

func (w *writer) index(text string) uint32 {
	i := slices.Index(w.texts, text)
	if i < 0 {
		i = len(w.texts)
		w.texts = append(w.texts, text)
	}
	return uint32(i)
}

// collect takes the names of attributes that have a resource id first, for the map counts from 0.
func (w *writer) collect(n *node) {
	for _, a := range n.attrs {
		if apk.AttributeID(a.name) != 0 {
			w.index(a.name)
		}
	}
	for _, child := range n.children {
		w.collect(child)
	}
}

func (w *writer) element(n *node) []byte {
	var attrs []byte
	for _, a := range n.attrs {
		space := w.index(namespace)
		if a.name == "package" || a.name == "split" {
			space = none
		}
		raw, data := uint32(none), a.data
		if a.kind == valueString {
			raw = w.index(a.text)
			data = raw
		}
		attrs = append(attrs, words(space, w.index(a.name), raw)...)
		attrs = append(attrs, 8, 0, 0, a.kind)
		attrs = le.AppendUint32(attrs, data)
	}
	body := words(none, w.index(n.name))
	for _, half := range []int{20, 20, len(n.attrs), 0, 0, 0} {
		body = le.AppendUint16(body, uint16(half))
	}
	place := words(1, none) // line, comment
	b := chunkOf(chunkStartElement, place, append(body, attrs...))
	for _, child := range n.children {
		b = append(b, w.element(child)...)
	}
	return append(b, chunkOf(chunkEndElement, place, words(none, w.index(n.name)))...)
}

// document is the AXML of a tree.
func document(root *node, wide bool) []byte {
	w := &writer{}
	w.collect(root)
	var ids []byte
	for _, name := range w.texts {
		ids = le.AppendUint32(ids, apk.AttributeID(name))
	}
	space := words(w.index("android"), w.index(namespace))
	place := words(1, none)
	elements := chunkOf(chunkStartNamespace, place, space)
	elements = append(elements, w.element(root)...)
	elements = append(elements, chunkOf(chunkEndNamespace, place, space)...)
	body := append(stringPool(w.texts, wide), chunkOf(chunkResourceMap, nil, ids)...)
	return chunkOf(chunkXML, nil, append(body, elements...))
}

// labelID is the resource of the label: the first string of the app.
const labelID = 0x7f010000

// table is a resources.arsc with one string, app_name: in German first, then for everybody.
func table(pkg, label string) []byte {
	types := stringPool([]string{"string"}, true)
	keys := stringPool([]string{"app_name"}, false)
	header := words(0x7f)
	name := make([]byte, 256)
	for i, u := range utf16.Encode([]rune(pkg)) {
		if 2*i+2 < len(name) {
			le.PutUint16(name[2*i:], u)
		}
	}
	header = append(header, name...)
	start := uint32(8 + len(header) + 20)
	header = append(header, words(start, 1, start+uint32(len(types)), 1, 0)...)
	spec := chunkOf(chunkTypeSpec, words(1, 1), words(4))
	body := append(append(types, keys...), spec...)
	for i, language := range []string{"de", "\x00\x00"} {
		config := append(words(32, 0), language...)
		config = append(config, make([]byte, 32-len(config))...)
		typeHeader := append(words(1, 1, uint32(20+len(config)+4)), config...)
		entry := append(words(0, 8, 0, valueString<<24|8), words(uint32(i))...)
		body = append(body, chunkOf(chunkType, typeHeader, entry)...)
	}
	texts := stringPool([]string{label + " (de)", label}, false)
	return chunkOf(chunkTable, words(1), append(texts, chunkOf(chunkPackage, header, body)...))
}
