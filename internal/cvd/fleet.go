package cvd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// The statuses of an instance. They are cvd's book-keeping, not health readings: Cancelled and
// Starting are never corrected, and only Running and Unreachable come from a probe.
const (
	StatusPreparing   = "Preparing"
	StatusStarting    = "Starting"
	StatusRunning     = "Running"
	StatusStopping    = "Stopping"
	StatusStopped     = "Stopped"
	StatusBootFailed  = "Boot Failed"
	StatusUnreachable = "Unreachable"
	StatusCancelled   = "Cancelled"
)

// Fleet is everything that the device user's cvd knows of. It says nothing about devices of other
// users, nor about devices whose group was forgotten.
type Fleet struct {
	Groups []Group
}

// Group is one group of cvd.
type Group struct {
	Name       string
	StartTime  string // local time of the host, "2006-01-02 15:04:05"
	MetricsDir string // cvd 1.40 and later
	Instances  []Instance
}

// Instance is one device of a group. Most fields are there only while it is active.
type Instance struct {
	Name           string
	Status         string
	AssemblyDir    string
	InstanceDir    string
	WebRTCDeviceID string
	ADBSerial      string
	WebAccess      string
	Warning        string
	ADBPort        int
	Displays       []string
}

// Active reports whether cvd believes that the instance runs or is about to.
func (i Instance) Active() bool {
	switch i.Status {
	case StatusPreparing, StatusStarting, StatusRunning, StatusStopping, StatusUnreachable:
		return true
	}
	return false
}

// Number returns the instance number, which cvd prints nowhere: it is in the name of the instance's
// directory, else in its ADB port.
func (i Instance) Number() (sandbox.Instance, bool) {
	base := path.Base(i.InstanceDir)
	for _, prefix := range []string{"cvd-", "cuttlefish_runtime."} {
		if digits, ok := strings.CutPrefix(base, prefix); ok {
			if n, err := strconv.Atoi(digits); err == nil && sandbox.Instance(n).Valid() {
				return sandbox.Instance(n), true
			}
		}
	}
	if n := sandbox.Instance(i.ADBPort - 6519); n.Valid() {
		return n, true
	}
	return 0, false
}

// GroupHome returns the home directory of the instance's group, or "" when its directories do not
// say it.
func (i Instance) GroupHome() string {
	if home, ok := strings.CutSuffix(i.AssemblyDir, "/cuttlefish/assembly"); ok {
		return home
	}
	dir, base := path.Split(i.InstanceDir)
	if home, ok := strings.CutSuffix(dir, "/cuttlefish/instances/"); ok {
		return home
	}
	if strings.HasPrefix(base, "cuttlefish_runtime.") {
		return path.Clean(dir)
	}
	return ""
}

// ByGroup returns the groups of that name. More than one is a damaged database.
func (f Fleet) ByGroup(name string) []Group {
	var out []Group
	for _, g := range f.Groups {
		if g.Name == name {
			out = append(out, g)
		}
	}
	return out
}

// ByNumber returns the instance with number n and its group, an active one before any other.
func (f Fleet) ByNumber(n sandbox.Instance) (Group, Instance, bool) {
	var group Group
	var inst Instance
	found := false
	for _, g := range f.Groups {
		for _, i := range g.Instances {
			if have, ok := i.Number(); !ok || have != n || found && (inst.Active() || !i.Active()) {
				continue
			}
			group, inst, found = g, i, true
		}
	}
	return group, inst, found
}

// Fleet asks cvd for all groups. Callers share one running cvd: it costs up to five seconds for each
// hung device. The end of ctx ends the caller's wait; the command itself ends with its last waiter
// or after 30 s. The answer is never older than the last Launch, Stop or Remove of this client.
//
// Output that is no complete fleet is Unavailable with the reason; an empty fleet is never a guess.
func (c *Client) Fleet(ctx context.Context) (Fleet, error) {
	fleet, err := c.fleet.do(ctx, c.changes.Load, c.askFleet)
	return fleet, fault.Op("list cvd's groups", err)
}

func (c *Client) askFleet(ctx context.Context) (Fleet, error) {
	res, err := c.run(ctx, fleetLimit, "fleet")
	if err != nil {
		return Fleet{}, err
	}
	fleet, err := parseFleet(res.Stdout)
	if err != nil {
		c.log.Warn("fleet output not understood", zap.Strings("stdout", cleanLines(res.Stdout, 5)), zap.Error(err))
	}
	return fleet, fault.Wrap(fault.Unavailable, "", err)
}

// fleetFlight lets callers share one command.
type fleetFlight struct {
	mu  sync.Mutex // guards now and every field of a flight before its done is closed
	now *flight
}

type askFunc func(context.Context) (Fleet, error)

type flight struct {
	changes   uint64 // when it began
	waiters   int
	abandoned bool // the last waiter left, so the command is being ended
	cancel    context.CancelFunc
	done      chan struct{} // closed when fleet and err are set
	fleet     Fleet
	err       error
}

func (f *fleetFlight) do(ctx context.Context, changes func() uint64, ask askFunc) (Fleet, error) {
	need := changes()
	for {
		fl, usable := f.join(ctx, need, changes, ask)
		if usable {
			return f.wait(ctx, fl)
		}
		// One command at a time: let that one end, whatever it says, then ask again.
		_, _ = f.wait(ctx, fl)
		if err := ctx.Err(); err != nil {
			return Fleet{}, fault.Op("wait for cvd fleet", err)
		}
	}
}

// join returns the flight in the air, or starts one; the caller must wait for it. The flight is not
// usable when it began before the changes that the caller needs to see, or is being cancelled.
func (f *fleetFlight) join(
	ctx context.Context, need uint64, changes func() uint64, ask askFunc,
) (fl *flight, usable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		usable = !f.now.abandoned && f.now.changes >= need
		f.now.waiters++
		return f.now, usable
	}
	flightCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl = &flight{changes: changes(), waiters: 1, cancel: cancel, done: make(chan struct{})}
	f.now = fl
	go func() { // ends with its command, which ends with the last waiter or its own deadline
		defer cancel()
		fleet, err := ask(flightCtx)
		f.mu.Lock()
		fl.fleet, fl.err = fleet, err
		f.now = nil
		f.mu.Unlock()
		close(fl.done)
	}()
	return fl, true
}

func (f *fleetFlight) wait(ctx context.Context, fl *flight) (Fleet, error) {
	defer f.leave(fl)
	select {
	case <-fl.done:
		return fl.fleet, fl.err
	case <-ctx.Done():
		return Fleet{}, fault.Op("wait for cvd fleet", ctx.Err())
	}
}

func (f *fleetFlight) leave(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 {
		fl.abandoned = true
		fl.cancel()
	}
}

// maxAttempts bounds how often a "{" in the noise before the JSON is tried as its beginning.
const maxAttempts = 200

var (
	errCutShort = errors.New("the JSON is cut short")
	errNoJSON   = errors.New("no JSON object of the expected form")
)

// findObject returns the first JSON object in out for which fits is true, whatever is printed before
// and after it: libraries that cvd links print warnings to stdout.
func findObject(out []byte, fits func(map[string]json.RawMessage) bool) (map[string]json.RawMessage, error) {
	reason := errNoJSON
	rest := out
	for range maxAttempts {
		at := bytes.IndexByte(rest, '{')
		if at < 0 {
			break
		}
		rest = rest[at:]
		var object map[string]json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(rest))
		switch err := dec.Decode(&object); {
		case err == nil && fits(object):
			return object, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			reason = errCutShort
		}
		rest = rest[1:]
	}
	return nil, fmt.Errorf("%w: %s", reason, sample(out))
}

func sample(out []byte) string {
	if lines := cleanLines(out, 2); len(lines) > 0 {
		return fmt.Sprintf("it ends with %q", strings.Join(lines, " / "))
	}
	return "nothing was printed"
}

func parseFleet(out []byte) (Fleet, error) {
	object, err := findObject(out, func(o map[string]json.RawMessage) bool { return isArray(o["groups"]) })
	if err != nil {
		return Fleet{}, fmt.Errorf("read cvd fleet: %w", err)
	}
	var raw []map[string]json.RawMessage
	if err := json.Unmarshal(object["groups"], &raw); err != nil {
		return Fleet{}, fmt.Errorf("read cvd fleet: groups: %w", err)
	}
	fleet := Fleet{Groups: make([]Group, 0, len(raw))}
	for _, r := range raw {
		g, err := groupFrom(r)
		if err != nil {
			return Fleet{}, fmt.Errorf("read cvd fleet: %w", err)
		}
		fleet.Groups = append(fleet.Groups, g)
	}
	return fleet, nil
}

// parseGroup reads the group that create and start print.
func parseGroup(out []byte) (Group, error) {
	object, err := findObject(out, func(o map[string]json.RawMessage) bool {
		return text(o["group_name"]) != "" && isArray(o["instances"])
	})
	if err != nil {
		return Group{}, err
	}
	return groupFrom(object)
}

func groupFrom(r map[string]json.RawMessage) (Group, error) {
	g := Group{Name: text(r["group_name"]), StartTime: text(r["start_time"]), MetricsDir: text(r["metrics_dir"])}
	if g.Name == "" {
		return Group{}, errors.New("a group has no name")
	}
	var instances []map[string]json.RawMessage
	if err := json.Unmarshal(r["instances"], &instances); err != nil {
		return Group{}, fmt.Errorf("instances of group %s: %w", g.Name, err)
	}
	for _, i := range instances {
		g.Instances = append(g.Instances, instanceFrom(i))
	}
	return g, nil
}

// instanceFrom takes each field by itself, because their types follow the age of the host package:
// a field of an unexpected type is left empty rather than losing the whole fleet.
func instanceFrom(r map[string]json.RawMessage) Instance {
	i := Instance{
		Name:           text(r["instance_name"]),
		Status:         text(r["status"]),
		AssemblyDir:    text(r["assembly_dir"]),
		InstanceDir:    text(r["instance_dir"]),
		WebRTCDeviceID: text(r["webrtc_device_id"]),
		ADBSerial:      text(r["adb_serial"]),
		WebAccess:      text(r["web_access"]),
		Warning:        text(r["warning"]),
		ADBPort:        number(r["adb_port"]),
	}
	var displays []string
	if json.Unmarshal(r["displays"], &displays) == nil {
		i.Displays = displays
	}
	return i
}

func isArray(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// number reads a number, also one in quotes; anything else is 0.
func number(raw json.RawMessage) int {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil {
		return 0
	}
	return n
}
