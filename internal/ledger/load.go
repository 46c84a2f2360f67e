package ledger

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Snapshot is what a ledger holds.
type Snapshot struct {
	// Records has every sandbox on record. Instance is the number that it holds now: by
	// mappings.json, and 0 where that gives it none. Where mappings.json was missing or could
	// not be read, it is the number in the record itself, and a problem says so. A sandbox
	// without a record of ours, or with one that cannot be read, comes with Version 0: its id,
	// its number, and nothing else.
	Records map[sandbox.ID]Record
	// Problems is what a person should know and what the caller should rebuild.
	Problems []Problem
}

// Mappings returns who holds which number.
func (s Snapshot) Mappings() map[sandbox.ID]sandbox.Instance {
	numbers := map[sandbox.ID]sandbox.Instance{}
	for id, r := range s.Records {
		if r.Instance != 0 {
			numbers[id] = r.Instance
		}
	}
	return numbers
}

// Load reads everything, moves aside what is bad and clears what kills left behind. It makes
// the directory when it is missing. An error means that the directory could not be read at
// all, or that the host did not answer; nothing may be written then.
func (l *Ledger) Load(ctx context.Context) (Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.files.MkdirAll(ctx, l.dir, dirPerm); err != nil {
		return Snapshot{}, fault.Op("load the ledger", err)
	}
	in := loader{Ledger: l, ctx: ctx, snap: Snapshot{Records: map[sandbox.ID]Record{}}}
	if err := in.load(); err != nil {
		return Snapshot{}, fault.Op("load the ledger", err)
	}
	l.loaded, l.foreign = true, in.table.foreign
	return in.snap, nil
}

// loader is one Load.
type loader struct {
	*Ledger
	ctx   context.Context
	owner int // uid that the directory belongs to
	snap  Snapshot
	table table
}

func (in *loader) load() error {
	dir, err := in.files.Stat(in.ctx, in.dir)
	if err != nil {
		return err
	}
	in.owner = dir.UID
	if err := in.sweep(); err != nil {
		return err
	}
	known, err := in.loadMappings()
	if err != nil {
		return err
	}
	if err := in.loadRecords(); err != nil {
		return err
	}
	in.assign(known)
	return nil
}

func (in *loader) problem(p Problem) { in.snap.Problems = append(in.snap.Problems, p) }

// sweep clears the leftovers of kills. What cannot be cleared does no harm and is told.
func (in *loader) sweep() error {
	entries, err := in.files.ReadDir(in.ctx, in.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !leftover(e.Name, mappingsName) && !strings.HasPrefix(e.Name, goneMark) {
			continue
		}
		path := in.dir + "/" + e.Name
		if err := in.files.RemoveAll(in.ctx, path); err != nil {
			in.problem(Problem{Path: path, Reason: "left behind by a kill, cannot be removed: " + err.Error()})
		}
	}
	return nil
}

// loadMappings reads mappings.json; known is false when there is none that can be read.
func (in *loader) loadMappings() (known bool, err error) {
	in.table = newTable()
	path := in.mappingsPath()
	data, err := in.read(path, "")
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	var t table
	var problems []string
	if err == nil {
		t, problems, err = parseMappings(data)
	}
	if err != nil {
		return false, in.setAside(path, "", err)
	}
	in.table = t
	for _, reason := range problems {
		in.problem(Problem{Path: path, Reason: reason})
	}
	return true, nil
}

// loadRecords reads every instance.json. Directories without one are not ours to judge.
func (in *loader) loadRecords() error {
	entries, err := in.files.ReadDir(in.ctx, in.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, err := sandbox.ParseID(e.Name)
		if err == nil && e.Mode&fs.ModeSymlink != 0 && e.Name != mappingsName {
			in.problem(Problem{Path: in.recordDir(id), Sandbox: id, Reason: "is a link, and not followed: the ledger writes beside what it reads"})
		}
		if err != nil || !e.Mode.IsDir() {
			continue
		}
		if err := in.loadRecord(id); err != nil {
			return err
		}
	}
	return nil
}

func (in *loader) loadRecord(id sandbox.ID) error {
	in.sweepRecord(id)
	path := in.recordPath(id)
	data, err := in.read(path, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	var r Record
	if err == nil {
		r, err = parseRecord(data, id)
	}
	if err != nil {
		return in.setAside(path, id, err)
	}
	if r.Version > FormatVersion {
		in.problem(Problem{Path: path, Sandbox: id, Reason: "written by a newer runner: what is new in it is kept, not used"})
	}
	in.snap.Records[id] = r
	return nil
}

// read reads a file of the ledger. A link is not followed: whoever owns what it leads to could change it, and the next
// write would not. A file of another owner is read, and told.
func (in *loader) read(path string, id sandbox.ID) ([]byte, error) {
	info, err := in.files.Lstat(in.ctx, path)
	if err != nil {
		return nil, err
	}
	if info.Mode&fs.ModeSymlink != 0 {
		return nil, fault.New(fault.Forbidden, "it is a link, which is not followed")
	}
	data, err := in.files.ReadFile(in.ctx, path, 0)
	if err == nil && info.UID != in.owner {
		in.problem(Problem{Path: path, Sandbox: id, Reason: fmt.Sprintf(
			"it belongs to uid %d and its directory to uid %d: it is read all the same", info.UID, in.owner)})
	}
	return data, err
}

// sweepRecord clears temporary files of a sandbox's record and of its transitions.
func (in *loader) sweepRecord(id sandbox.ID) {
	entries, err := in.files.ReadDir(in.ctx, in.recordDir(id))
	if err != nil {
		return // reading the record will say why
	}
	for _, e := range entries {
		if leftover(e.Name, recordName) || leftover(e.Name, transitionsName) {
			_ = in.files.RemoveAll(in.ctx, in.recordDir(id)+"/"+e.Name) // harmless; the next Load tries again
		}
	}
}

// setAside moves a file away that cannot be read, so that nothing overwrites it. A host that
// did not answer is no reason to: then the error ends the Load.
func (in *loader) setAside(path string, id sandbox.ID, cause error) error {
	switch fault.KindOf(cause) {
	case fault.Unavailable, fault.Timeout, fault.Cancelled:
		return cause
	default:
	}
	p := Problem{Path: path, Sandbox: id, MovedTo: badPath(path, time.Now())}
	p.Reason = "cannot be read: " + cause.Error()
	if err := in.files.Rename(in.ctx, path, p.MovedTo); err != nil {
		p.Reason += "; nor moved aside: " + err.Error()
		p.MovedTo = ""
	}
	in.problem(p)
	if id != "" {
		in.table.unsure = append(in.table.unsure, id) // it is still known to be there
	}
	return nil
}

// assign gives every record the number that it holds, and every mapping a record.
func (in *loader) assign(known bool) {
	recorded := map[sandbox.ID]sandbox.Instance{}
	for id, r := range in.snap.Records {
		if r.Instance != 0 {
			recorded[id] = r.Instance
		}
	}
	if !known && len(recorded) > 0 {
		in.problem(Problem{Path: in.mappingsPath(), Reason: "there is none: the numbers are those in the records"})
		maps.Copy(in.table.numbers, recorded)
	}
	for _, reason := range in.table.settle(recorded) {
		in.problem(Problem{Path: in.mappingsPath(), Reason: reason})
	}
	for id, r := range in.snap.Records {
		r.Instance = in.table.numbers[id]
		in.snap.Records[id] = r
	}
	for _, id := range slices.Concat(slices.Collect(maps.Keys(in.table.numbers)), in.table.unsure) {
		if _, ok := in.snap.Records[id]; !ok {
			in.snap.Records[id] = Record{ID: id, Instance: in.table.numbers[id]}
		}
	}
}
