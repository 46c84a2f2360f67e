package archive

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/apps/apk"
)

const (
	// MaxTotal bounds what all parts of a plan unpack to.
	MaxTotal = 4 << 30
	// maxParts bounds the APKs of an archive; the largest of real ones have two hundred.
	maxParts = 1000
	// maxPartName bounds what is kept of the name of an APK.
	maxPartName = 100
	// An entry larger than bombSize that shrank to less than a part in bombRatio of it is a bomb: APKs are packed already.
	bombSize, bombRatio = 16 << 20, 100
)

// Device is what splits are chosen by.
type Device struct {
	ABIs    []string // as of ro.product.cpu.abilist, best first; none: all splits are taken
	Density int      // dots per inch; 0: all splits are taken
}

// Part is an APK of an archive.
type Part struct {
	Name string // unique within the plan, of letters, digits, dots, dashes and underscores
	Size int64  // unpacked
	file *zip.File
}

// Open reads the part, which fails when it is not of its size or damaged. The caller closes it.
func (p Part) Open() (io.ReadCloser, error) {
	r, err := p.file.Open()
	if err != nil {
		return nil, fault.Invalidf("%s in the archive cannot be unpacked: %v", p.Name, err)
	}
	return r, nil
}

// Plan is what is to be installed together.
type Plan struct {
	Package string   // as the archive says; empty: it does not
	Parts   []Part   // the base first
	Left    []string // the files that this device does not need
}

// Total is the size of all parts.
func (p Plan) Total() (sum int64) {
	for _, part := range p.Parts {
		sum += part.Size
	}
	return sum
}

// Is reports whether a ZIP is an archive of APKs, and no APK itself.
func Is(z *zip.Reader) bool {
	found := false
	for _, f := range z.File {
		if f.Name == apk.EntryName {
			return false
		}
		found = found || isAPK(f.Name)
	}
	return found
}

func isAPK(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".apk") }

// Choose plans what of an archive the device gets. Invalid says what is wrong with the archive; Unsupported that it has
// nothing for this device.
func Choose(z *zip.Reader, device Device) (Plan, error) {
	files, err := apksOf(z)
	if err != nil {
		return Plan{}, err
	}
	plan, listed, err := readManifest(z)
	if err != nil {
		return Plan{}, err
	}
	if listed != nil {
		files = slices.DeleteFunc(files, func(f *zip.File) bool { return !slices.Contains(listed, f.Name) })
		if len(files) < len(listed) {
			return Plan{}, fault.Invalidf("the archive lacks some of the APKs that its manifest.json lists")
		}
	}
	if files, err = layout(files); err != nil {
		return Plan{}, err
	}
	chosen, err := fitting(files, device)
	if err != nil {
		return Plan{}, err
	}
	for i, f := range chosen {
		size, err := sizeOf(f)
		if err != nil {
			return Plan{}, err
		}
		plan.Parts = append(plan.Parts, Part{partName(i, f.Name), size, f})
	}
	for _, f := range files {
		if !slices.Contains(chosen, f) {
			plan.Left = append(plan.Left, path.Base(f.Name))
		}
	}
	if plan.Total() > MaxTotal {
		return Plan{}, fault.New(fault.TooLarge, "the archive's APKs unpack to more than %d GiB", MaxTotal>>30)
	}
	return plan, nil
}

// apksOf lists the APKs of an archive, after a look at everything in it.
func apksOf(z *zip.Reader) (files []*zip.File, err error) {
	seen := map[string]bool{}
	for _, f := range z.File {
		lower := strings.ToLower(f.Name)
		switch {
		case slices.Contains(strings.FieldsFunc(f.Name, func(r rune) bool { return r == '/' || r == '\\' }), "..") || strings.HasPrefix(f.Name, "/"):
			return nil, fault.Invalidf("the archive holds a path that leads out of it: %.80q", f.Name)
		case strings.HasSuffix(lower, ".obb"):
			return nil, fault.Invalidf("the archive holds expansion files (OBB), which an installation does not place: " +
				"install its APKs alone, and upload the .obb to /sdcard/Android/obb/PACKAGE/")
		case strings.HasSuffix(lower, ".apks"), strings.HasSuffix(lower, ".xapk"), strings.HasSuffix(lower, ".apkm"):
			return nil, fault.Invalidf("the archive holds another archive of APKs, %.80q: send that one", f.Name)
		case !isAPK(f.Name):
			continue
		case seen[f.Name]:
			return nil, fault.Invalidf("the archive holds %.80q twice", f.Name)
		}
		seen[f.Name] = true
		if files = append(files, f); len(files) > maxParts {
			return nil, fault.Invalidf("the archive holds more than %d APKs", maxParts)
		}
	}
	if len(files) == 0 {
		return nil, fault.Invalidf("the archive holds no APK")
	}
	return files, nil
}

// sizeOf is what a file unpacks to.
func sizeOf(f *zip.File) (int64, error) {
	size, packed := f.UncompressedSize64, f.CompressedSize64
	switch {
	case size > MaxTotal:
		return 0, fault.New(fault.TooLarge, "%.80q in the archive unpacks to more than %d GiB", f.Name, MaxTotal>>30)
	case f.Flags&1 != 0:
		return 0, fault.Invalidf("%.80q in the archive is encrypted", f.Name)
	case size == 0:
		return 0, fault.Invalidf("%.80q in the archive is empty", f.Name)
	case size > bombSize && size/bombRatio > packed:
		return 0, fault.Invalidf("%.80q in the archive unpacks to %d times its size: that is no APK", f.Name, size/max(packed, 1))
	}
	return int64(size), nil
}

// partName is the name of a part in the installation's session, where it is a file's.
func partName(i int, name string) string {
	if i == 0 {
		return "base.apk"
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, path.Base(name))
	return fmt.Sprintf("%d_%s", i, clean[max(0, len(clean)-maxPartName):])
}
