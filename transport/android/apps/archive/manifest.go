package archive

import (
	"archive/zip"
	"encoding/json"
	"io"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// maxManifest bounds an archive's manifest.json.
const maxManifest = 1 << 20

// xapkManifest is the manifest.json of an .xapk.
type xapkManifest struct {
	Package string `json:"package_name"`
	Splits  []struct {
		File string `json:"file"`
		ID   string `json:"id"`
	} `json:"split_apks"`
	Expansions []json.RawMessage `json:"expansions"`
}

// readManifest reads the manifest of an .xapk, if there is one. listed are the APKs that it names; nil: it does not.
func readManifest(z *zip.Reader) (plan Plan, listed []string, err error) {
	at := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == "manifest.json" })
	if at < 0 {
		return plan, nil, nil
	}
	content, err := z.File[at].Open()
	if err != nil {
		return plan, nil, fault.Invalidf("the archive's manifest.json cannot be unpacked: %v", err)
	}
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, maxManifest))
	var m xapkManifest
	if err != nil || json.Unmarshal(data, &m) != nil {
		return plan, nil, fault.Invalidf("the archive's manifest.json cannot be read")
	}
	if len(m.Expansions) > 0 {
		return plan, nil, fault.Invalidf("the archive's manifest.json names expansion files (OBB), which an installation does not " +
			"place: install its APKs alone, and upload the .obb to /sdcard/Android/obb/PACKAGE/")
	}
	if _, err := name.Package(m.Package); err == nil {
		plan.Package = m.Package
	}
	for _, s := range m.Splits {
		listed = append(listed, s.File)
	}
	return plan, listed, nil
}
