package messages

import (
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// StateReport says what a sandbox is that Daytona takes for something else: it died, or it was started
// or stopped behind Daytona's back. The crash reporter makes it; the states door puts it into
// Daytona's words. It is kept on disk until it is settled.
type StateReport struct {
	ID          sandbox.ID
	State       sandbox.State // started, stopped or error; never unknown
	Reason      string        // for people; may be empty unless the state is error
	Recoverable bool          // a restart may cure it
	At          time.Time     // when it became so
}
