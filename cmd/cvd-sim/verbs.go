package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

const defaultRoot = ".demo"

// host runs a command on a simulated host.
func host(args []string) int {
	var o simhost.Options
	flags := flag.NewFlagSet("cvd-sim host", flag.ContinueOnError)
	flags.StringVar(&o.Root, "root", defaultRoot, "directory of the host")
	flags.StringVar(&o.Settings.Version, "version", "", "version of cvd and its host package (1.40.0)")
	flags.StringVar(&o.Settings.BootTime, "boot-time", os.Getenv(simroot.BootTimeVariable),
		"time from a launch to Running (2.5s)")
	flags.BoolVar(&o.KeepDevices, "keep", false, "leave the devices running when the command ends")
	flags.Float64Var(&o.TimeScale, "time-scale", 1, "how much faster the time of the simulated Daytona goes")
	flags.StringVar(&o.Settings.OperatorVersion, "operator-version", "", "version of the operator (1.55.2)")
	flags.BoolVar(&o.OperatorTLS, "operator-tls", false, "point the command at the operator's TLS port")
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	if o.Command = flags.Args(); len(o.Command) == 0 {
		fmt.Fprintln(os.Stderr, "cvd-sim host: want -- COMMAND…")
		return 2
	}
	if !(o.TimeScale > 0) {
		return usage(fmt.Errorf("cvd-sim host: --time-scale is %v: want a number above 0", o.TimeScale))
	}
	var err error
	if o.Binary, err = os.Executable(); err != nil {
		return fail(err)
	}
	o.Out, o.Err, o.LookupEnv = os.Stdout, os.Stderr, os.LookupEnv
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	code, err := simhost.Run(ctx, o)
	if err != nil {
		return fail(err)
	}
	return code
}

// reboot ends all processes of a host, as if it had lost its power.
func reboot(args []string) int {
	root, rest, err := rootFlag("reboot", args)
	if err != nil {
		return usage(err)
	}
	if len(rest) > 0 {
		return usage(fmt.Errorf("cvd-sim reboot: %q is one argument too many", rest[0]))
	}
	if err := simhost.Reboot(root); err != nil {
		return fail(err)
	}
	return 0
}

// hostOperator becomes the operator of a host, which has ended or was ended.
func hostOperator(args []string) int {
	root, rest, err := rootFlag("operator", args)
	if err != nil {
		return usage(err)
	}
	if len(rest) > 0 {
		return usage(fmt.Errorf("cvd-sim operator: %q is one argument too many", rest[0]))
	}
	// The program's own link, so that the process is known as the host's.
	return fail(unix.Exec(root.OperatorProgram(), []string{root.OperatorProgram()}, os.Environ()))
}

// injectRules edits the rules by which a host misbehaves.
func injectRules(args []string) int {
	root, rest, err := rootFlag("inject", args)
	if err != nil {
		return usage(err)
	}
	script := inject.Open(root.InjectFile())
	switch {
	case len(rest) > 0 && rest[0] == "add":
		err = addRule(script, rest[1:])
	case len(rest) == 1 && rest[0] == "list":
		err = listRules(script)
	case len(rest) == 1 && rest[0] == "clear":
		err = script.Clear("")
	case len(rest) == 2 && rest[0] == "clear":
		err = script.Clear(rest[1])
	default:
		return usage(errors.New("cvd-sim inject: want add, list or clear; the faults are " +
			strings.Join(inject.Names(), ", ")))
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

func addRule(script *inject.Script, args []string) error {
	var r inject.Rule
	flags := flag.NewFlagSet("cvd-sim inject add", flag.ContinueOnError)
	flags.StringVar(&r.ID, "id", "", "name of the rule")
	flags.StringVar(&r.Fault, "fault", "", "name[:argument] of the fault")
	flags.StringVar(&r.Match.Command, "command", "", "only this subcommand of cvd")
	flags.StringVar(&r.Match.Group, "group", "", "only this group")
	flags.IntVar(&r.Match.Instance, "instance", 0, "only this instance number")
	flags.IntVar(&r.Match.Nth, "nth", 0, "only from the nth matching call on")
	flags.IntVar(&r.Match.Times, "times", 0, "at most so often")
	if err := flags.Parse(args); err != nil {
		return err
	}
	id, err := script.Add(r)
	if err == nil {
		fmt.Println(id)
	}
	return err
}

func listRules(script *inject.Script) error {
	rules, err := script.Rules()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rules {
		fmt.Fprintf(w, "%s\t%s\tcommand=%s\tgroup=%s\tinstance=%d\tnth=%d\ttimes=%d\n",
			r.ID, r.Fault, r.Match.Command, r.Match.Group, r.Match.Instance, r.Match.Nth, r.Match.Times)
	}
	return w.Flush()
}

// rootFlag takes --root off the arguments of a verb.
func rootFlag(verb string, args []string) (*simroot.Root, []string, error) {
	flags := flag.NewFlagSet("cvd-sim "+verb, flag.ContinueOnError)
	dir := flags.String("root", defaultRoot, "directory of the host")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	root, err := simroot.Load(*dir)
	return root, flags.Args(), err
}

func usage(err error) int {
	if !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
	}
	return 2
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "cvd-sim:", err)
	return 1
}
