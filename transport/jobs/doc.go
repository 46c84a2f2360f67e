// Package jobs is the door that Daytona's queue comes through (v2 runners): it turns the payload of
// each type of job into one message to the actors, and the answer into a report.
//
// Words: a job's subject is what it is about (a sandbox, a snapshot's name); jobs of one subject are
// done in order. An outcome is what will be reported. Carrying jobs out, again and in order, is the
// poller's part, an actor; it knows this door as its queue.
//
// Payloads of both generations are read (daytona/wire). What this runner cannot do is refused with a
// reason, so that the API gets an answer at once instead of a job that goes stale.
//
//	door := jobs.New(client, jobs.Options{Token: token, Log: log})
//	jobs, err := door.Poll(ctx, 30*time.Second, 10)
//	outcome := door.Outcome(jobs[0], answer, err)
package jobs
