package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
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
	kept, problems, err = readAll(ctx, l, l.outcomesDir(), func(o Outcome, path string) error {
		if l.outcomePath(o.JobID) != path || o.Status == "" {
			return fmt.Errorf("it is not the outcome of job %q", o.JobID)
		}
		return nil
	})
	slices.SortFunc(kept, func(a, b Outcome) int { return a.At.Compare(b.At) })
	return kept, problems, fault.Op("list the outcomes of jobs", err)
}

// plainID is how job ids look (UUIDs); others are hashed, for they come from outside.
var plainID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func (l *Ledger) outcomePath(jobID string) string {
	name := jobID
	if !plainID.MatchString(jobID) {
		sum := sha256.Sum256([]byte(jobID))
		name = "sha256-" + hex.EncodeToString(sum[:])
	}
	return filepath.Join(l.outcomesDir(), name+noteEnd)
}
