package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Report is what Daytona is still to be told of one sandbox.
type Report struct {
	ID          sandbox.ID    `json:"id"`
	State       sandbox.State `json:"state"`
	Reason      string        `json:"reason"`
	Recoverable bool          `json:"recoverable"`
	At          time.Time     `json:"at"`
}

// SaveReport keeps a report, durably, in place of an earlier one of the same sandbox.
func (l *Ledger) SaveReport(ctx context.Context, r Report) error {
	op := "keep the report about sandbox " + string(r.ID)
	if _, err := sandbox.ParseID(string(r.ID)); err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	if err := l.files.MkdirAll(ctx, l.reportsDir(), dirPerm); err != nil {
		return fault.Op(op, err)
	}
	return fault.Op(op, l.files.WriteFile(ctx, l.reportPath(r.ID), append(data, '\n'), filePerm))
}

// DropReport forgets the report about a sandbox. A missing one is success.
func (l *Ledger) DropReport(ctx context.Context, id sandbox.ID) error {
	op := "forget the report about sandbox " + string(id)
	if _, err := sandbox.ParseID(string(id)); err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	return fault.Op(op, l.files.RemoveAll(ctx, l.reportPath(id)))
}

// Reports lists what is kept, oldest first. Files that cannot be read are moved aside and told as
// problems; an error means that the host did not answer.
func (l *Ledger) Reports(ctx context.Context) (kept []Report, problems []error, err error) {
	kept, problems, err = readAll(ctx, l, l.reportsDir(), func(r Report, path string) error {
		if _, err := sandbox.ParseID(string(r.ID)); err != nil || l.reportPath(r.ID) != path || r.State == "" {
			return fmt.Errorf("it is not the report about sandbox %q", r.ID)
		}
		return nil
	})
	slices.SortFunc(kept, func(a, b Report) int { return a.At.Compare(b.At) })
	return kept, problems, fault.Op("list the reports about sandboxes", err)
}
