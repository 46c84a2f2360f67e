package apps

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// launched is the answer.
type launched struct {
	Package     string `json:"package"`
	Activity    string `json:"activity,omitempty"`    // as the device names it; PACKAGE/CLASS when it is another app's
	LaunchState string `json:"launchState,omitempty"` // COLD, WARM, HOT, UNKNOWN; with wait
	TotalTime   *int   `json:"totalTimeMs,omitempty"` // with wait
	Status      string `json:"status,omitempty"`      // ok, timeout; with wait
	Warning     string `json:"warning,omitempty"`     // of am
	PID         int    `json:"pid,omitempty"`         // of the process that has the package's name
}

// launch starts an app, and finds out whether it lives.
func (d *Door) launch(c *transport.Ctx) error {
	var i intent
	if err := c.Decode(&i); err != nil {
		return err
	}
	if err := i.check(); err != nil {
		return err
	}
	if _, err := i.command(""); err != nil {
		return err
	}
	window := d.Watch
	if i.Watch != nil {
		window = time.Duration(*i.Watch) * time.Millisecond
	}
	u, err := d.kit.Take(c, d.Launch+window)
	if err != nil {
		return err
	}
	defer u.End()
	activity, before, err := d.resolve(u, &i)
	if err != nil {
		return err
	}
	command, err := i.command(activity)
	if err != nil {
		return err
	}
	l := &launching{door: d, use: u, intent: &i, before: keysOf(crashesOf(before, i.Package)), window: window}
	w := d.watchCrashes(u.Context, u, i.Package, before)
	defer w.stop()
	done, err := l.run(command, w.woke)
	if err != nil {
		return err
	}
	if done.Activity == "" {
		done.Activity = activity
	}
	return c.JSON(http.StatusOK, done)
}

// resolve finds the activity to start, empty when the device is to find it, and reads the log of crashes as it is.
// NotFound, Conflict and Invalid say why there is no one activity.
func (d *Door) resolve(u *android.Use, i *intent) (activity, crashes string, err error) {
	answers, err := ask(u, pathsOf(i.Package), line("pm", "list", "packages", "-d", i.Package), crashDump, launchersOf(i.Package))
	if err != nil {
		return "", "", err
	}
	switch {
	case !answers[0].isInstalled():
		return "", "", unknown(i.Package)
	case namesOf(answers[1].text)[i.Package]:
		return "", "", fault.Conflictf("package %s is disabled: pm enable %s makes it one that can be started", i.Package, i.Package)
	}
	crashes = answers[2].text
	if i.Activity != "" || i.implicit() {
		return i.Activity, crashes, nil
	}
	switch activities := activitiesIn(answers[3].text, i.Package); len(activities) {
	case 0:
		return "", "", transport.Unprocessablef("package %s has no activity that a launcher shows: name one as activity, or an action", i.Package)
	case 1:
		return activities[0], crashes, nil
	default:
		slices.Sort(activities)
		return "", "", transport.Detailed(
			fault.Conflictf("package %s has %d activities that a launcher shows: name one as activity: %s", i.Package, len(activities), strings.Join(activities, ", ")),
			map[string]any{"activities": activities})
	}
}

// launching is one start.
type launching struct {
	door   *Door
	use    *android.Use
	intent *intent
	before map[string]bool // crashes
	window time.Duration
}

// run starts the app, and watches it for the window from then on. woke says that the log of crashes has news.
func (l *launching) run(command string, woke <-chan struct{}) (done *launched, err error) {
	ctx, cancel := context.WithCancel(l.use.Context)
	var answers []said
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		use := *l.use
		use.Context = ctx
		answers, failed = ask(&use, command)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	var over <-chan time.Time
	for started := ended; ; {
		select {
		case <-woke:
			if _, err := l.look(); err != nil {
				return nil, err
			}
		case <-started:
			if failed != nil {
				return nil, failed
			}
			if done, err = l.parse(answers[0]); err != nil {
				return nil, err
			}
			started = nil
			over = time.After(l.window)
		case <-over:
			done.PID, err = l.look()
			return done, err
		case <-l.use.Context.Done():
			return nil, context.Cause(l.use.Context)
		}
	}
}

// look asks whether the app lives. The error is 422 when it has crashed.
func (l *launching) look() (pid int, err error) {
	pkg := l.intent.Package
	answers, err := ask(l.use, crashDump, line("pidof", pkg))
	if err != nil {
		return 0, err
	}
	if c := newCrash(l.before, answers[0].text, pkg); c != nil {
		return 0, transport.Detailed(transport.Unprocessablef("%s was started and crashed: %s", pkg, c.exception),
			map[string]any{"package": pkg, "pid": c.pid, "crash": c.exception, "log": c.lines})
	}
	first, _, _ := strings.Cut(answers[1].text, " ")
	pid, _ = strconv.Atoi(first)
	return pid, nil
}

// parse reads what am says.
func (l *launching) parse(s said) (*launched, error) {
	pkg := l.intent.Package
	switch {
	case strings.Contains(s.text, "does not exist"), strings.Contains(s.text, "Error type 3"):
		return nil, fault.NotFoundf("package %s has no activity %s", pkg, l.intent.Activity)
	case strings.Contains(s.text, "unable to resolve Intent"):
		return nil, transport.Unprocessablef("nothing in package %s takes this action, URL, category and type together", pkg)
	case strings.Contains(s.text, "Permission Denial"):
		return nil, transport.Unprocessablef("the activity is not for others to start (it is not exported, or wants a permission): %s", complaint(s.text))
	case s.complains(), strings.Contains(s.text, "Exception:"):
		return nil, refused("start "+pkg, s.text)
	}
	done := &launched{Package: pkg}
	for row := range strings.Lines(s.text) {
		key, value, _ := strings.Cut(strings.TrimSpace(row), ": ")
		switch key {
		case "Status":
			done.Status = value
		case "LaunchState":
			done.LaunchState, _, _ = strings.Cut(value, " ")
		case "TotalTime":
			if n, err := strconv.Atoi(value); err == nil {
				done.TotalTime = &n
			}
		case "Activity":
			done.Activity = value
			if of, activity, err := name.Component(value); err == nil && of == pkg {
				done.Activity = activity
			}
		case "Warning":
			done.Warning = value
		}
	}
	return done, nil
}
