package image

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"

	"github.com/daytonaio/runner-android/internal/host"
)

const (
	// sumsName is the file, in the artifacts, of digests that were computed: without it the next runner reads every image again.
	sumsName = ".digests.json"
	// maxSums bounds the files whose digests are remembered; the oldest are forgotten.
	maxSums = 4096
)

// sums remembers digests by what tells a file from others, over restarts.
type sums struct {
	host host.Files
	file string

	mu    sync.Mutex
	read  bool
	known map[host.Stamp]string
	order []host.Stamp // the oldest first
}

// sumsFile is what the file holds.
type sumsFile struct {
	Files []sumOf `json:"files"` // the oldest first
}

type sumOf struct {
	host.Stamp
	SHA256 string `json:"sha256"`
}

func newSums(h host.Files, artifacts string) *sums {
	return &sums{host: h, file: filepath.Join(artifacts, sumsName), known: map[host.Stamp]string{}}
}

// of is the digest of a file; empty where it is not known.
func (s *sums) of(ctx context.Context, file host.Stamp) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load(ctx)
	return s.known[file]
}

// load reads what earlier runners knew. What cannot be read is computed again.
func (s *sums) load(ctx context.Context) {
	if s.read || ctx.Err() != nil {
		return
	}
	s.read = true
	var file sumsFile
	if text, err := s.host.ReadFile(ctx, s.file, 0); err == nil && json.Unmarshal(text, &file) == nil {
		for _, f := range file.Files {
			s.add(f)
		}
	}
}

func (s *sums) add(f sumOf) {
	if _, there := s.known[f.Stamp]; !there {
		s.order = append(s.order, f.Stamp)
	}
	s.known[f.Stamp] = f.SHA256
	for len(s.order) > maxSums {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
}

// remember keeps a digest. That it cannot be written costs a later runner a reading, and nothing else.
func (s *sums) remember(ctx context.Context, file host.Stamp, sha256 string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load(ctx)
	s.add(sumOf{file, sha256})
	var all sumsFile
	for _, stamp := range s.order {
		all.Files = append(all.Files, sumOf{stamp, s.known[stamp]})
	}
	if text, err := json.Marshal(all); err == nil {
		_ = s.host.WriteFile(ctx, s.file, append(text, '\n'), 0o644)
	}
}
