package ledger

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// linksName holds the links to a sandbox's display that were handed out; it goes with the sandbox.
	linksName = "display-links.json"
	// maxLinks bounds what is read of it.
	maxLinks = 1 << 20
)

// DisplayLink is a link to the display of one sandbox, for a person without the runner's token.
type DisplayLink struct {
	ID      string    `json:"id"`
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// DisplayLinks returns the links of a sandbox that were not revoked; none for an unknown one. A file that cannot be
// read is no links, and told as an error.
func (l *Ledger) DisplayLinks(ctx context.Context, id sandbox.ID) ([]DisplayLink, error) {
	op := "read the display links of " + string(id)
	text, err := l.files.ReadFile(ctx, l.linksPath(id), maxLinks)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Op(op, err)
	}
	var links []DisplayLink
	if err := json.Unmarshal(text, &links); err != nil {
		return nil, fault.Wrap(fault.Internal, op, err)
	}
	return links, nil
}

// SaveDisplayLinks replaces the links of a sandbox, durably. NotFound when there is no record of it.
func (l *Ledger) SaveDisplayLinks(ctx context.Context, id sandbox.ID, links []DisplayLink) error {
	op := "keep the display links of " + string(id)
	if _, err := l.Record(ctx, id); fault.Is(err, fault.NotFound) {
		return fault.NotFoundf("sandbox %s does not exist on this runner", id)
	} else if err != nil {
		return fault.Op(op, err)
	}
	text, err := json.Marshal(links)
	if err != nil {
		return fault.Wrap(fault.Internal, op, err)
	}
	return fault.Op(op, l.files.WriteFile(ctx, l.linksPath(id), append(text, '\n'), filePerm))
}

// WithDisplayLinks lists the sandboxes that have a file of links.
func (l *Ledger) WithDisplayLinks(ctx context.Context) ([]sandbox.ID, error) {
	entries, err := l.files.ReadDir(ctx, l.dir)
	if err != nil {
		return nil, fault.Op("list the sandboxes with display links", err)
	}
	var ids []sandbox.ID
	for _, e := range entries {
		id, err := sandbox.ParseID(e.Name)
		if err != nil {
			continue
		}
		if _, err := l.files.Stat(ctx, l.linksPath(id)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (l *Ledger) linksPath(id sandbox.ID) string { return filepath.Join(l.recordDir(id), linksName) }
