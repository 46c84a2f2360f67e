package archive

import (
	"archive/zip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// density is one of Android's names for dots per inch.
type density struct {
	name string
	dpi  int
}

// densities are in their order.
var densities = []density{{"ldpi", 120}, {"mdpi", 160}, {"tvdpi", 213}, {"hdpi", 240}, {"xhdpi", 320}, {"xxhdpi", 480}, {"xxxhdpi", 640}}

// abis are the names that splits are given, by those of the device.
var abis = []string{"armeabi", "armeabi_v7a", "arm64_v8a", "x86", "x86_64", "mips", "mips64", "riscv64"}

// split is what the name of an APK tells.
type split struct {
	file    *zip.File
	module  string // "base", or a feature's name
	abi     string // empty: for all
	density string
	other   bool // for a language, a texture, or what we do not know
}

// isMaster reports whether the APK is what the others of its module belong to.
func (s split) isMaster() bool { return s.abi == "" && s.density == "" && !s.other }

// layout leaves the APKs of the one layout of an archive that is to be used.
func layout(files []*zip.File) ([]*zip.File, error) {
	in := func(dir string) []*zip.File {
		return slices.DeleteFunc(slices.Clone(files), func(f *zip.File) bool { return path.Dir(f.Name) != dir })
	}
	for _, f := range files {
		if path.Base(f.Name) == "universal.apk" {
			return []*zip.File{f}, nil
		}
	}
	if splits := in("splits"); len(splits) > 0 { // bundletool's
		return slices.DeleteFunc(splits, isLaterVariant), nil
	}
	if alone := in("standalones"); len(alone) > 0 {
		return alone, nil
	}
	if root := in("."); len(root) > 0 {
		return root, nil
	}
	return nil, fault.Invalidf("the archive holds its APKs neither at its root nor in splits/ or standalones/")
}

// variant is the number at the end of the names of a variant for later releases of Android.
var variant = regexp.MustCompile(`_([2-9]|[1-9][0-9]{1,2})$`)

func isLaterVariant(f *zip.File) bool {
	stem := strings.TrimSuffix(path.Base(f.Name), path.Ext(f.Name))
	return variant.MatchString(stem) && !slices.ContainsFunc(abis, func(abi string) bool { return strings.HasSuffix(stem, "-"+abi) })
}

// parse reads the name of an APK: base-arm64_v8a.apk, split_config.xhdpi.apk, config.de.apk,
// split_feature.config.x86.apk, standalone-x86_hdpi.apk; any other is the base of a module.
func parse(f *zip.File) split {
	stem := strings.ToLower(strings.TrimSuffix(path.Base(f.Name), path.Ext(f.Name)))
	s := split{file: f, module: stem}
	switch {
	case path.Dir(f.Name) == "splits":
		s.module, stem, _ = strings.Cut(stem, "-")
		s.qualify(stem)
	case strings.HasPrefix(stem, "split_config."), strings.HasPrefix(stem, "config."):
		_, stem, _ = strings.Cut(stem, "config.")
		s.module = "base"
		s.qualify(stem)
	case strings.Contains(stem, ".config."):
		s.module, stem, _ = strings.Cut(strings.TrimPrefix(stem, "split_"), ".config.")
		s.qualify(stem)
	case strings.HasPrefix(stem, "split_"):
		s.module = strings.TrimPrefix(stem, "split_")
	default:
		s.module = "base"
	}
	return s
}

func (s *split) qualify(by string) {
	switch {
	case by == "master" || by == "":
	case slices.Contains(abis, strings.ReplaceAll(by, "-", "_")):
		s.abi = strings.ReplaceAll(by, "-", "_")
	case slices.ContainsFunc(densities, func(d density) bool { return d.name == by }):
		s.density = by
	default:
		s.other = true
	}
}

// fitting chooses among the APKs of one layout; the base comes first.
func fitting(files []*zip.File, device Device) ([]*zip.File, error) {
	if len(files) == 1 {
		return files, nil
	}
	if path.Dir(files[0].Name) == "standalones" {
		return standalone(files, device)
	}
	var all []split
	for _, f := range files {
		all = append(all, parse(f))
	}
	var base []*zip.File
	for _, s := range all {
		if s.module == "base" && s.isMaster() {
			base = append(base, s.file)
		}
	}
	if named := slices.IndexFunc(base, func(f *zip.File) bool { return path.Base(f.Name) == "base.apk" }); named >= 0 {
		base = base[named : named+1 : named+1] // the others are features
	}
	switch {
	case len(base) == 0:
		return nil, fault.Invalidf("the archive holds splits, but no base APK")
	case len(base) > 1:
		return nil, fault.Invalidf("the archive holds %d APKs that could be the base: %.60q and %.60q", len(base), path.Base(base[0].Name), path.Base(base[1].Name))
	}
	chosen := base
	for _, s := range all {
		take, err := s.fits(all, device)
		if err != nil {
			return nil, err
		}
		if take && s.file != base[0] {
			chosen = append(chosen, s.file)
		}
	}
	return chosen, nil
}

// fits reports whether the device gets a split, given all there are. Unsupported: its module has code for other
// processors only.
func (s split) fits(all []split, device Device) (bool, error) {
	switch {
	case s.abi != "" && len(device.ABIs) > 0:
		for _, abi := range device.ABIs {
			abi = strings.ReplaceAll(abi, "-", "_")
			for _, o := range all {
				if o.module == s.module && o.abi == abi {
					return s.abi == abi, nil
				}
			}
		}
		return false, fault.Unsupportedf("the archive has code for other processors only (%s); the device takes %s: send an APK for it",
			s.abi, strings.Join(device.ABIs, ", "))
	case s.density != "" && device.Density > 0:
		return s.density == bestDensity(all, s.module, device.Density), nil
	}
	return true, nil
}

// bestDensity is the one next above the device's, or the highest: pictures are better made smaller than larger.
func bestDensity(all []split, module string, dpi int) (best string) {
	for _, d := range densities {
		if !slices.ContainsFunc(all, func(s split) bool { return s.module == module && s.density == d.name }) {
			continue
		}
		best = d.name
		if d.dpi >= dpi {
			break
		}
	}
	return best
}

// standalone chooses one of the APKs that each are the whole app, by ABI and then by density.
func standalone(files []*zip.File, device Device) ([]*zip.File, error) {
	var all []split
	for _, f := range files {
		stem := strings.TrimPrefix(strings.TrimSuffix(path.Base(f.Name), path.Ext(f.Name)), "standalone-")
		s := split{file: f}
		for _, d := range densities {
			if rest, found := strings.CutSuffix("_"+stem, "_"+d.name); found {
				s.density, stem = d.name, strings.TrimPrefix(rest, "_")
				break
			}
		}
		if slices.Contains(abis, stem) {
			s.abi = stem
		}
		all = append(all, s)
	}
	for _, s := range all {
		byABI, err := s.fits(all, device)
		if err != nil {
			return nil, err
		}
		if byABI && s.abi != "" && s.density != "" {
			byABI = s.density == bestDensity(slices.DeleteFunc(slices.Clone(all), func(o split) bool { return o.abi != s.abi }), "", device.Density)
		}
		if byABI {
			return []*zip.File{s.file}, nil
		}
	}
	return nil, fault.Invalidf("the archive holds no APK for this device")
}
