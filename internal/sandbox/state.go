package sandbox

import (
	"slices"
	"time"
)

// State is what a sandbox is, in Daytona's words (the runner API's SandboxState).
type State string

// The states. Restoring and PullingSnapshot are entered by creates from a snapshot.
const (
	Unknown         State = "unknown" // nothing has been probed yet, or no layer could say
	Creating        State = "creating"
	Restoring       State = "restoring"
	PullingSnapshot State = "pulling_snapshot"
	Starting        State = "starting"
	Started         State = "started"
	Stopping        State = "stopping"
	Stopped         State = "stopped"
	Resizing        State = "resizing"
	Destroying      State = "destroying"
	Destroyed       State = "destroyed"
	Error           State = "error"
)

// next lists the lawful successors of each state. From Unknown everything can turn out to be
// true, and everything but Destroyed may turn out to be wrong, destroyed or not to be known.
var next = map[State][]State{
	Unknown:         {Creating, Restoring, PullingSnapshot, Starting, Started, Stopping, Stopped, Resizing, Destroying, Error},
	Creating:        {Restoring, PullingSnapshot, Starting, Started, Stopped, Destroying, Destroyed, Error, Unknown}, // refused: gone at once
	Restoring:       {Creating, Starting, Started, Stopped, Destroying, Error, Unknown},
	PullingSnapshot: {Creating, Restoring, Destroying, Error, Unknown},
	Starting:        {Started, Stopping, Stopped, Destroying, Error, Unknown},
	Started:         {Starting, Stopping, Stopped, Resizing, Destroying, Error, Unknown},
	Stopping:        {Started, Stopped, Destroying, Error, Unknown},
	Stopped:         {Creating, Starting, Started, Resizing, Destroying, Error, Unknown},
	Resizing:        {Started, Stopped, Destroying, Error, Unknown},
	Destroying:      {Destroyed, Error, Unknown},
	Destroyed:       {},
	Error:           {Creating, Starting, Started, Stopping, Stopped, Destroying, Unknown},
}

// States lists every state, for tables that must be complete.
func States() []State {
	return []State{
		Unknown, Creating, Restoring, PullingSnapshot, Starting, Started, Stopping, Stopped, Resizing,
		Destroying, Destroyed, Error,
	}
}

// CanBecome reports whether a sandbox in state s may turn into to. Staying is always lawful.
func (s State) CanBecome(to State) bool { return s == to || slices.Contains(next[s], to) }

// Busy reports whether s is a state that an operation in flight will end.
func (s State) Busy() bool {
	switch s {
	case Creating, Restoring, PullingSnapshot, Starting, Stopping, Resizing, Destroying:
		return true
	case Unknown, Started, Stopped, Destroyed, Error:
		return false
	}
	return false
}

// Transition is one change of a sandbox's state.
type Transition struct {
	From   State     `json:"from"`
	To     State     `json:"to"`
	Reason string    `json:"reason"` // for people; may be empty
	At     time.Time `json:"at"`
}
