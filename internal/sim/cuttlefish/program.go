package cuttlefish

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// VCS is the commit that the simulated cvd says it was built from.
const VCS = "8ade700d5c0a0000000000000000000000000000"

// exitFailure is cvd's exit status for every failure.
const exitFailure = 255

// cli is one run of cvd.
type cli struct {
	root   *simroot.Root
	db     *instancedb.DB
	locks  *instancedb.Locks
	out    io.Writer
	err    io.Writer
	faults inject.Faults
}

// Program is cvd.
func Program(c simroot.Call) int {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(c.Err, "version: %s | VCS: %s\n", c.Root.CVD, VCS)
	}
	cvd := &cli{
		root: c.Root, db: instancedb.Open(c.Root.Database()), locks: instancedb.OpenLocks(c.Root.LockDir()),
		out: c.Out, err: c.Err,
	}
	err := cvd.run(c.Args)
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		fmt.Fprint(c.Err, exit.stderr)
		return exit.code
	}
	fmt.Fprintf(c.Err, "%v\n\nIf you suspect a bug, please report it: http://go/cuttlefish-bug\n", err)
	return exitFailure
}

// exitError is an exit status that a fault asked for.
type exitError struct {
	code   int
	stderr string
}

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func (c *cli) run(args []string) error {
	inv, err := parse(args, c.root.CVD)
	if err != nil {
		return err
	}
	if c.root.CVD.AtLeast(1, 54) {
		if err := c.logInvocation(args); err != nil {
			return err
		}
	}
	if c.faults, err = inject.Open(c.root.InjectFile()).Take(c.event(inv)); err != nil {
		return err
	}
	if done, err := c.misbehave(); done || err != nil {
		return err
	}
	err = c.dispatch(inv)
	if lie, ok := c.faults.Find("lie"); ok && lie.Arg == "done" {
		return exitError{code: 1}
	}
	return err
}

// logInvocation leaves the log that each cvd process has since 1.54.
func (c *cli) logInvocation(args []string) error {
	dir := c.root.UserDir() + "/logs"
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	name := dir + "/cvd_" + time.Now().Format("20060102_150405.000") + ".log"
	line := fmt.Sprintf("cvd I %d cvd %s\n", os.Getpid(), strings.Join(args, " "))
	if err := os.WriteFile(name, []byte(line), 0o640); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

func (c *cli) dispatch(inv invocation) error {
	switch inv.command {
	case "create":
		return c.create(inv)
	case "start":
		return c.start(inv)
	case "stop":
		return c.stop(inv)
	case "rm":
		return c.remove(inv)
	case "fleet":
		return c.fleet(inv)
	case "status":
		return c.status(inv)
	case "reset":
		return c.reset(inv)
	case "suspend", "resume":
		return c.standStill(inv)
	case "snapshot_take":
		return c.takeSnapshot(inv)
	case "version":
		return c.version(inv)
	default:
		fmt.Fprintf(c.out, "Cuttlefish Virtual Device (CVD) CLI, simulated.\n\nusage: cvd <selector flags> <command> <args>\n\n"+
			"Commands: %s\n", strings.Join(knownCommands(), ", "))
		return nil
	}
}

// event says what the call is about, for the rules of the faults.
func (c *cli) event(inv invocation) inject.Event {
	e := inject.Event{Command: inv.command, Group: inv.group}
	if inv.command == "create" {
		flags := flagSet{version: c.root.CVD, rest: inv.args}
		if v, ok, err := flags.value("instance_nums", "base_instance_num"); ok && err == nil {
			e.Instance, _ = strconv.Atoi(v) // no number matches no rule for one
		}
		return e
	}
	data, err := c.db.Read()
	if err != nil {
		return e
	}
	if g := data.Group(inv.group); g != nil {
		e.Instance = g.First()
	}
	return e
}

// misbehave carries out the faults that concern the call as a whole and reports whether it is over.
func (c *cli) misbehave() (done bool, err error) {
	if hang, ok := c.faults.Find("hang"); ok {
		if hang.Arg == "ignore_term" {
			signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
		}
		for {
			time.Sleep(time.Hour) // until it is killed, which is the point
		}
	}
	if pause, ok := c.faults.Find("hang_for"); ok {
		time.Sleep(pause.Seconds(10 * time.Second))
	}
	if c.faults.Has("host_reboot") {
		if err := simhost.Reboot(c.root); err != nil {
			return true, err
		}
		return true, exitError{code: exitFailure}
	}
	if damage, ok := c.faults.Find("db_corrupt"); ok {
		if err := c.db.Damage(damage.Arg != "truncated"); err != nil {
			return true, err
		}
	}
	if exit, ok := c.faults.Find("exit"); ok {
		code, stderr, _ := strings.Cut(exit.Arg, ":")
		n, err := strconv.Atoi(code)
		if err != nil {
			return true, fmt.Errorf("fault %s: %q is no exit status", exit, code)
		}
		if stderr != "" {
			stderr += "\n"
		}
		return true, exitError{n, stderr}
	}
	lie, lies := c.faults.Find("lie")
	return lies && lie.Arg != "done", nil
}

func (c *cli) version(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	asJSON, err := flags.truth("json", false)
	if err != nil {
		return err
	}
	if asJSON {
		c.print(map[string]any{"package_version": c.root.CVD.String(), "version_control_id": VCS})
		return nil
	}
	fmt.Fprintf(c.out, "version: %s\nVCS: %s\n", c.root.CVD, VCS)
	return nil
}
