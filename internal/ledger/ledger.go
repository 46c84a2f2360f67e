package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Ledger reads and writes the files below one instances directory. It is safe for concurrent
// use; of one sandbox's record, only one goroutine should write at a time, or the last wins.
// Every write is durable when it returns, and a write that fails leaves the old file.
type Ledger struct {
	files host.Files
	dir   string

	mu      sync.Mutex // mappings.json and what follows
	loaded  bool
	foreign map[string]json.RawMessage
}

// New makes a ledger of dir, an absolute path. Nothing is touched before Load.
func New(files host.Files, dir string) *Ledger { return &Ledger{files: files, dir: dir} }

// Dir is the instances directory.
func (l *Ledger) Dir() string { return l.dir }

// SaveMappings replaces who holds which number. Only the allocator calls it. Before the first
// Load it is refused, because it would overwrite what nobody has read.
func (l *Ledger) SaveMappings(ctx context.Context, numbers map[sandbox.ID]sandbox.Instance) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.loaded {
		return fault.Internalf("save mappings: the ledger was not loaded")
	}
	data, err := render(numbers, l.foreign)
	if err != nil {
		return fault.Wrap(fault.Internal, "save mappings", err)
	}
	return fault.Op("save mappings", l.files.WriteFile(ctx, l.mappingsPath(), append(data, '\n'), filePerm))
}

// SaveRecord replaces the record of one sandbox and makes its directories. It stamps UpdatedAt
// and the format version.
func (l *Ledger) SaveRecord(ctx context.Context, r Record) error {
	op := "save the record of sandbox " + string(r.ID)
	if _, err := sandbox.ParseID(string(r.ID)); err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	if err := check(r, r.ID); err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	r.Version = max(r.Version, FormatVersion)
	r.UpdatedAt = time.Now().UTC()
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	if err := l.files.MkdirAll(ctx, l.LogsDir(r.ID), dirPerm); err != nil {
		return fault.Op(op, err)
	}
	return fault.Op(op, l.files.WriteFile(ctx, l.recordPath(r.ID), append(data, '\n'), filePerm))
}

// Record reads the record of one sandbox from disk. NotFound when it has none.
func (l *Ledger) Record(ctx context.Context, id sandbox.ID) (Record, error) {
	op := "read the record of sandbox " + string(id)
	if _, err := sandbox.ParseID(string(id)); err != nil {
		return Record{}, fault.Wrap(fault.NotFound, op, err)
	}
	data, err := l.files.ReadFile(ctx, l.recordPath(id), 0)
	if err != nil {
		return Record{}, fault.Op(op, err)
	}
	r, err := parseRecord(data, id)
	return r, fault.Wrap(fault.Internal, op, err)
}

// RemoveRecord removes a sandbox's directory with its logs. A missing one is success. The
// record vanishes in one step; the rest, if a kill comes between, at the next Load.
func (l *Ledger) RemoveRecord(ctx context.Context, id sandbox.ID) error {
	op := "remove the record of sandbox " + string(id)
	if _, err := sandbox.ParseID(string(id)); err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	l.forget(id)
	gone := l.goneDir(id)
	if err := l.files.RemoveAll(ctx, gone); err != nil {
		return fault.Op(op, err)
	}
	err := l.files.Rename(ctx, l.recordDir(id), gone)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return fault.Op(op, err)
	}
	return fault.Op(op, l.files.RemoveAll(ctx, gone))
}

// forget lets go of a member of mappings.json that named the sandbox and had no lawful number.
func (l *Ledger) forget(id sandbox.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.foreign, string(id))
}

// Problem is something in the ledger that was not as it should be.
type Problem struct {
	Path    string     // the file
	Sandbox sandbox.ID // empty where it concerns no single one
	Reason  string     // for people
	MovedTo string     // where the file was moved; empty where it stayed
}

// String says it in one line.
func (p Problem) String() string {
	if p.MovedTo == "" {
		return fmt.Sprintf("%s: %s", p.Path, p.Reason)
	}
	return fmt.Sprintf("%s: %s (moved to %s)", p.Path, p.Reason, p.MovedTo)
}
