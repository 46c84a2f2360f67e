package archive_test

import (
	"archive/zip"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/apps/archive"
)

// pack makes a ZIP of these files. What is behind "=" is the content, else the name is.
func pack(t *testing.T, names ...string) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		n, content, given := strings.Cut(n, "=")
		if !given {
			content = n
		}
		w, err := z.Create(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var phone = archive.Device{ABIs: []string{"x86_64", "x86", "arm64-v8a"}, Density: 420}

// Ensure a device gets what it needs of each kind of archive, the base first, and nothing for others.
func TestChoose(t *testing.T) {
	t.Parallel()
	bundletool := []string{
		"toc.pb", "splits/base-hdpi.apk", "splits/base-xhdpi.apk", "splits/base-xxhdpi.apk", "splits/base-en.apk", "splits/base-de.apk",
		"splits/base-arm64_v8a.apk", "splits/base-x86.apk", "splits/base-x86_64.apk", "splits/base-master.apk", "splits/base-master_2.apk",
		"splits/base-x86_64_2.apk", "splits/maps-master.apk", "splits/maps-mdpi.apk", "splits/maps-ldpi.apk",
		"standalones/standalone-x86_hdpi.apk",
	}
	for _, c := range []struct {
		name   string
		files  []string
		device archive.Device
		want   string
	}{
		{"bundletool", bundletool, phone, "base-master base-de base-en base-x86_64 base-xxhdpi maps-master maps-mdpi"},
		{"bundletool, dense", bundletool, archive.Device{ABIs: []string{"arm64-v8a"}, Density: 640}, "base-master base-arm64_v8a base-de base-en base-xxhdpi maps-master maps-mdpi"},
		{"universal", append(bundletool, "universal.apk"), phone, "universal"},
		{"standalones", []string{"standalones/standalone-arm64_v8a_xxhdpi.apk", "standalones/standalone-x86_64_xxhdpi.apk", "standalones/standalone-x86_64_hdpi.apk"}, phone, "standalone-x86_64_xxhdpi"},
		{"standalones by ABI", []string{"standalones/standalone-x86.apk", "standalones/standalone-x86_64.apk"}, phone, "standalone-x86_64"},
		{"a backup", []string{"meta.sai_v2.json", "base.apk", "split_config.x86.apk", "split_config.xhdpi.apk", "split_config.de.apk", "split_feat.apk", "split_feat.config.x86.apk"}, phone, "base split_config.de split_config.x86 split_config.xhdpi split_feat split_feat.config.x86"},
		{"apkm", []string{"info.json", "icon.png", "META-INF/A.SF", "base.apk", "split_config.x86_64.apk", "split_config.arm64_v8a.apk"}, phone, "base split_config.x86_64"},
		{"xapk", []string{`manifest.json={"package_name":"com.x.y","split_apks":[{"file":"com.x.y.apk","id":"base"},{"file":"config.x86.apk","id":"config.x86"}]}`, "icon.png", "com.x.y.apk", "config.x86.apk", "stray.apk"}, phone, "com.x.y config.x86"},
		{"one", []string{"readme.txt", "only.apk"}, phone, "only"},
		{"a device of which nothing is known", []string{"base.apk", "split_config.x86.apk", "split_config.mdpi.apk"}, archive.Device{}, "base split_config.mdpi split_config.x86"},
	} {
		z := pack(t, c.files...)
		if !archive.Is(z) {
			t.Errorf("%s: is none", c.name)
		}
		plan, err := archive.Choose(z, c.device)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, p := range plan.Parts {
			r, err := p.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil || int64(len(content)) != p.Size {
				t.Errorf("%s: %s: %d bytes, %v", c.name, p.Name, len(content), err)
			}
			name := string(content[strings.LastIndex(string(content), "/")+1:])
			got = append(got, strings.TrimSuffix(name, ".apk"))
		}
		slices.Sort(got[1:])
		if strings.Join(got, " ") != c.want || plan.Parts[0].Name != "base.apk" {
			t.Errorf("%s: got %q as %q, left %q", c.name, got, plan.Parts[0].Name, plan.Left)
		}
	}
	if plan, err := archive.Choose(pack(t, `manifest.json={"package_name":"com.x.y"}`, "com.x.y.apk"), phone); err != nil || plan.Package != "com.x.y" {
		t.Errorf("%+v %v", plan, err)
	}
}

// Ensure what cannot be installed is refused with its reason, and nothing of it is unpacked.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files []string
		kind  fault.Kind
		want  string
	}{
		{[]string{"base.apk", "../../data/evil.apk"}, fault.Invalid, "leads out of it"},
		{[]string{"base.apk", `..\evil.apk`}, fault.Invalid, "leads out of it"},
		{[]string{"/base.apk"}, fault.Invalid, "leads out of it"},
		{[]string{"base.apk", "base.apk"}, fault.Invalid, "twice"},
		{[]string{"base.apk", "inner.xapk"}, fault.Invalid, "another archive"},
		{[]string{"com.x.apk", "Android/obb/com.x/main.1.com.x.obb"}, fault.Invalid, "expansion files"},
		{[]string{"com.x.apk", `manifest.json={"expansions":[{"file":"x"}]}`}, fault.Invalid, "expansion files"},
		{[]string{"com.x.apk", `manifest.json={`}, fault.Invalid, "cannot be read"},
		{[]string{"com.x.apk", `manifest.json={"split_apks":[{"file":"com.x.apk"},{"file":"gone.apk"}]}`}, fault.Invalid, "lacks some"},
		{[]string{"split_config.x86.apk", "split_config.de.apk"}, fault.Invalid, "no base APK"},
		{[]string{"a.apk", "b.apk"}, fault.Invalid, "2 APKs that could be the base"},
		{[]string{"base.apk", "split_config.armeabi_v7a.apk"}, fault.Unsupported, "other processors"},
		{[]string{"deep/down/base.apk"}, fault.Invalid, "neither at its root"},
		{[]string{"base.apk="}, fault.Invalid, "is empty"},
		{[]string{"base.apk=" + strings.Repeat("0", 20<<20)}, fault.Invalid, "times its size"},
		{[]string{"readme.txt"}, fault.Invalid, "no APK"},
	} {
		plan, err := archive.Choose(pack(t, c.files...), phone)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %+v, %v; want %q", c.files, plan, err, c.want)
		}
	}
	if archive.Is(pack(t, "AndroidManifest.xml", "assets/inner.apk")) || archive.Is(pack(t, "readme.txt")) {
		t.Error("an APK, or a text, is taken for an archive")
	}
}

// Ensure an archive whose sizes lie is found out while it is unpacked.
func TestSizesThatLie(t *testing.T) {
	t.Parallel()
	for _, lie := range []uint64{5, 500} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateRaw(&zip.FileHeader{Name: "base.apk", Method: zip.Store, UncompressedSize64: lie, CompressedSize64: 100})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := archive.Choose(r, phone)
		if err != nil {
			t.Fatal(err)
		}
		part, err := plan.Parts[0].Open()
		if err == nil {
			_, err = io.ReadAll(part)
		}
		if err == nil {
			t.Errorf("%d bytes said: not noticed", lie)
		}
	}
}
