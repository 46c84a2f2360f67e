package actors

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const (
	wordsLimit  = 3 * time.Second  // of reading a device's logs
	standLimit  = 2 * time.Second  // of asking whether a report is still true
	tryLimit    = 45 * time.Second // of telling the API, with the client's own few tries
	reasonLimit = 1000             // bytes of a reason, last words included
	shownCases  = 50               // in the tree
)

// load reads what an earlier runner did not get rid of, once the whole tree is there.
func (c *Crashes) load() {
	c.world.workers.Go(func() {
		select {
		case <-c.world.populated:
		case <-c.life.Done():
			return
		}
		var result reportsLoaded
		result.err = kernel.Guarded(c.log, func() error {
			ctx, cancel := context.WithTimeout(c.life, saveLimit)
			defer cancel()
			kept, problems, err := c.world.Daytona.Reports.Reports(ctx)
			for _, problem := range problems {
				c.log.Warn("a report could not be read", zap.Error(problem))
			}
			result.kept = kept
			return err
		})
		c.self.Tell(result)
	})
}

// gather completes the reason with what the device's logs say last, and writes the report down.
func (c *Crashes) gather(k *crashCase) {
	k.stage = gathering
	c.world.metrics.crashes.open.Set(float64(len(c.cases)))
	report, keep, dead := k.StateReport, !k.found, k.State != sandbox.Started && k.Reason != ""
	c.world.workers.Go(func() {
		var words []string
		if dead {
			words = c.lastWords(report.ID)
		}
		report.Reason = sentence(report.Reason, words)
		if keep {
			err := kernel.Guarded(c.log, func() error {
				ctx, cancel := context.WithTimeout(c.life, saveLimit)
				defer cancel()
				return c.world.Daytona.Reports.SaveReport(ctx, report)
			})
			if err != nil { // it is sent all the same; after a kill the comparison finds it
				c.log.Error("report not kept on disk", zap.String(obs.SandboxID, string(report.ID)), zap.Error(err))
			}
		}
		c.self.Tell(caseGathered{k, report})
	})
}

func (c *Crashes) lastWords(id sandbox.ID) (words []string) {
	device := c.world.directory.device(id)
	if device == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.life, wordsLimit)
	defer cancel()
	if err := kernel.Guarded(c.log, func() error {
		if device.Facts().Intent != sandbox.IntentStopped { // else it did as it was told
			words = device.LastWords(ctx)
		}
		return nil
	}); err != nil {
		return nil // it is logged, and costs nothing but the words
	}
	return words
}

// sentence joins a reason with last words, within bounds. The reason comes first: it is what remains
// of a text that is cut.
func sentence(reason string, words []string) string {
	all := reason
	if len(words) > 0 {
		all += "; last words: " + strings.Join(words, " | ")
	}
	if len(all) > reasonLimit {
		all = strings.ToValidUTF8(all[:reasonLimit], "") + "…"
	}
	return all
}

// standing is whether a report still stands.
type standing int

const (
	notNow    standing = iota // what is true will be known later
	stillTrue                 // and Daytona should know
	over                      // it is no longer true
)

// send tells the API, unless the report is no longer true.
func (c *Crashes) send(k *crashCase) {
	k.stage = sending
	c.sending++
	report, lost := k.StateReport, k.lost
	c.world.workers.Go(func() {
		result := caseTried{of: k}
		result.err = kernel.Guarded(c.log, func() (err error) {
			if result.stand, result.why = c.stands(report, lost); result.stand != stillTrue {
				return nil
			}
			ctx, cancel := context.WithTimeout(c.life, tryLimit)
			defer cancel()
			result.taken, err = c.world.Daytona.States.Report(ctx, report)
			return err
		})
		c.self.Tell(result)
	})
}

// stands asks whether a report is still true, and nobody else is about to tell Daytona.
func (c *Crashes) stands(r messages.StateReport, lost bool) (s standing, why string) {
	ctx, cancel := context.WithTimeout(c.life, standLimit)
	defer cancel()
	ref := c.world.directory.find(r.ID)
	if ref == nil {
		return over, "the sandbox is no more"
	}
	open, err := c.openJobs(ctx)
	if err != nil {
		return notNow, err.Error()
	}
	if open[string(r.ID)] {
		return notNow, "a job of the sandbox is open"
	}
	if health, _, _, _ := ref.Vitals().Report(); lost && health == kernel.Lost {
		return stillTrue, ""
	}
	answer, err := ref.Ask(ctx, messages.GetSandbox{ID: r.ID})
	if err != nil {
		return notNow, err.Error()
	}
	info, ok := answer.(sandbox.Info)
	if !ok {
		return notNow, fmt.Sprintf("it answered %T", answer)
	}
	return compareReport(r.State, info), "the sandbox is " + string(info.State)
}

// compareReport says whether a report of that state is right about the sandbox. A stopped one with a
// reason was not stopped by anybody.
func compareReport(reported sandbox.State, info sandbox.Info) standing {
	switch {
	case info.State == sandbox.Unknown, info.State.Busy():
		return notNow
	case info.State == reported, reported == sandbox.Error && info.State == sandbox.Stopped && info.Reason != "":
		return stillTrue
	default:
		return over
	}
}

// openJobs are the subjects of jobs whose outcome the API does not have yet.
func (c *Crashes) openJobs(ctx context.Context) (map[string]bool, error) {
	if c.world.jobs == nil {
		return nil, nil
	}
	answer, err := c.world.jobs.Ask(ctx, getOpenJobs{})
	if err != nil {
		return nil, err
	}
	open, ok := answer.(openJobs)
	if !ok {
		return nil, fault.Internalf("jobs answered %T", answer)
	}
	if !open.known {
		return nil, errJobsUnknown
	}
	return open.subjects, nil
}

// errJobsUnknown passes once the list of claimed jobs was read.
var errJobsUnknown = fault.Unavailablef("which jobs are open is not known yet")

// forget takes a settled report off the disk.
func (c *Crashes) forget(k *crashCase) {
	k.stage = forgetting
	id, kept := k.ID, !k.found
	c.world.workers.Go(func() {
		if kept {
			err := kernel.Guarded(c.log, func() error {
				ctx, cancel := context.WithTimeout(c.life, saveLimit)
				defer cancel()
				return c.world.Daytona.Reports.DropReport(ctx, id)
			})
			if err != nil {
				c.log.Warn("settled report still on disk: after a restart it is looked at once more",
					zap.String(obs.SandboxID, string(id)), zap.Error(err))
			}
		}
		c.self.Tell(caseForgotten{k})
	})
}

// describe shows each report that waits, and the comparison.
func (c *Crashes) describe() messages.Node {
	node := nodeOf(c.self.Vitals())
	switch {
	case !c.loaded:
		node.State = "loading"
	case time.Now().Before(c.restUntil):
		node.State = "resting"
	case len(c.cases) > 0:
		node.State = "reporting"
	}
	node.Facts = map[string]string{"reports": strconv.Itoa(len(c.cases)), "sending": strconv.Itoa(c.sending)}
	c.sync.describe(node.Facts)
	node.LastError = cmp.Or(c.lastError, c.sync.err, node.LastError)
	for i, k := range c.inOrder() {
		if i == shownCases {
			break
		}
		node.Facts["report."+string(k.ID)] = fmt.Sprintf("%s, %s for %s: %s", k.State, k.stage,
			time.Since(k.At).Round(time.Second), k.Reason)
	}
	return node
}
