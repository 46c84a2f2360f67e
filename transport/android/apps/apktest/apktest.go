package apktest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"unicode/utf16"
)

// APK is what one says of itself.
type APK struct {
	Package     string
	VersionCode uint64
	VersionName string
	Split       string // empty: a base
	Padding     int    // bytes of noise, stored
	Trailing    bool   // sizes stand behind the entries, as jarsigner writes them
	Late        bool   // the manifest is the last entry
	UTF16       bool   // texts are as older tools write them
}

// Manifest is the binary AndroidManifest.xml.
func (a APK) Manifest() []byte {
	texts := []string{"versionCode", "versionName", "versionCodeMajor", "package", "split", "manifest", a.Package, a.VersionName, a.Split, "http://schemas.android.com/apk/res/android"}
	const none = math.MaxUint32
	type attribute struct{ ns, name, raw, kind, data uint32 }
	attributes := []attribute{
		{9, 0, none, 0x10, uint32(a.VersionCode)},
		{9, 2, none, 0x10, uint32(a.VersionCode >> 32)},
		{9, 1, 7, 0x03, 7},
		{none, 3, 6, 0x03, 6},
	}
	if a.Split != "" {
		attributes = append(attributes, attribute{none, 4, 8, 0x03, 8})
	}
	le := binary.LittleEndian
	element := le.AppendUint32(le.AppendUint32(nil, 1), none)
	element = le.AppendUint32(le.AppendUint32(element, none), 5)
	for _, n := range []int{20, 20, len(attributes), 0, 0, 0} {
		element = le.AppendUint16(element, uint16(n))
	}
	for _, at := range attributes {
		element = le.AppendUint32(le.AppendUint32(le.AppendUint32(element, at.ns), at.name), at.raw)
		element = append(le.AppendUint16(element, 8), 0, byte(at.kind))
		element = le.AppendUint32(element, at.data)
	}
	ids := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 0x0101021b), 0x0101021c), 0x01010576)
	body := append(a.pool(texts), chunk(0x0180, 8, ids)...)
	body = append(body, chunk(0x0102, 16, element)...)
	return chunk(0x0003, 8, body)
}

func chunk(kind, header int, body []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint16(le.AppendUint16(nil, uint16(kind)), uint16(header))
	return append(le.AppendUint32(out, uint32(8+len(body))), body...)
}

func (a APK) pool(texts []string) []byte {
	le := binary.LittleEndian
	var data, offsets []byte
	for _, text := range texts {
		offsets = le.AppendUint32(offsets, uint32(len(data)))
		if a.UTF16 {
			words := utf16.Encode([]rune(text))
			data = le.AppendUint16(data, uint16(len(words)))
			for _, w := range append(words, 0) {
				data = le.AppendUint16(data, w)
			}
			continue
		}
		data = append(data, byte(len([]rune(text))), byte(len(text)))
		data = append(append(data, text...), 0)
	}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	flags := uint32(1 << 8)
	if a.UTF16 {
		flags = 0
	}
	header := le.AppendUint32(le.AppendUint32(nil, uint32(len(texts))), 0)
	header = le.AppendUint32(header, flags)
	header = le.AppendUint32(le.AppendUint32(header, uint32(28+len(offsets))), 0)
	return chunk(0x0001, 28, append(append(header, offsets...), data...))
}

// Build makes the file.
func (a APK) Build(t testing.TB) []byte {
	t.Helper()
	noise := make([]byte, a.Padding)
	random := rand.New(rand.NewPCG(1, uint64(a.Padding)))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	entries := []struct {
		name    string
		content []byte
	}{{"META-INF/app.properties", []byte("a=b\n")}, {"classes.dex", noise}, {"resources.arsc", []byte("resources")}, {"AndroidManifest.xml", a.Manifest()}}
	if !a.Late {
		entries[1], entries[3] = entries[3], entries[1]
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		if err := a.add(z, e.name, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// add writes an entry with its size before it, as Android's tools do, or behind it.
func (a APK) add(z *zip.Writer, name string, content []byte) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	if name == "classes.dex" {
		header.Method = zip.Store
	}
	if a.Trailing {
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	packed, sum, err := pack(header.Method, content)
	if err != nil {
		return err
	}
	header.CRC32, header.CompressedSize64, header.UncompressedSize64 = sum, uint64(len(packed)), uint64(len(content))
	w, err := z.CreateRaw(header)
	if err == nil {
		_, err = w.Write(packed)
	}
	return err
}
