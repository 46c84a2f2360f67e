package messages

import (
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// InspectSnapshot asks what image a reference of a registry stands for on this host. Sent by doors;
// answered with sandbox.Image, which may take as long as reading the image once. NotFound when this
// host has none for it.
type InspectSnapshot struct{ Name string }

// PullSnapshot makes Source known as Ref, so that sandboxes can be created from it. Sent by doors;
// answered with sandbox.Image, named Ref, when that is so. Asked again while it is under way it waits
// for the same; Conflict when another source is being pulled to the same name.
type PullSnapshot struct{ Source, Ref string }

// BeginPullSnapshot is PullSnapshot for who does not wait: answered with Done at once. How it ended
// is told by GetSnapshot.
type BeginPullSnapshot struct{ Source, Ref string }

// RemoveSnapshot forgets a name. Sent by doors; answered with Done, also for an unknown one. The
// files of a base image are the operator's, and stay. Conflict while it is being pulled.
type RemoveSnapshot struct{ Name string }

// GetSnapshot asks for a snapshot that sandboxes can be created from. Answered with [SnapshotInfo];
// NotFound for an unknown one of which no pull failed lately.
type GetSnapshot struct{ Name string }

// SnapshotInfo answers GetSnapshot.
type SnapshotInfo struct {
	Image    sandbox.Image
	Failure  string    // why the last pull failed; Image is empty then
	FailedAt time.Time // zero without Failure
}

// HasSnapshot asks whether sandboxes can be created from the name, without reading the image.
// Answered with [SnapshotPresence].
type HasSnapshot struct{ Name string }

// SnapshotPresence answers HasSnapshot.
type SnapshotPresence struct{ Exists bool }

// CountSnapshots asks how many names there are to create sandboxes from. Answered with
// [SnapshotCount].
type CountSnapshots struct{}

// SnapshotCount answers CountSnapshots.
type SnapshotCount struct{ Count int }
