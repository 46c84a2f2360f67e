package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// cutShort is how the temporary file of a note looks (see host.Files.WriteFile).
var cutShort = regexp.MustCompile(`^\..+\.json[0-9]+$`)

// readAll reads a directory of notes, which are small files of JSON that wait for something to happen:
// outcomes, reports. check says what is wrong with one at its path. Files that cannot be read are
// moved aside and told as problems; an error means that the host did not answer.
func readAll[T any](ctx context.Context, l *Ledger, dir string, check func(note T, path string) error) (kept []T, problems []error, err error) {
	entries, err := l.files.ReadDir(ctx, dir)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name)
		if cutShort.MatchString(e.Name) { // a write that a kill cut short
			problems = append(problems, l.clear(ctx, path)...)
			continue
		}
		if !strings.HasSuffix(e.Name, noteEnd) {
			continue
		}
		note, err := readNote(ctx, l, path, check)
		if fault.Is(err, fault.NotFound) {
			continue // forgotten meanwhile
		}
		if fault.Is(err, fault.Timeout) || fault.Is(err, fault.Cancelled) || fault.Is(err, fault.Unavailable) {
			return nil, nil, err
		}
		if err != nil {
			problems = append(problems, errors.Join(err, l.files.Rename(ctx, path, badPath(path, time.Now()))))
			continue
		}
		kept = append(kept, note)
	}
	return kept, problems, nil
}

func readNote[T any](ctx context.Context, l *Ledger, path string, check func(note T, path string) error) (note T, err error) {
	data, err := l.files.ReadFile(ctx, path, 0)
	if err != nil {
		return note, err
	}
	if err = json.Unmarshal(data, &note); err == nil {
		err = check(note, path)
	}
	return note, fault.Wrap(fault.Internal, "read "+path, err)
}

func (l *Ledger) clear(ctx context.Context, path string) []error {
	if err := l.files.RemoveAll(ctx, path); err != nil {
		return []error{fault.Op("clear what a kill left", err)}
	}
	return nil
}
