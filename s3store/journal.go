package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Journal is the caller's storage for what an upload must know to go on after an interruption: a
// few bytes for each part, under the object's key. Load returns nil for what is not there. Save
// replaces what was there at once or not at all. One upload of a key at a time uses it.
type Journal interface {
	Load(key string) ([]byte, error)
	Save(key string, data []byte) error
	Forget(key string) error
}

const (
	journalVersion = 1
	// saveEvery keeps the journal of many parts from being written for each of them. What was sent
	// since is sent again if the process is killed.
	saveEvery = time.Second
)

// entry is what the journal holds of an upload.
type entry struct {
	Version int
	Plan    string // digest of content, pieces and parts
	Upload  multipart
	Parts   []donePart
}

// journal keeps an entry up to date. A nil *journal does nothing.
type journal struct {
	Journal
	key  string
	plan string

	mu    sync.Mutex
	entry entry
	saved time.Time
}

// fingerprint returns what must be equal for an upload to go on with the parts of another.
func (s *Store) fingerprint(key, digest string, pieces []Piece, parts []part) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q\n%v\n%v\n", s.opts.Endpoint, s.opts.Bucket, key, digest, pieces, parts)
	return hex.EncodeToString(h.Sum(nil))
}

// found is what is left of an earlier attempt at a transfer. The zero value is nothing.
type found struct {
	upload   *multipart
	parts    map[int32]donePart // that the journal and the server agree about
	complete *Object            // it had come to its end; only the answer was lost
}

// resume looks up an earlier attempt at the same transfer. An entry for anything else is dropped,
// and its upload aborted.
func (s *Store) resume(ctx context.Context, t *transfer) (found, error) {
	if t.journal == nil {
		return found{}, nil
	}
	data, err := t.journal.Load(t.key)
	if err != nil {
		return found{}, fault.Op("read the journal", err)
	}
	var e entry
	if json.Unmarshal(data, &e) != nil || e.Version != journalVersion || e.Upload.ID == "" {
		return found{}, nil // none, or none of ours: it will be replaced
	}
	m := e.Upload
	m.store, m.key = s, t.key
	if e.Plan != t.journal.plan {
		if err := s.abort(ctx, t.key, m.ID); err != nil && ctx.Err() != nil {
			return found{}, ctx.Err() // else AbortStale will find it
		}
		return found{}, t.journal.forget()
	}
	there, err := m.parts(ctx)
	if isGone(err) {
		if obj, own := s.own(ctx, t.key, m.Attempt); own && obj.Size == t.size {
			return found{complete: &obj}, nil
		}
		return found{}, t.journal.forget()
	}
	if err != nil {
		return found{}, err
	}
	confirmed := map[int32]donePart{}
	for _, p := range e.Parts {
		if at := there[p.Number]; at.Size == p.Size && at.ETag == p.ETag && p.ETag != "" {
			confirmed[p.Number] = p
		}
	}
	e.Parts = sorted(confirmed)
	t.journal.entry = e
	return found{upload: &m, parts: confirmed}, nil
}

// begin records an upload before anything is sent.
func (j *journal) begin(m *multipart) error {
	if j == nil {
		return nil
	}
	j.entry = entry{Version: journalVersion, Plan: j.plan, Upload: *m}
	return j.save(true)
}

// add records a part. That it cannot be written fails nothing: the part is sent again some day.
func (j *journal) add(p donePart) {
	if j == nil {
		return
	}
	j.mu.Lock()
	j.entry.Parts = append(j.entry.Parts, p)
	j.mu.Unlock()
	_ = j.save(false)
}

// save writes the entry, now or if it was not written lately.
func (j *journal) save(now bool) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !now && time.Since(j.saved) < saveEvery {
		return nil
	}
	data, err := json.Marshal(j.entry)
	if err != nil {
		return fault.Wrap(fault.Internal, "write the journal", err)
	}
	j.saved = time.Now()
	return fault.Op("write the journal", j.Save(j.key, data))
}

// forget drops the entry.
func (j *journal) forget() error {
	if j == nil {
		return nil
	}
	return fault.Op("drop the journal", j.Forget(j.key))
}
