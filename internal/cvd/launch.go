package cvd

import (
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	maxLaunchOutput = 1 << 20 // bytes read of what a launch printed
	logTailLines    = 20      // lines of it, or of the launcher's log, kept in an error
	explainLines    = 400     // lines of the launcher's log searched for a cause
)

// LaunchFiles returns where a launch's output goes below a sandbox's log directory.
func LaunchFiles(logs string) (stdout, stderr string) {
	return path.Join(logs, "cvd-launch.out"), path.Join(logs, "cvd-launch.err")
}

// Launch starts "cvd create" or "cvd start" with args from CreateArgs or StartArgs, in a session of
// its own and with its output in files, and returns at once. The process outlives the runner; the
// boot may take minutes. Output of an earlier launch is kept beside it with the suffix ".1".
//
// Never signal the process unless the launch is to be given up: cvd then writes Cancelled into its
// database and leaves the VM in whatever state it is.
func (c *Client) Launch(
	ctx context.Context, args []string, stdoutPath, stderrPath string,
) (host.ProcessID, error) {
	ctx, cancel := context.WithTimeout(ctx, launchLimit)
	defer cancel()
	cmd := host.Command{Args: append([]string{c.path}, args...)}
	for _, file := range []string{stdoutPath, stderrPath} {
		if err := c.setAside(ctx, file); err != nil {
			return host.ProcessID{}, fault.Op("launch device", err)
		}
	}
	id, err := c.h.Launch(ctx, cmd, stdoutPath, stderrPath)
	c.changes.Add(1)
	return id, fault.Op("launch device: "+cmd.String(), err)
}

// setAside makes room for a new output file: an old one would be appended to, and its text would be
// taken for the new launch's.
func (c *Client) setAside(ctx context.Context, file string) error {
	if err := c.h.MkdirAll(ctx, path.Dir(file), 0o755); err != nil {
		return err
	}
	if err := c.h.Rename(ctx, file, file+".1"); err != nil && !missing(err) {
		return err
	}
	return nil
}

// LaunchError says why a launch failed. It is found with errors.As in what LaunchOutcome and Explain
// return; a taken number is also found as *sandbox.NumberTaken.
type LaunchError struct {
	Class     Class
	Kind      fault.Kind
	Transient bool     // one more try makes sense once the leftovers are cleaned
	Code      int      // exit status, or host.ExitUnknown
	Reason    string   // what it means and the line that says so
	Hint      string   // what to do about it, for people; may be empty
	LogTail   []string // the last lines that cvd or, after Explain, the launcher wrote

	cause error
}

// Error gives the reason and the hint.
func (e *LaunchError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Hint
}

// Unwrap returns the typed cause, if there is one.
func (e *LaunchError) Unwrap() error { return e.cause }

// IsTransient reports whether err is a failed launch that may succeed when it is repeated after the
// leftovers of the failed one were cleaned away.
func IsTransient(err error) bool {
	var e *LaunchError
	return errors.As(err, &e) && e.Transient
}

// SuspectsKVM reports whether err is a failed launch for which the host's KVM may be to blame, and
// says why. It is a suspicion: cvd has one text for several requirements, and KVM is one of them
// (host check of cvd: kernel 4.8, the groups cvdnetwork and kvm or access to /dev/kvm).
func SuspectsKVM(err error) (reason string, suspected bool) {
	var e *LaunchError
	if !errors.As(err, &e) || e.Class != NoKVM && e.Class != HostUnfit {
		return "", false
	}
	return e.Reason, true
}

// LaunchOutcome reads what a finished launch printed. The code is that of host.Await; with
// host.ExitUnknown (the launch of an earlier runner) the output alone decides.
//
// A launch that failed and printed its group all the same is an error with that group beside it. So
// is success without a group: an exit status of 0 alone proves nothing.
func (c *Client) LaunchOutcome(ctx context.Context, code int, stdoutPath, stderrPath string) (Group, error) {
	c.changes.Add(1)
	const op = "read the outcome of the launch"
	stdout, err := c.readOutput(ctx, stdoutPath)
	if err != nil {
		return Group{}, fault.Op(op, err)
	}
	stderr, err := c.readOutput(ctx, stderrPath)
	if err != nil {
		return Group{}, fault.Op(op, err)
	}
	group, parseErr := parseGroup(stdout)
	if parseErr == nil && (code == 0 || code == host.ExitUnknown) {
		return group, nil
	}
	return group, launchFailure(code, stderr)
}

func (c *Client) readOutput(ctx context.Context, file string) ([]byte, error) {
	b, err := c.h.ReadFile(ctx, file, maxLaunchOutput)
	if missing(err) {
		return nil, nil
	}
	return b, err
}

func launchFailure(code int, stderr []byte) error {
	class, line := classify(string(stderr))
	switch byCode := classOfCode(code); {
	case byCode != "" && class != DiskFull:
		class = byCode
	case class == Unexplained && (code == 0 || code == host.ExitUnknown):
		class = NothingPrinted
	}
	return newLaunchError(code, class, line, cleanLines(stderr, logTailLines))
}

// classOfCode knows the codes that say more than any text: cvd aborts once it has handled a signal.
func classOfCode(code int) Class {
	switch code {
	case 128 + 6, 128 + 1, 128 + 2, 128 + 15:
		return Interrupted
	case 128 + 9:
		return Killed
	}
	return ""
}

func newLaunchError(code int, class Class, line string, tail []string) error {
	r := rules[class]
	e := &LaunchError{
		Class: class, Kind: r.kind, Transient: r.transient, Code: code,
		Reason: sentence(r.means, line), Hint: r.hint, LogTail: tail,
	}
	switch class {
	case NumberInUse:
		if m := conflictText.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[2]) // digits only; an absurd number stays 0
			e.cause = &sandbox.NumberTaken{Instance: sandbox.Instance(n), By: "cvd group " + m[1]}
		}
	case UnknownFlag:
		if m := flagText.FindStringSubmatch(line); m != nil {
			e.Reason = sentence(r.means+": "+m[1], line)
		}
	default: // the rule says it all
	}
	return &fault.Error{Kind: e.Kind, Op: "launch", Err: e}
}

// Explain looks for the cause of a failed launch where cvd's own output only names the effect: in the
// launcher's log below instanceDir ("" when unknown) and among the host's network interfaces. It
// returns err itself when it finds nothing better, and never hides it.
func (c *Client) Explain(ctx context.Context, err error, n sandbox.Instance, instanceDir string) error {
	var e *LaunchError
	if !errors.As(err, &e) {
		return err
	}
	better := *e
	if instanceDir != "" {
		if tail := LauncherLogTail(ctx, c.h, instanceDir, explainLines); len(tail) > 0 {
			better.LogTail = tail[max(0, len(tail)-logTailLines):]
			if class, line := classify(strings.Join(tail, "\n")); explains(class, e.Class) {
				r := rules[class]
				better.Class, better.Kind, better.Transient = class, r.kind, r.transient
				better.Reason, better.Hint = sentence(r.means, line), r.hint
			}
		}
	}
	if better.Class == NoTap {
		c.explainTap(ctx, &better, n)
	}
	return &fault.Error{Kind: better.Kind, Op: "launch " + n.String(), Err: &better}
}

// explains reports whether the launcher's log names the cause of an effect that cvd reported.
func explains(cause, effect Class) bool {
	switch effect {
	case Unexplained, NothingPrinted, LauncherDied, BootFailed:
	default:
		return false
	}
	return cause != Unexplained && cause != LauncherDied && cause != effect
}

// explainTap tells a tap that is not there, which no retry cures, from one that is held.
func (c *Client) explainTap(ctx context.Context, e *LaunchError, n sandbox.Instance) {
	for _, tap := range n.Taps()[:2] { // the Wi-Fi tap has two names; the others tell enough
		_, err := c.h.Stat(ctx, "/sys/class/net/"+tap)
		if missing(err) {
			e.Transient, e.Hint = false, tapHint(tap)
			return
		}
	}
	e.Transient = true
	e.Hint = "the taps of " + n.String() + " exist, so another VM holds one: end leftover processes of this number"
}

// FindLaunch finds the cvd process of a process table that is creating or starting the group. Of
// several, which are forks of one another, it returns the first that started.
func FindLaunch(procs []host.Process, group string) (host.ProcessID, bool) {
	var found host.ProcessID
	for _, p := range procs {
		if p.Zombie || p.Exe != "cvd" || !launches(p.Args, group) {
			continue
		}
		if found.IsZero() || p.Start < found.Start || p.Start == found.Start && p.PID < found.PID {
			found = p.ProcessID
		}
	}
	return found, !found.IsZero()
}

// FindStop reports whether a cvd of the process table is ending the group: it was told to stop or remove it, or
// all groups, or does not say which.
func FindStop(procs []host.Process, group string) bool {
	return slices.ContainsFunc(procs, func(p host.Process) bool {
		if p.Zombie || p.Exe != "cvd" {
			return false
		}
		selected, verb := command(p.Args)
		switch verb {
		case "stop", "rm", "remove":
			return selected == "" || selected == group
		case "reset", "clear":
			return true
		}
		return false
	})
}

// launches reports whether args are those of a cvd that launches the group.
func launches(args []string, group string) bool {
	selected, verb := command(args)
	return selected == group && (verb == "create" || verb == "start")
}

// command reads which group args select, and the subcommand. Only the flags before it select one.
func command(args []string) (group, verb string) {
	for i := 1; i < len(args); i++ {
		flag, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag {
			return group, args[i]
		}
		name, value, joined := strings.Cut(strings.TrimPrefix(flag, "-"), "=")
		if !joined && (name == "group_name" || name == "instance_name" || name == "verbosity") && i+1 < len(args) {
			i++
			value = args[i]
		}
		if name == "group_name" {
			group = value
		}
	}
	return group, ""
}
