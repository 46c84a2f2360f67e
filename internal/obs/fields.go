package obs

// Field names of the log. Messages are constant text; whatever varies is a field under one of
// these names. zap.Error writes under "error".
const (
	SandboxID = "sandbox_id" // the sandbox's id
	Instance  = "instance"   // the device's number on its host
	Actor     = "actor"      // path in the actor tree
	Op        = "op"         // what is being done: "create", "start", …
	OpID      = "op_id"      // which run of it
	JobID     = "job_id"     // Daytona's job
	JobType   = "job_type"   // and its type
	Subject   = "subject"    // what that job is about
	RequestID = "request_id" // one request at a door
	ErrorID   = "error_id"   // what the client was told to quote
	TraceID   = "trace_id"   // the trace that the line belongs to
	From      = "from"       // state before
	To        = "to"         // state after
	State     = "state"      // state now
	Took      = "took"       // duration
	Attempt   = "attempt"    // from 1
	Kind      = "kind"       // kind of an error
	Serial    = "serial"     // ADB serial
	Snapshot  = "snapshot"   // name of a snapshot or base image
	Cmd       = "cmd"        // command of the host, without secrets
	ExitCode  = "exit_code"  // its exit status
	Stderr    = "stderr"     // the end of what it wrote there
	Layer     = "layer"      // health layer that decided
	Reason    = "reason"     // why, for people
	PID       = "pid"        // process of the host
	Path      = "path"       // file of the host
	Address   = "address"    // what is listened on or dialled
)
