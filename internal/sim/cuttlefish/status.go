package cuttlefish

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/jsoncpp"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
)

// probeLimit is how long fleet and status wait for a launcher.
const probeLimit = 5 * time.Second

func (c *cli) print(v any) { fmt.Fprintln(c.out, jsoncpp.Format(v)) }

// fleet lists all groups. It probes, but does not write down what it learned.
func (c *cli) fleet(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	if err := flags.finish(); err != nil {
		return err
	}
	if slow, ok := c.faults.Find("fleet_slow"); ok {
		time.Sleep(slow.Seconds(5 * time.Second))
	}
	data, err := c.db.Read()
	if err != nil {
		return err
	}
	groups := []any{}
	for _, g := range data.Groups {
		if err := checkTools(g); err != nil {
			return err
		}
		description, _ := c.describe(g, probeLimit)
		groups = append(groups, description)
	}
	text := jsoncpp.Format(map[string]any{"groups": groups}) + "\n"
	if garbage, ok := c.faults.Find("fleet_garbage"); ok {
		text = spoil(text, garbage.Arg)
	}
	fmt.Fprint(c.out, text)
	return nil
}

// spoil is what fleet_garbage makes of the output.
func spoil(text, how string) string {
	switch how {
	case "empty":
		return ""
	case "truncated":
		return text[:len(text)/2]
	case "warnings":
		return "Warning: stdout is not yours alone {\n" + text + "Warning: nor its end }\n"
	default:
		return "Segmentation fault\n"
	}
}

// checkTools fails where the probe of an active instance has no program: cvd then prints no group at all.
func checkTools(g instancedb.Group) error {
	if !slices.ContainsFunc(g.Instances, probed) {
		return nil
	}
	tool := filepath.Join(g.HostPath, "bin", "cvd_internal_status")
	if _, err := os.Stat(tool); err != nil {
		return fmt.Errorf("status of group %s: %w", g.Name, err)
	}
	return nil
}

// probed reports whether the state is looked at again: all others stay what they were.
func probed(i instancedb.Instance) bool {
	return i.State == instancedb.Running || i.State == instancedb.Unreachable
}

// describe renders a group as fleet does, and returns it with the states that the probe found.
func (c *cli) describe(g instancedb.Group, limit time.Duration) (map[string]any, instancedb.Group) {
	g.Instances = slices.Clone(g.Instances)
	instances := []any{}
	for n := range g.Instances {
		i := &g.Instances[n]
		answered := false
		if probed(*i) {
			i.State = instancedb.Unreachable
			reply, err := launcher.Ask(c.root.UDSDir(i.ID), launcher.Status, limit)
			if answered = err == nil && reply == launcher.Success; answered {
				i.State = instancedb.Running
			}
		}
		instances = append(instances, c.describeInstance(g, *i, answered))
	}
	start := g.StartTime
	if start.IsZero() {
		start = time.Unix(0, 0)
	}
	out := map[string]any{
		"group_name": g.Name, "instances": instances, "start_time": start.Local().Format("2006-01-02 15:04:05"),
	}
	if c.root.CVD.AtLeast(1, 40) {
		out["metrics_dir"] = filepath.Join(g.Home, "metrics")
	}
	return out, g
}

func (c *cli) describeInstance(g instancedb.Group, i instancedb.Instance, answered bool) map[string]any {
	dir := assemble.InstanceDir(g.Home, i.ID)
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join(g.Home, "cuttlefish_runtime."+strconv.Itoa(i.ID))
	}
	out := map[string]any{
		"instance_name": i.Name, "status": i.State.String(), "instance_dir": dir,
		"assembly_dir": filepath.Join(g.Home, "cuttlefish", "assembly"),
	}
	if i.State.Active() {
		out["adb_port"] = c.root.ADBPort(i.ID)
		out["webrtc_device_id"] = i.DeviceID
		out["web_access"] = fmt.Sprintf("https://localhost:%d/devices/%s/files/client.html", c.operatorPort(), i.DeviceID)
	}
	switch {
	case answered:
		out["adb_serial"] = launcher.ADBSerial(c.root, i.ID)
		out["displays"] = launcher.Displays()
	case i.State == instancedb.Unreachable:
		out["warning"] = "cvd status failed"
	}
	return out
}

// operatorPort is where the operator has TLS; the real cvd knows no other port than this one's default.
func (c *cli) operatorPort() int {
	if port := c.root.Settings.OperatorHTTPS; port != 0 {
		return port
	}
	return 1443
}

// status probes one group and writes down what it learned. It prints only when told.
func (c *cli) status(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	show, err := flags.truth("print", false)
	if err != nil {
		return err
	}
	limit, err := seconds(&flags, "wait_for_launcher", probeLimit)
	if err != nil {
		return err
	}
	// Up to 1.54 the flag behind the subcommand is status's own, and takes numbers.
	if name, ok, err := flags.value("instance_name"); err != nil {
		return err
	} else if ok {
		inv.instances = []string{strings.TrimPrefix(name, "cvd-")}
	}
	if err := flags.finish(); err != nil {
		return err
	}
	g, err := c.selected(inv)
	if err != nil {
		return err
	}
	if err := checkTools(g); err != nil {
		return err
	}
	description, seen := c.describe(g, limit)
	err = c.change(g.Name, func(stored *instancedb.Group) {
		for n := range stored.Instances {
			if probed(stored.Instances[n]) && n < len(seen.Instances) {
				stored.Instances[n].State = seen.Instances[n].State
			}
		}
	})
	if err != nil || !show {
		return err
	}
	if len(inv.instances) > 0 {
		c.print(description["instances"])
		return nil
	}
	c.print(description)
	return nil
}

func seconds(flags *flagSet, name string, fallback time.Duration) (time.Duration, error) {
	v, ok, err := flags.value(name)
	if err != nil || !ok {
		return fallback, err
	}
	d, err := time.ParseDuration(v + "s")
	if err != nil {
		return 0, fmt.Errorf("flag %s: %q is no number of seconds", name, v)
	}
	return d, nil
}
