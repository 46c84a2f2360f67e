package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// transitionsName holds what a sandbox went through, one transition a line; it goes with the sandbox.
	transitionsName = "transitions.jsonl"
	// maxTransitions bounds what is read of it.
	maxTransitions = 1 << 20
)

// Transitions returns what a sandbox went through, oldest first; none for an unknown one. Lines that cannot be
// read are left out: nobody acts on these.
func (l *Ledger) Transitions(ctx context.Context, id sandbox.ID) ([]sandbox.Transition, error) {
	text, err := l.files.ReadFile(ctx, l.transitionsPath(id), maxTransitions)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Op("read the transitions of "+string(id), err)
	}
	var all []sandbox.Transition
	for line := range bytes.Lines(text) {
		var t sandbox.Transition
		if json.Unmarshal(line, &t) == nil && t.To != "" {
			all = append(all, t)
		}
	}
	return all, nil
}

// SaveTransitions replaces what a sandbox went through, durably. NotFound when there is no record of it.
func (l *Ledger) SaveTransitions(ctx context.Context, id sandbox.ID, all []sandbox.Transition) error {
	op := "keep the transitions of " + string(id)
	if _, err := l.files.Stat(ctx, l.recordPath(id)); err != nil {
		return fault.Op(op, err)
	}
	var text bytes.Buffer
	for _, t := range all {
		line, err := json.Marshal(t)
		if err != nil {
			return fault.Wrap(fault.Internal, op, err)
		}
		text.Write(append(line, '\n'))
	}
	return fault.Op(op, l.files.WriteFile(ctx, l.transitionsPath(id), text.Bytes(), filePerm))
}

func (l *Ledger) transitionsPath(id sandbox.ID) string {
	return filepath.Join(l.recordDir(id), transitionsName)
}
