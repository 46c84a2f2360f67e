// Package fault says what went wrong by what the caller should do next.
//
// Every error that crosses a package boundary of the runner has a [Kind]. The package that
// has the knowledge gives it (internal/cvd knows that an exit with "not found" text is
// [NotFound]); each door maps kinds to its own answers once; nobody in between matches
// text. An error without a kind is [Internal], which is a defect to be found.
//
// The package refuses to know doors: no HTTP status and no job outcome lives here.
//
//	return fault.Conflictf("sandbox %s is %s: stop it first", id, state)
//	return fault.Wrap(fault.Unavailable, "connect to adb", err)
package fault
