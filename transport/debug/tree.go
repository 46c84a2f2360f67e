package debug

import (
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// node is one actor as JSON. Its children are those it supervises.
type node struct {
	Path         string               `json:"path"`
	Kind         string               `json:"kind"`
	State        string               `json:"state"`
	Since        *time.Time           `json:"since"`
	Operation    string               `json:"operation"`
	OperationAge *float64             `json:"operationAge"` // seconds; null when idle
	MailboxDepth int                  `json:"mailboxDepth"`
	Restarts     int                  `json:"restarts"`
	LastError    string               `json:"lastError"`
	Facts        map[string]string    `json:"facts"`
	Evidence     []evidence           `json:"evidence,omitempty"`
	Transitions  []sandbox.Transition `json:"transitions,omitempty"`
	Children     []node               `json:"children"`
}

// evidence is what a layer below a sandbox said at the last look.
type evidence struct {
	Layer string    `json:"layer"`
	Fact  string    `json:"fact"`
	At    time.Time `json:"at"`
	Age   float64   `json:"age"` // seconds
}

func nodeOf(n messages.Node, now time.Time) node {
	out := node{
		Path: n.Path, Kind: n.Kind, State: n.State, Operation: n.Operation, MailboxDepth: n.Mailbox,
		Restarts: n.Restarts, LastError: n.LastError, Facts: n.Facts, Children: make([]node, 0, len(n.Children)),
	}
	if !n.Since.IsZero() {
		since := n.Since.UTC()
		out.Since = &since
	}
	if !n.OpSince.IsZero() {
		age := now.Sub(n.OpSince).Round(time.Millisecond).Seconds()
		out.OperationAge = &age
	}
	if out.Facts == nil {
		out.Facts = map[string]string{}
	}
	for _, e := range n.Evidence {
		out.Evidence = append(out.Evidence, evidence{e.Layer, e.Fact, e.At.UTC(), now.Sub(e.At).Round(time.Millisecond).Seconds()})
	}
	for _, t := range n.Transitions {
		t.At = t.At.UTC()
		out.Transitions = append(out.Transitions, t)
	}
	for _, child := range n.Children {
		out.Children = append(out.Children, nodeOf(child, now))
	}
	return out
}
