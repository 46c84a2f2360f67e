package apk_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/apps/apk"
	"github.com/daytonaio/runner-android/transport/android/apps/apktest"
)

// Ensure a manifest is read in every form in which tools write it, from a file and from one that goes by.
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]apktest.APK{
		"plain":          {Package: "com.example.app", VersionCode: 12, VersionName: "1.2 – ü"},
		"as older tools": {Package: "com.example.app", VersionCode: 12, VersionName: "1.2 – ü", UTF16: true},
		"large version":  {Package: "com.example.app", VersionCode: 3<<32 | 7},
		"a split":        {Package: "com.example.app", VersionCode: 1, Split: "config.x86"},
		"behind code":    {Package: "com.example.app", VersionCode: 1, Late: true, Padding: 300_000},
		"sizes behind":   {Package: "com.example.app", VersionCode: 1, Trailing: true},
	} {
		data := a.Build(t)
		want := apk.Manifest{Package: a.Package, VersionCode: int64(a.VersionCode), VersionName: a.VersionName, Split: a.Split}
		if got, err := apk.Read(bytes.NewReader(data), int64(len(data))); got != want || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for _, piece := range []int{1, 7, 4096, len(data)} {
			var w apk.Watch
			for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if n, err := w.Write(rest[:min(piece, len(rest))]); n != min(piece, len(rest)) || err != nil {
					t.Fatal(n, err)
				}
			}
			got, found := w.Manifest()
			if a.Trailing && (found || w.IsAPK()) || !a.Trailing && (got != want || !w.IsAPK()) {
				t.Errorf("%s in pieces of %d: %+v, %t", name, piece, got, found)
			}
		}
	}
}

// Ensure what is no APK is refused, and an archive of APKs is not taken for one.
func TestNoAPK(t *testing.T) {
	t.Parallel()
	whole := apktest.APK{Package: "com.example.app", VersionCode: 1}.Build(t)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": whole[:len(whole)-30], "zip": apktest.Archive(t, "a", "b"),
		"bad manifest":  apktest.Archive(t, apk.EntryName, "<manifest/>"),
		"bad package":   apktest.APK{Package: "../../etc", VersionCode: 1}.Build(t),
		"empty package": apktest.APK{VersionCode: 1}.Build(t),
	} {
		if got, err := apk.Read(bytes.NewReader(data), int64(len(data))); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var w apk.Watch
	_, _ = w.Write(apktest.Archive(t, "META-INF/A.SF", "x", "base.apk", string(whole)))
	if w.IsAPK() {
		t.Error("an archive is taken for an APK")
	}
}

// Ensure a ZIP whose directory is made to fill the memory is refused before it does.
func TestDirectoryBomb(t *testing.T) {
	t.Parallel()
	const entries = 250_000
	var names []string
	for range entries {
		names = append(names, "")
	}
	one := make([]byte, 46)
	copy(one, "PK\x01\x02")
	directory := bytes.Repeat(one, len(names))
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], 0xfffe)
	binary.LittleEndian.PutUint16(end[10:], 0xfffe)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(directory)))
	data := slices.Concat(directory, end)
	if _, err := apk.OpenZIP(bytes.NewReader(data), int64(len(data))); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "longer than 8 MiB") {
		t.Errorf("got %v", err)
	}
}

// Ensure no bytes hurt the reader of manifests.
func FuzzParse(f *testing.F) {
	f.Add(apktest.APK{Package: "com.example.app", VersionCode: 1, VersionName: "1", Split: "x"}.Manifest())
	f.Add(apktest.APK{Package: "com.example.app", UTF16: true}.Manifest())
	f.Add([]byte("\x03\x00\x08\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := apk.Parse(data)
		if (err == nil) != (m.Package != "") || len(m.VersionName) > 4<<10 {
			t.Errorf("%+v %v", m, err)
		}
		var w apk.Watch
		_, _ = w.Write(data)
		_, _ = w.Manifest()
	})
}
