package cvd_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

func spec(hostPath string) cvd.LaunchSpec {
	return cvd.LaunchSpec{
		Group: "s_61", Instance: 12, DeviceID: "a-sandbox", HostPath: hostPath,
		ProductPath: "/var/lib/cuttlefish/artifacts/.products/android-LATEST-20",
		CPUs:        4, MemoryMB: 4096, GPUMode: "guest_swiftshader",
	}
}

// hostPackage makes a host package whose launcher lists the flags of a file.
func hostPackage(t *testing.T, helpxml string) (string, *fakeHost) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir+"/bin/cvd_internal_start", "program")
	return dir, &fakeHost{run: func(_ context.Context, cmd host.Command) (host.Result, error) {
		return host.Result{Stdout: []byte(helpxml)}, &host.ExitError{Args: cmd.Args, Code: 1}
	}}
}

func TestArgumentsOfALaunch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, helpxml string
		change        func(*cvd.LaunchSpec)
	}{
		{name: "current", helpxml: "helpxml-1.40.txt"},
		{name: "old-host-package", helpxml: "helpxml-old.txt"},
		{name: "gpu-and-audio", helpxml: "helpxml-1.40.txt", change: func(s *cvd.LaunchSpec) {
			s.GPUMode, s.Audio = "gfxstream", true
		}},
		{name: "probe-without-answer", helpxml: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			xml := ""
			if tt.helpxml != "" {
				xml = readTestdata(t, tt.helpxml)
			}
			dir, h := hostPackage(t, xml)
			s, c := spec(dir), client(h)
			if tt.change != nil {
				tt.change(&s)
			}
			create, err := c.CreateArgs(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			start, err := c.StartArgs(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			flags, err := c.LaunchFlags(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if want := cvd.CreateArgsFrom(s.Group, s.Instance, s.HostPath, s.ProductPath, flags); !slices.Equal(create, want) {
				t.Errorf("create from recorded flags: got %q, want %q", want, create)
			}
			if want := cvd.StartArgsFrom(s.Group, flags); !slices.Equal(start, want) {
				t.Errorf("start from recorded flags: got %q, want %q", want, start)
			}
			for i := range create {
				create[i] = strings.ReplaceAll(create[i], dir, "HOST_PATH")
			}
			golden(t, "create-"+tt.name, create)
			golden(t, "start-"+tt.name, start)
		})
	}
}

func TestAPlanSaysWhatItDroppedAndWhy(t *testing.T) {
	t.Parallel()
	dir, h := hostPackage(t, readTestdata(t, "helpxml-old.txt"))
	known, err := client(h).Flags(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	plan := cvd.PlanFlags(spec(dir), known)
	if want := []string{"enable_usb", "setupwizard_mode", "tcp_port_range", "udp_port_range", "snapshot_compatible"}; !slices.Equal(plan.Dropped, want) {
		t.Errorf("dropped %q, want %q", plan.Dropped, want)
	}
	s := spec(dir)
	s.GPUMode = "gfxstream"
	if plan := cvd.PlanFlags(s, known); !strings.Contains(plan.RulesOut, "memory snapshots") {
		t.Errorf("ruled out: %q, want memory snapshots", plan.RulesOut)
	}
}

func TestFlagsAreProbedOncePerProgram(t *testing.T) {
	t.Parallel()
	dir, h := hostPackage(t, readTestdata(t, "helpxml-1.40.txt"))
	c := client(h)
	probe := func() cvd.FlagSet {
		set, err := c.Flags(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	first := probe()
	probe()
	if got := len(h.commands()); got != 1 {
		t.Errorf("%d probes of one program, want 1", got)
	}
	if !first.Has("cpus") || !first.Has("--memory-mb") || !first.Has("report_anonymous_usage_stats") || first.Len() != 12 {
		t.Errorf("%d flags, want 12 with cpus, memory_mb and the one of the second document", first.Len())
	}
	if err := os.Chtimes(dir+"/bin/cvd_internal_start", time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	probe()
	if got := len(h.commands()); got != 2 {
		t.Errorf("%d probes after the program changed, want 2", got)
	}
}

func TestAFailedProbeIsAssumedAndAskedAgain(t *testing.T) {
	t.Parallel()
	dir, h := hostPackage(t, "<flag><name>only_this</name></flag>")
	c := client(h)
	for range 2 {
		set, err := c.Flags(t.Context(), dir)
		if err != nil || set.Assumed == "" {
			t.Errorf("flags: assumed %q, error %v; want a reason and no error", set.Assumed, err)
		}
	}
	if got := len(h.commands()); got != 2 {
		t.Errorf("%d probes, want 2: a failure must not be remembered", got)
	}
}

func TestAMissingHostPackageIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := client(&fakeHost{}).CreateArgs(t.Context(), spec(t.TempDir()))
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "CVD_HOME") {
		t.Errorf("got %v, want Unavailable with what to do", err)
	}
}

func TestSpecsThatCvdWouldMisreadAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cvd.LaunchSpec){
		"a group with a hyphen":     func(s *cvd.LaunchSpec) { s.Group = "a-b" },
		"no group":                  func(s *cvd.LaunchSpec) { s.Group = "" },
		"number zero":               func(s *cvd.LaunchSpec) { s.Instance = 0 },
		"a number over the ceiling": func(s *cvd.LaunchSpec) { s.Instance = 129 },
		"no CPUs":                   func(s *cvd.LaunchSpec) { s.CPUs = 0 },
		"negative memory":           func(s *cvd.LaunchSpec) { s.MemoryMB = -1 },
		"a relative host path":      func(s *cvd.LaunchSpec) { s.HostPath = "host" },
		"a list of products":        func(s *cvd.LaunchSpec) { s.ProductPath = "/a,/b" },
		"a list of device ids":      func(s *cvd.LaunchSpec) { s.DeviceID = "a,b" },
		"no device id":              func(s *cvd.LaunchSpec) { s.DeviceID = "" },
		"a list of GPU modes":       func(s *cvd.LaunchSpec) { s.GPUMode = "a,b" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := spec("/host")
			change(&s)
			if _, err := client(&fakeHost{}).CreateArgs(t.Context(), s); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, want Invalid", err)
			}
		})
	}
}

func TestAProbeWhoseCallerLeftIsNoAssumption(t *testing.T) {
	t.Parallel()
	dir, h := hostPackage(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	h.run = func(ctx context.Context, _ host.Command) (host.Result, error) {
		cancel()
		return host.Result{}, fault.Wrap(fault.Cancelled, "run", context.Canceled)
	}
	if _, err := client(h).Flags(ctx, dir); !fault.Is(err, fault.Cancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Cancelled", err)
	}
}

// Ensure the launch flags that an older runner recorded are completed with name and ports of the display, and that
// no two devices of a host get the same ports.
func TestDisplayFlags(t *testing.T) {
	t.Parallel()
	got := cvd.WithDisplay([]string{"--cpus=2", "--tcp_port_range=1:2"}, "dev-1", 2)
	if want := []string{"--cpus=2", "--tcp_port_range=1:2", "--webrtc_device_id=dev-1", "--udp_port_range=15650:15749"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	taken := 0
	for n := sandbox.Instance(1); n <= sandbox.MaxInstance; n++ {
		first, last := n.WebRTCPorts()
		if first <= taken || last < first+49 || last >= 32768 {
			t.Errorf("%s has the ports %d to %d; the one before ended at %d", n, first, last, taken)
		}
		taken = last
	}
}
