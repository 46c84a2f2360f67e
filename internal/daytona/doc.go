// Package daytona is the client of Daytona's API as a runner uses it: the queue of jobs, the
// healthcheck, its own row, the sandboxes that the API thinks it has, and reports of their state.
//
// Words: the base is the API's URL, with "/api" at its end; a job is claimed by the poll that
// delivers it and settled by the first final report that the API takes. The shapes are in package
// daytona/wire.
//
// Errors say what the caller can do. Unauthorized: the token is not, or no longer, that of a runner.
// Invalid, Forbidden, NotFound, Conflict: final, as the API said. Unavailable: the API cannot be
// reached, is overloaded, or answers what cannot be read; the call may have arrived. Timeout and
// Cancelled: the context ended. Calls that change nothing, or nothing twice, are tried again a few
// times by themselves, with jitter; a poll never is, because one whose answer was lost has claimed
// jobs that only a list shows.
//
// The package refuses to keep state and to start goroutines. Checked against v0.190.0 (a contract
// double, recorded from the real API).
//
//	c, err := daytona.New(daytona.Options{URL: "http://localhost:3000", Token: token})
//	jobs, err := c.Poll(ctx, 30*time.Second, 10)
//	err = c.Report(ctx, jobs[0].ID, wire.JobStatusDTO{Status: wire.StatusCompleted})
package daytona
