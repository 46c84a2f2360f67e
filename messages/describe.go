package messages

import (
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Describe asks an actor what it is doing. Sent by the debug door to the root; every actor
// answers at once with [Node]. The root adds its children; one that does not answer within a
// second is shown as busy, not left out.
type Describe struct{}

// Node is one actor of the tree.
type Node struct {
	Path      string    // "root/sb-dev1"
	Kind      string    // "root", "allocator", "sandbox"
	State     string    // the sandbox's state, or "running", "busy", "restarting", "lost"
	Since     time.Time // when State began
	Operation string    // what is in flight; empty when idle
	OpSince   time.Time // when the operation began; zero when idle
	Mailbox   int       // messages waiting
	Restarts  int       // since the actor was spawned
	LastError string
	Facts     map[string]string // pid, serial, ports, next health tick, ...
	Children  []Node

	// Of a sandbox: what the layers below said at the last look, and its last transitions, oldest first. Shared:
	// never modify them.
	Evidence    []sandbox.Evidence
	Transitions []sandbox.Transition
}
