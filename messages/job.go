package messages

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Job is one piece of work from Daytona's queue, translated: one command to an actor. The jobs door
// makes it, the poller carries it out.
type Job struct {
	ID      string
	Type    string // Daytona's word: "CREATE_SANDBOX"
	Subject string // what it is about; jobs of one subject are done strictly in order,
	Aside   bool   // but for those that are done beside the others, in an order of their own
	About   string // what that is: "SANDBOX", "SNAPSHOT"

	Command any   // the message that does it; nil with a Refusal
	Refusal error // why it cannot be done, whatever the state

	Limit time.Duration     // how long it may take
	Boots bool              // it boots a device: slow, and never tried again by itself
	Trace trace.SpanContext // of who ordered it; invalid: none
}

// Outcome is how a job ended, in Daytona's words: what is reported, and kept on disk until the API
// has taken it.
type Outcome struct {
	JobID   string
	Type    string
	Subject string
	Status  string // "COMPLETED" or "FAILED"
	Error   string // for people; empty when completed
	Result  string // JSON; may be empty
	Trace   string // traceparent of what was done; may be empty
	At      time.Time
}
