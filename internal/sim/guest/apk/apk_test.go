package apk_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"archive/zip"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
)

func build(t testing.TB, s apkbuild.Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := apkbuild.Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte) (*apk.APK, error) { return apk.Read(bytes.NewReader(data), int64(len(data))) }

// Ensure what a manifest says comes out of the binary form, in both spellings of its strings.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, wide := range []bool{false, true} {
		spec := apkbuild.Spec{Package: "com.example.app", VersionCode: 5<<32 | 7, VersionName: "1.2-ü", Label: "Grüße 👋", LabelResource: !wide, Wide: wide,
			MinSDK: 26, TargetSDK: 33, TestOnly: true, Debuggable: true, SplitRequired: true, Crash: true, Size: 100_001,
			Permissions: []string{"android.permission.CAMERA", "android.permission.INTERNET"}, ABIs: []string{"x86_64", "arm64-v8a"},
			Activities: []apk.Activity{apkbuild.DefaultActivity("com.example.app"), apkbuild.Link("com.example.app", "Link", "demo", "host")}}
		data := build(t, spec)
		if len(data) != 100_001 {
			t.Errorf("the file has %d bytes", len(data))
		}
		a, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		if a.Package != spec.Package || a.VersionCode != spec.VersionCode || a.VersionName != spec.VersionName || a.Label != spec.Label ||
			a.MinSDK != 26 || a.TargetSDK != 33 || !a.TestOnly || !a.Debuggable || !a.SplitRequired || a.Split != "" {
			t.Errorf("got %+v", a)
		}
		if !reflect.DeepEqual(a.Permissions, spec.Permissions) || !reflect.DeepEqual(a.Activities, spec.Activities) ||
			!reflect.DeepEqual(a.ABIs, []string{"arm64-v8a", "x86_64"}) || a.Metadata[apkbuild.CrashMetadata] != "true" {
			t.Errorf("got %+v", a)
		}
		if a.Launcher() != "com.example.app.MainActivity" || a.Activity("com.example.app.Link") == nil {
			t.Errorf("activities: %+v", a.Activities)
		}
	}
}

// Ensure keys are told apart, a split names itself, and what package zip reads is whole.
func TestKeysAndSplits(t *testing.T) {
	t.Parallel()
	signer := func(s apkbuild.Spec) string {
		s.Package = "com.example.app"
		a, err := read(build(t, s))
		if err != nil {
			t.Fatal(err)
		}
		return a.Signer
	}
	one, other := signer(apkbuild.Spec{}), signer(apkbuild.Spec{Key: "other"})
	if len(one) != 64 || one == other || one != signer(apkbuild.Spec{Split: "config.de", Key: "debug"}) || signer(apkbuild.Spec{Key: apkbuild.Unsigned}) != apk.Unsigned {
		t.Errorf("signers %q and %q", one, other)
	}
	data := build(t, apkbuild.Spec{Package: "com.example.app", Split: "config.de", Size: 1 << 20})
	if a, err := read(data); err != nil || a.Split != "config.de" || a.Launcher() != "" {
		t.Errorf("split: %+v, %v", a, err)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(bytes.Buffer).ReadFrom(r); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if offset, err := f.DataOffset(); err != nil || offset%4 != 0 {
			t.Errorf("%s begins at %d: %v", f.Name, offset, err)
		}
	}
}

// zipOf is an archive of compressed files.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(content))
	}
	w.Close()
	return b.Bytes()
}

// Ensure what is no APK is told from an APK with a bad manifest, and a zip bomb is not inflated.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := build(t, apkbuild.Spec{Package: "com.example.app", Size: 200_000})
	var manifest *apk.ManifestError
	for _, c := range []struct {
		name   string
		data   []byte
		notAPK bool
	}{
		{"nothing", nil, true},
		{"text", []byte(strings.Repeat("not an apk\n", 1000)), true},
		{"a truncated APK", good[:len(good)-30], true},
		{"half an APK", good[:len(good)/2], true},
		{"a zip without a manifest", zipOf(t, map[string]string{"a": "b"}), false},
		{"a manifest in plain XML", zipOf(t, map[string]string{"AndroidManifest.xml": `<manifest package="a.b"/>`}), false},
		{"a bomb", zipOf(t, map[string]string{"AndroidManifest.xml": strings.Repeat("\x00", 8<<20)}), false},
	} {
		a, err := read(c.data)
		if a != nil || err == nil || errors.Is(err, apk.ErrNotAPK) != c.notAPK || errors.As(err, &manifest) == c.notAPK {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
}

// Ensure no file whatever makes the reader fail in another way than by its errors.
func FuzzRead(f *testing.F) {
	f.Add(build(f, apkbuild.Spec{Package: "com.example.app", LabelResource: true, ABIs: []string{"x86"}}))
	f.Add(build(f, apkbuild.Spec{Package: "com.example.app", Wide: true, Key: apkbuild.Unsigned}))
	f.Add(build(f, apkbuild.Spec{Package: "com.example.app", Split: "config.de"}))
	f.Add(zipOf(f, map[string]string{"AndroidManifest.xml": "", "META-INF/A.RSA": "0\x03"}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := read(data)
		var manifest *apk.ManifestError
		if err != nil && !errors.Is(err, apk.ErrNotAPK) && !errors.As(err, &manifest) {
			t.Errorf("error %v", err)
		}
		if err == nil && len(a.Signer) == 0 {
			t.Error("no signer")
		}
	})
}
