package cvd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// LaunchSpec is everything that a launch depends on.
type LaunchSpec struct {
	Group    string           // cvd's name for the sandbox
	Instance sandbox.Instance // chosen by us; cvd's own choice is not used
	DeviceID string           // under which the operator shows the device

	HostPath    string // the host package: its bin/ holds the programs that launch
	ProductPath string // the images

	CPUs     int
	MemoryMB int
	GPUMode  string
	Audio    bool
}

// snapshotGPU is the only GPU mode that memory snapshots work with.
const snapshotGPU = "guest_swiftshader"

// launchFlag is one row of the table that create's and start's flags are rendered from.
type launchFlag struct {
	name  string
	value func(LaunchSpec) (string, bool) // false = leave the flag out; "" = the bare flag

	// ours marks flags that cvd itself reads, whatever the host package lists.
	ours bool
	// probed marks flags that old host packages lack: they are passed only when listed, never when
	// the flags could not be asked for.
	probed bool
	// needs names flags without which this one makes the launch fail.
	needs []string
}

func always(value string) func(LaunchSpec) (string, bool) {
	return func(LaunchSpec) (string, bool) { return value, true }
}

func webRTCPorts(s LaunchSpec) (string, bool) {
	first, last := s.Instance.WebRTCPorts()
	return fmt.Sprintf("%d:%d", first, last), true
}

// launchFlags is that table, in the order in which the flags are passed. cvd remembers none of them:
// every start repeats them all.
var launchFlags = []launchFlag{
	// Up to 1.56 cvd asks on stdin unless it is told.
	{name: "report_anonymous_usage_stats", value: always("n")},
	{name: "daemon", value: always(""), ours: true},
	{name: "cpus", value: func(s LaunchSpec) (string, bool) { return strconv.Itoa(s.CPUs), true }},
	{name: "memory_mb", value: func(s LaunchSpec) (string, bool) { return strconv.Itoa(s.MemoryMB), true }},
	{name: "gpu_mode", value: func(s LaunchSpec) (string, bool) { return s.GPUMode, s.GPUMode != "" }},
	// virtio-fs is on by default with guest_swiftshader and cannot sleep, which rules out suspending
	// ("virtio_sleep not implemented for virtio-fs").
	{name: "enable_virtiofs", value: always("false")},
	{name: "enable_usb", value: always("false"), probed: true},
	{name: "enable_audio", value: func(s LaunchSpec) (string, bool) { return strconv.FormatBool(s.Audio), true }},
	{name: "setupwizard_mode", value: always("DISABLED")},
	{name: "webrtc_device_id", value: func(s LaunchSpec) (string, bool) { return s.DeviceID, true }, ours: true},
	// One range for both: libwebrtc takes one.
	{name: "tcp_port_range", value: webRTCPorts},
	{name: "udp_port_range", value: webRTCPorts},
	// It only checks that virtio-fs and USB are off and that the GPU mode fits, and fails otherwise.
	{
		name:   "snapshot_compatible",
		value:  func(s LaunchSpec) (string, bool) { return "", s.GPUMode == snapshotGPU },
		probed: true, needs: []string{"gpu_mode", "enable_virtiofs"},
	},
}

// Plan is what became of the table for one device and one host package.
type Plan struct {
	Flags   []string // as passed
	Dropped []string // names of flags that the host package does not know
	Assumed string   // why the flags were assumed instead of asked for; empty when they were asked for
	// RulesOut says what the chosen flags make impossible, for people; "" = nothing.
	RulesOut string
}

// PlanFlags renders the launch flags that known allows.
func PlanFlags(s LaunchSpec, known FlagSet) Plan {
	p := Plan{Assumed: known.Assumed}
	for _, f := range launchFlags {
		value, wanted := f.value(s)
		switch {
		case !wanted:
		case !f.allowed(known):
			p.Dropped = append(p.Dropped, f.name)
		case value == "":
			p.Flags = append(p.Flags, "--"+f.name)
		default:
			p.Flags = append(p.Flags, "--"+f.name+"="+value)
		}
	}
	if s.GPUMode != snapshotGPU {
		p.RulesOut = fmt.Sprintf("memory snapshots: they need gpu mode %s, not %s", snapshotGPU, s.GPUMode)
	}
	return p
}

func (f launchFlag) allowed(known FlagSet) bool {
	if f.ours {
		return true
	}
	if known.Assumed != "" {
		return !f.probed
	}
	for _, name := range f.needs {
		if !known.Has(name) {
			return false
		}
	}
	return known.Has(f.name)
}

// LaunchFlags returns the launch flags for s that its host package knows: what the ledger records
// and what every later start repeats. Flags that had to be dropped are logged; PlanFlags with the
// result of Flags tells them to a program.
func (c *Client) LaunchFlags(ctx context.Context, s LaunchSpec) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	known, err := c.Flags(ctx, s.HostPath)
	if err != nil {
		return nil, fault.Op("launch flags for "+s.Group, err)
	}
	plan := PlanFlags(s, known)
	if len(plan.Dropped) > 0 || plan.Assumed != "" {
		c.log.Warn("launch flags adapted to the host package", zap.String("host_path", s.HostPath),
			zap.Strings("dropped", plan.Dropped), zap.String("assumed", plan.Assumed))
	}
	return plan.Flags, nil
}

// CreateArgs returns the arguments, after the program, that create and start the device of s.
func (c *Client) CreateArgs(ctx context.Context, s LaunchSpec) ([]string, error) {
	flags, err := c.LaunchFlags(ctx, s)
	if err != nil {
		return nil, err
	}
	return CreateArgsFrom(s.Group, s.Instance, s.HostPath, s.ProductPath, flags), nil
}

// StartArgs returns the arguments, after the program, that start the group of s again.
func (c *Client) StartArgs(ctx context.Context, s LaunchSpec) ([]string, error) {
	flags, err := c.LaunchFlags(ctx, s)
	if err != nil {
		return nil, err
	}
	return StartArgsFrom(s.Group, flags), nil
}

// CreateArgsFrom returns the arguments of a create with recorded launch flags.
func CreateArgsFrom(group string, n sandbox.Instance, hostPath, productPath string, flags []string) []string {
	args := []string{
		selectGroup(group), "create",
		"--host_path=" + hostPath,
		"--product_path=" + productPath,
		"--instance_nums=" + strconv.Itoa(int(n)),
	}
	return append(args, flags...)
}

// StartArgsFrom returns the arguments of a start with recorded launch flags. The number and the
// paths are the group's own: cvd keeps those.
func StartArgsFrom(group string, flags []string) []string {
	return append([]string{selectGroup(group), "start"}, flags...)
}

// WithSize returns recorded launch flags with another number of CPUs and another memory, in MiB.
func WithSize(flags []string, cpus, memoryMB int) []string {
	sized := make([]string, 0, len(flags)+2)
	for _, f := range flags {
		if name, _, _ := strings.Cut(f, "="); name != "--cpus" && name != "--memory_mb" {
			sized = append(sized, f)
		}
	}
	return append(sized, "--cpus="+strconv.Itoa(cpus), "--memory_mb="+strconv.Itoa(memoryMB))
}

// WithDisplay completes recorded launch flags with what an older runner did not set of the display: its name and its
// ports. Flags that are there stay.
func WithDisplay(flags []string, deviceID string, n sandbox.Instance) []string {
	s := LaunchSpec{DeviceID: deviceID, Instance: n}
	for _, f := range launchFlags {
		switch f.name {
		case "webrtc_device_id", "tcp_port_range", "udp_port_range":
			if value, _ := f.value(s); !slices.ContainsFunc(flags, func(is string) bool { return strings.HasPrefix(is, "--"+f.name+"=") }) {
				flags = append(slices.Clip(flags), "--"+f.name+"="+value)
			}
		}
	}
	return flags
}

func (s LaunchSpec) check() error {
	if err := checkGroup(s.Group); err != nil {
		return err
	}
	switch {
	case !s.Instance.Valid():
		return s.refuse("instance number %d: want 1 to %d", int(s.Instance), sandbox.MaxInstance)
	case s.CPUs <= 0 || s.MemoryMB <= 0:
		return s.refuse("%d CPUs and %d MB of memory: both must be positive", s.CPUs, s.MemoryMB)
	case !onePath(s.HostPath):
		return s.refuse("host path %q: want one absolute path without commas", s.HostPath)
	case !onePath(s.ProductPath):
		return s.refuse("product path %q: want one absolute path without commas", s.ProductPath)
	case s.DeviceID == "" || listed(s.DeviceID):
		return s.refuse("device id %q: want one name without commas", s.DeviceID)
	case listed(s.GPUMode):
		return s.refuse("GPU mode %q: want one mode", s.GPUMode)
	}
	return nil
}

func (s LaunchSpec) refuse(format string, args ...any) error {
	return fault.Op("launch "+s.Group, fault.Invalidf(format, args...))
}

func onePath(p string) bool { return path.IsAbs(p) && !listed(p) }

// listed reports a value that cvd would split: the launch flags take one value for each instance.
func listed(s string) bool { return strings.ContainsAny(s, ",\n\x00") }
