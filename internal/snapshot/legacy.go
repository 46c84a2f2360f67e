package snapshot

import (
	"context"
	"path"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// list adds to a manifest that has the specification's fields alone which files of a snapshot are in the bucket. What else
// is there is left.
func (s *Store) list(ctx context.Context, name string, m Manifest) (Manifest, error) {
	m.Files, m.Images = nil, nil
	for o, err := range s.bucket.List(ctx, key(name, "")) {
		if err != nil {
			return m, err
		}
		f := File{Name: strings.TrimPrefix(o.Key, key(name, "")), Size: o.Size}
		if saved, inside := strings.CutPrefix(f.Name, DataDir+"/"); inside && isSaved(saved) {
			m.Files = append(m.Files, f)
		} else if component.MatchString(f.Name) && f.Name != ManifestName {
			m.Images = append(m.Images, f)
		}
		if len(m.Files)+len(m.Images) > maxLegacy {
			return m, fault.Invalidf("there are more than %d files in it", maxLegacy)
		}
	}
	if _, there := m.file(overlayName); !there {
		return m, fault.Invalidf("there is no %s/%s in it", DataDir, overlayName)
	}
	return m, m.check()
}

// maxLegacy bounds the files of a snapshot whose manifest does not list them.
const maxLegacy = 1000

// complete adds to the manifest of a snapshot on this host what the specification's lacks, and writes it.
func (s *Store) complete(ctx context.Context, dir string, m Manifest, report func(sandbox.Progress)) (Manifest, []byte, error) {
	m.Files, m.Images, m.Size = nil, nil, 0
	var names []string
	for _, f := range savedFiles() {
		info, err := s.host.Lstat(ctx, path.Join(dir, DataDir, f.name))
		if err == nil && info.Mode.IsRegular() {
			names = append(names, f.name)
		}
	}
	if err := s.describe(ctx, dir, names, &m, report); err != nil {
		return m, nil, err
	}
	entries, err := s.host.ReadDir(ctx, dir)
	if err != nil {
		return m, nil, err
	}
	for _, e := range entries {
		info, err := s.host.Stat(ctx, path.Join(dir, e.Name))
		if err != nil || !info.Mode.IsRegular() || e.Name == ManifestName || !component.MatchString(e.Name) {
			continue
		}
		sum, err := s.sum(ctx, path.Join(dir, e.Name))
		if err != nil {
			return m, nil, err
		}
		m.Images = append(m.Images, File{Name: e.Name, Size: info.Size, SHA256: sum})
	}
	m.Format = FormatVersion
	if err := s.write(ctx, dir, m); err != nil {
		return m, nil, err
	}
	return s.read(ctx, dir)
}
