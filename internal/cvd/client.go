package cvd

import (
	"context"
	"errors"
	"regexp"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Deadlines of the commands, inside whatever the caller's context allows. None of cvd's own
// commands has a limit of its own that can be relied on.
const (
	fleetLimit        = 30 * time.Second // 5 s for each hung instance, one after the other
	createLimit       = 30 * time.Second // without a start
	stopLimit         = 30 * time.Second
	removeLimit       = 2 * time.Minute // stops first where needed, then deletes gigabytes
	versionLimit      = 20 * time.Second
	probeLimit        = 20 * time.Second
	internalStopLimit = 30 * time.Second
	launchLimit       = 20 * time.Second // to start the process, not to boot

	termGrace = 2 * time.Second // between SIGTERM and SIGKILL
)

// Options configure a Client.
type Options struct {
	Path string      // the cvd program; "" = /usr/bin/cvd
	Log  *zap.Logger // nil = silent
}

// Client runs cvd on one host. It is safe for concurrent use and owns nothing that outlives its
// calls, so it needs no closing.
type Client struct {
	h    host.Host
	path string
	log  *zap.Logger

	changes atomic.Uint64 // counts commands that change what fleet would say
	fleet   fleetFlight
	flags   flagCache
}

// New returns a client for the cvd of host h.
func New(h host.Host, o Options) *Client {
	if o.Path == "" {
		o.Path = "/usr/bin/cvd"
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Client{
		h: h, path: o.Path, log: o.Log.Named("cvd"),
		flags: flagCache{sets: map[string]cachedFlags{}},
	}
}

// ErrNotRunning is in the chain of a Stop of a group that has nothing running.
var ErrNotRunning = errors.New("selected group is not running")

// groupName is cvd's own grammar for group names: no hyphen.
var groupName = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)

func checkGroup(group string) error {
	if !groupName.MatchString(group) {
		return fault.Invalidf("group name %q: want letters, digits and underscores, not starting with a digit", group)
	}
	return nil
}

// Stop stops every instance of the group: a power cut for the guest, so whoever wants its data
// flushed does that first. The error is NotFound when cvd does not know the group, and Conflict
// with ErrNotRunning when nothing of it runs.
//
// Success is cvd's word only: up to 1.54 it hides a failed stop. Verify by looking at processes.
func (c *Client) Stop(ctx context.Context, group string) error {
	return c.onGroup(ctx, stopLimit, group, "stop")
}

// Remove removes the group with all its files, stopping it first where cvd believes it to be
// active. The error is NotFound when cvd does not know the group.
//
// For a group that cvd calls Cancelled, Boot Failed or Stopped it deletes the directory under any
// process still alive: end those first.
func (c *Client) Remove(ctx context.Context, group string) error {
	return c.onGroup(ctx, removeLimit, group, "rm")
}

// CreateStopped makes a group with one device, number n, which cvd then knows and has not started; its directory holds
// nothing of it yet. A failure is a LaunchError where cvd says why.
func (c *Client) CreateStopped(ctx context.Context, group string, n sandbox.Instance, hostPath, productPath string) error {
	if err := checkGroup(group); err != nil {
		return err
	}
	_, err := c.run(ctx, createLimit, append(CreateArgsFrom(group, n, hostPath, productPath, nil), "--nostart")...)
	c.changes.Add(1)
	var exit *host.ExitError
	if errors.As(err, &exit) {
		err = launchFailure(exit.Code, exit.Stderr)
	}
	return fault.Op("create group "+group, err)
}

func (c *Client) onGroup(ctx context.Context, limit time.Duration, group, verb string) error {
	if err := checkGroup(group); err != nil {
		return err
	}
	op := verb + " group " + group
	_, err := c.run(ctx, limit, selectGroup(group), verb)
	c.changes.Add(1)
	if err == nil {
		return nil
	}
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return fault.Op(op, err)
	}
	class, line := classify(string(exit.Stderr))
	if class == AmbiguousGroup && c.fleetLacks(ctx, group) {
		class = UnknownGroup
	}
	rule := rules[class]
	if class == NotRunning {
		return &fault.Error{Kind: rule.kind, Op: op, Err: ErrNotRunning}
	}
	return &fault.Error{Kind: rule.kind, Op: op, Msg: sentence(rule.means, line), Err: err}
}

// fleetLacks settles what "Multiple groups found" meant. Earlier versions of cvd say it of a group
// that does not exist (SelectGroup in selector.cpp asks a person whenever the search did not end
// with exactly one group).
func (c *Client) fleetLacks(ctx context.Context, group string) bool {
	fleet, err := c.Fleet(ctx)
	return err == nil && len(fleet.ByGroup(group)) == 0
}

// GroupPaths are the directories of one group.
type GroupPaths struct {
	Home      string // the group's home directory, see Instance.GroupHome
	HostTools string // the host package it was launched with
}

// InternalStop stops the group's device without asking cvd's database, by running the program that
// cvd itself would run. It is the way to end a device whose group cvd calls Cancelled or Boot
// Failed, which "cvd stop" refuses.
func (c *Client) InternalStop(ctx context.Context, p GroupPaths) error {
	if p.Home == "" || p.HostTools == "" {
		return fault.Invalidf("stop device by its own tools: group home %q and host tools %q must both be known",
			p.Home, p.HostTools)
	}
	ctx, cancel := context.WithTimeout(ctx, internalStopLimit)
	defer cancel()
	_, err := c.h.Run(ctx, host.Command{
		Args: []string{p.HostTools + "/bin/cvd_internal_stop", "--wait_for_launcher=5"},
		Env: []string{
			"HOME=" + p.Home,
			"ANDROID_HOST_OUT=" + p.HostTools,
			"ANDROID_SOONG_HOST_OUT=" + p.HostTools,
			"CUTTLEFISH_CONFIG_FILE=" + configFile(p.Home),
		},
		Wait: termGrace,
	})
	c.changes.Add(1)
	var exit *host.ExitError
	if errors.As(err, &exit) {
		return fault.Wrap(fault.Unavailable, "stop the device of "+p.Home+" by its own tools", err)
	}
	return fault.Op("stop the device of "+p.Home+" by its own tools", err)
}

// run runs one cvd command to its end. A command that ended with a failure is Unavailable here, for
// those who know no better.
func (c *Client) run(ctx context.Context, limit time.Duration, args ...string) (host.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := host.Command{Args: append([]string{c.path}, args...), Wait: termGrace}
	began := time.Now()
	res, err := c.h.Run(ctx, cmd)
	c.log.Debug("command ended", zap.Stringer("cmd", cmd), zap.Duration("took", time.Since(began)), zap.Error(err))
	var exit *host.ExitError
	if errors.As(err, &exit) {
		err = fault.Wrap(fault.Unavailable, "", err)
	}
	return res, err
}

func selectGroup(group string) string { return "--group_name=" + group }
