package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Outcome is how a job of Daytona's queue ended, kept until the API has taken it.
type Outcome struct {
	JobID   string    `json:"job_id"`
	Type    string    `json:"type"`
	Subject string    `json:"subject"`
	Status  string    `json:"status"`
	Error   string    `json:"error"`
	Result  string    `json:"result"`
	Trace   string    `json:"trace"`
	At      time.Time `json:"at"`
}

// SaveOutcome keeps an outcome, durably.
func (l *Ledger) SaveOutcome(ctx context.Context, o Outcome) error {
	op := "keep the outcome of job " + o.JobID
	data, err := json.Marshal(o)
	if err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	if err := l.files.MkdirAll(ctx, l.outcomesDir(), dirPerm); err != nil {
		return fault.Op(op, err)
	}
	return fault.Op(op, l.files.WriteFile(ctx, l.outcomePath(o.JobID), append(data, '\n'), filePerm))
}

// DropOutcome forgets an outcome. A missing one is success.
func (l *Ledger) DropOutcome(ctx context.Context, jobID string) error {
	return fault.Op("forget the outcome of job "+jobID, l.files.RemoveAll(ctx, l.outcomePath(jobID)))
}

// Outcomes lists what is kept, oldest first. Files that cannot be read are moved aside and told as
// problems; an error means that the host did not answer.
func (l *Ledger) Outcomes(ctx context.Context) (kept []Outcome, problems []error, err error) {
	entries, err := l.files.ReadDir(ctx, l.outcomesDir())
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fault.Op("list the outcomes of jobs", err)
	}
	for _, e := range entries {
		path := filepath.Join(l.outcomesDir(), e.Name)
		if cutShort.MatchString(e.Name) { // a write that a kill cut short
			problems = append(problems, l.clear(ctx, path)...)
			continue
		}
		if !strings.HasSuffix(e.Name, outcomeEnd) {
			continue
		}
		o, err := l.readOutcome(ctx, path)
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
		kept = append(kept, o)
	}
	slices.SortFunc(kept, func(a, b Outcome) int { return a.At.Compare(b.At) })
	return kept, problems, nil
}

func (l *Ledger) clear(ctx context.Context, path string) []error {
	if err := l.files.RemoveAll(ctx, path); err != nil {
		return []error{fault.Op("clear what a kill left", err)}
	}
	return nil
}

func (l *Ledger) readOutcome(ctx context.Context, path string) (Outcome, error) {
	data, err := l.files.ReadFile(ctx, path, 0)
	if err != nil {
		return Outcome{}, fault.Op("read the outcome of a job", err)
	}
	var o Outcome
	if err := json.Unmarshal(data, &o); err != nil {
		return Outcome{}, fault.Wrap(fault.Internal, "read "+path, err)
	}
	if l.outcomePath(o.JobID) != path || o.Status == "" {
		return Outcome{}, fault.Wrap(fault.Internal, "read "+path, fmt.Errorf("it is not the outcome of job %q", o.JobID))
	}
	return o, nil
}

// cutShort is how the temporary file of an outcome looks (see host.Files.WriteFile).
var cutShort = regexp.MustCompile(`^\..+\.json[0-9]+$`)

// plainID is how job ids look (UUIDs); others are hashed, for they come from outside.
var plainID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func (l *Ledger) outcomePath(jobID string) string {
	name := jobID
	if !plainID.MatchString(jobID) {
		sum := sha256.Sum256([]byte(jobID))
		name = "sha256-" + hex.EncodeToString(sum[:])
	}
	return filepath.Join(l.outcomesDir(), name+outcomeEnd)
}
