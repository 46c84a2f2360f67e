package cvd_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

func TestSelectorsComeFirstInEveryCommand(t *testing.T) {
	t.Parallel()
	h := &fakeHost{run: prints("")}
	c := client(h)
	if err := errors.Join(c.Stop(t.Context(), "s_61"), c.Remove(t.Context(), "s_61")); err != nil {
		t.Fatal(err)
	}
	want := []string{"/usr/bin/cvd --group_name=s_61 stop", "/usr/bin/cvd --group_name=s_61 rm"}
	if got := h.commands(); !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

func TestWhyAStopOrRemoveFailed(t *testing.T) {
	t.Parallel()
	const oldUnknown = "Multiple groups found. Narrow the selection with selector arguments or run in an interactive terminal."
	for _, tt := range []struct {
		name, stderr, group string
		kind                fault.Kind
		notRunning          bool
	}{
		{name: "not running", stderr: "Selected group is not running", kind: fault.Conflict, notRunning: true},
		{name: "unknown", stderr: "No instance groups available", kind: fault.NotFound},
		{name: "nothing there at all", stderr: "Command `stop` is not applicable: no devices present", kind: fault.NotFound},
		{name: "unknown to an old cvd", stderr: oldUnknown, kind: fault.NotFound},
		{name: "there twice", stderr: oldUnknown, group: "sbx_1", kind: fault.Conflict},
		{name: "still active", stderr: "Group still contains active instances", kind: fault.Conflict},
		{name: "a tool that failed", stderr: "cvd_internal_stop exited with 4", kind: fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fleet := prints(readTestdata(t, "fleet-1.40.json"))
			fail := fails(255, tt.stderr)
			c := client(&fakeHost{run: func(ctx context.Context, cmd host.Command) (host.Result, error) {
				if slices.Contains(cmd.Args, "fleet") {
					return fleet(ctx, cmd)
				}
				return fail(ctx, cmd)
			}})
			group := "s_61"
			if tt.group != "" {
				group = tt.group
			}
			for _, do := range []func(context.Context, string) error{c.Stop, c.Remove} {
				err := do(t.Context(), group)
				if !fault.Is(err, tt.kind) || errors.Is(err, cvd.ErrNotRunning) != tt.notRunning {
					t.Errorf("got %v (%v), want %v", err, fault.KindOf(err), tt.kind)
				}
				if !tt.notRunning && !strings.Contains(err.Error(), tt.stderr) {
					t.Errorf("error %q does not say %q", err, tt.stderr)
				}
			}
		})
	}
}

func TestAGroupNameThatIsNoneNeverReachesCvd(t *testing.T) {
	t.Parallel()
	c := client(&fakeHost{})
	for _, group := range []string{"", "a-b", "1a", "--all", "a b", "a\n"} {
		if err := c.Remove(t.Context(), group); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want Invalid", group, err)
		}
	}
}

func TestHangingCommandsEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit time.Duration
		do    func(*cvd.Client, context.Context) error
	}{
		"stop":    {30 * time.Second, func(c *cvd.Client, ctx context.Context) error { return c.Stop(ctx, "g") }},
		"remove":  {2 * time.Minute, func(c *cvd.Client, ctx context.Context) error { return c.Remove(ctx, "g") }},
		"version": {20 * time.Second, func(c *cvd.Client, ctx context.Context) error { _, err := c.Version(ctx); return err }},
		"internal stop": {30 * time.Second, func(c *cvd.Client, ctx context.Context) error {
			return c.InternalStop(ctx, cvd.GroupPaths{Home: "/home", HostTools: "/tools"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := client(&fakeHost{run: func(ctx context.Context, _ host.Command) (host.Result, error) {
					<-ctx.Done()
					return host.Result{}, fault.Op("run", ctx.Err())
				}})
				began := time.Now()
				if err := tt.do(c, t.Context()); !fault.Is(err, fault.Timeout) || time.Since(began) != tt.limit {
					t.Errorf("got %v after %v, want Timeout after %v", err, time.Since(began), tt.limit)
				}
			})
		})
	}
}

func TestInternalStopRunsWhatCvdWouldRun(t *testing.T) {
	t.Parallel()
	var cmd host.Command
	c := client(&fakeHost{run: func(_ context.Context, got host.Command) (host.Result, error) {
		cmd = got
		return host.Result{}, nil
	}})
	paths := cvd.GroupPaths{Home: "/var/tmp/cvd/1000/17/home", HostTools: "/tools"}
	if err := c.InternalStop(t.Context(), paths); err != nil {
		t.Fatal(err)
	}
	golden(t, "internal-stop", append(slices.Clone(cmd.Env), cmd.Args...))

	if err := c.InternalStop(t.Context(), cvd.GroupPaths{Home: "/h"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without tools: got %v, want Invalid", err)
	}
	broken := client(&fakeHost{run: fails(4, "kill failed")})
	if err := broken.InternalStop(t.Context(), paths); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a failing tool: got %v, want Unavailable", err)
	}
}

func TestVersionReadsBothForms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, out string
		want      cvd.Version
	}{
		{"text", "version: 1.40.0\nVCS: 0123abc\n", cvd.Version{Package: "1.40.0", VCS: "0123abc", Major: 1, Minor: 40}},
		{"one line", "version: 1.55.2 | VCS: f00\n", cvd.Version{Package: "1.55.2", VCS: "f00", Major: 1, Minor: 55, Patch: 2}},
		{
			"json", `{"package_version":"1.54.1","version_control_id":"aa"}`,
			cvd.Version{Package: "1.54.1", VCS: "aa", Major: 1, Minor: 54, Patch: 1},
		},
		{"a distribution's suffix", "version: 1.38-1~bpo\n", cvd.Version{Package: "1.38-1~bpo", Major: 1, Minor: 38}},
		{"after a warning with braces", "W {x}\nversion: 1.40.0\n", cvd.Version{Package: "1.40.0", Major: 1, Minor: 40}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHost{run: prints(tt.out)}
			got, err := client(h).Version(t.Context())
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
			if ran := h.commands()[0]; ran != "/usr/bin/cvd version" {
				t.Errorf("ran %q", ran)
			}
		})
	}
	if _, err := client(&fakeHost{run: prints("no idea")}).Version(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no version: got %v, want Unavailable", err)
	}
	v := cvd.Version{Major: 1, Minor: 54}
	if !v.AtLeast(1, 54) || !v.AtLeast(0, 99) || v.AtLeast(1, 55) || v.AtLeast(2, 0) {
		t.Error("1.54 compares wrongly")
	}
}
