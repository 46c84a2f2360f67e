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

// TakeSnapshot saves the data of a sandbox, running or stopped, as the snapshot Name, "org/name". Sent by doors;
// answered with sandbox.Image when it is on disk, and in the bucket where the runner has one. Conflict when the name is
// taken; the sandbox stays what it is, also on failure. One that could not be sent is kept, and sent again later; taken
// once more, it is replaced.
type TakeSnapshot struct {
	ID   sandbox.ID
	Name string
	Halt bool // stop a running sandbox for it, and start it again: the surest copy, for minutes of its time
}

// BackUpSandbox saves the data of a sandbox in the bucket under a reference of a registry, from which a sandbox can be
// created on any runner that has the bucket. Sent by doors; answered with Done when it is there, which may take long.
// Unsupported without a bucket; NotFound for an unknown sandbox. sandbox.Info tells how far it is. Repeating it is
// success.
type BackUpSandbox struct {
	ID  sandbox.ID
	Ref string
}

// BeginBackUp is BackUpSandbox for who does not wait: answered with Done at once.
type BeginBackUp struct {
	ID  sandbox.ID
	Ref string
}

// RemoveSnapshot forgets a name. Sent by doors; answered with Done, also for an unknown one. The
// files of a base image are the operator's, and stay. What is in the bucket stays as well, where other runners need it,
// unless Everywhere is asked for. Conflict while something is done with it.
type RemoveSnapshot struct {
	Name       string
	Everywhere bool
}

// GetSnapshotProgress asks how far the work on a name is, or how the last one ended. Sent by doors; answered with
// [SnapshotProgress]; NotFound where nothing was done with it lately.
type GetSnapshotProgress struct{ Name string }

// SnapshotProgress answers GetSnapshotProgress.
type SnapshotProgress struct {
	Name    string
	Work    string // "take", "send", "fetch", "back up", "link"
	Source  string // what of
	Since   time.Time
	Ended   time.Time // zero while it is under way
	Failure string    // why it failed
	sandbox.Progress
	Rate int64         // bytes per second of Done, in the present step's kind; 0: not known
	Left time.Duration // 0: not known
}

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
