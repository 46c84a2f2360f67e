package cvd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// groupJSON is what a launch prints: one element of fleet's groups.
func groupJSON(t testing.TB) string {
	t.Helper()
	var doc struct{ Groups []json.RawMessage }
	if err := json.Unmarshal([]byte(readTestdata(t, "fleet-1.40.json")), &doc); err != nil {
		t.Fatal(err)
	}
	return string(doc.Groups[0])
}

func outcome(t *testing.T, code int, stdout, stderr string) (cvd.Group, error) {
	t.Helper()
	out, errFile := cvd.LaunchFiles(t.TempDir())
	writeFile(t, out, stdout)
	writeFile(t, errFile, stderr)
	return client(&fakeHost{}).LaunchOutcome(t.Context(), code, out, errFile)
}

func TestWhyALaunchFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stderr string
		code         int
		class        cvd.Class
		kind         fault.Kind
		transient    bool
		says         string
	}{
		{
			name: "the group exists", code: 255, stderr: "Group named 's_61' already exists",
			class: cvd.GroupExists, kind: fault.Conflict, says: "s_61",
		},
		{
			name: "the group is started", code: 255,
			stderr: "Selected instance group is already started, use `cvd create` to create a new one.",
			class:  cvd.AlreadyStarted, kind: fault.Conflict,
		},
		{
			name: "the group is unknown", code: 255, stderr: "No instance groups available",
			class: cvd.UnknownGroup, kind: fault.NotFound,
		},
		{
			name: "the database is empty", code: 255, stderr: "Command `start` is not applicable: no devices present",
			class: cvd.UnknownGroup, kind: fault.NotFound,
		},
		{
			name: "the number is taken", code: 255,
			stderr: "New instance conflicts with existing instance: cvd_1/1 with id 12\n at create.cpp:120",
			class:  cvd.NumberInUse, kind: fault.Conflict, says: "cvd_1/1",
		},
		{
			name: "the locks are another user's", code: 255, class: cvd.NoLock, kind: fault.Unavailable, says: "one user's",
			stderr: "open(\"/var/tmp/cvd/lock/local-instance-3.lock\"): Permission denied",
		},
		{
			name: "no tap", code: 255, class: cvd.NoTap, kind: fault.Unavailable, says: "num_cvd_accounts",
			stderr: "Failed to validate tap devices. Try `cvd reset`\nVirtual device failed to boot",
		},
		{
			name: "no host tools", code: 255, class: cvd.NoHostTools, kind: fault.Unavailable,
			stderr: "Could not find the required host tools to launch a device.",
		},
		{
			name: "an unfit host", code: 255, class: cvd.HostUnfit, kind: fault.Unavailable, says: "kvm",
			stderr: "Host configuration requirements not met.  Run `cvd setup`",
		},
		{
			name: "no KVM", code: 255, class: cvd.NoKVM, kind: fault.Unavailable, says: "/dev/kvm",
			stderr: "[ERROR crosvm] failed to open KVM device /dev/kvm\nVirtual device failed to boot",
		},
		{
			name: "an unknown launch flag", code: 255, class: cvd.UnknownFlag, kind: fault.Unsupported,
			stderr: "ERROR: unknown command line flag 'enable_usb'", says: "flag: enable_usb",
		},
		{
			name: "a flag that cvd rejects", code: 255, class: cvd.UnknownFlag, kind: fault.Unsupported,
			stderr: `Unexpected argument "--json"`, says: "flag: --json",
		},
		{
			name: "a full disk before assembly", code: 255, class: cvd.DiskFull, kind: fault.Exhausted,
			stderr: "Not enough space remaining in fs containing /var/tmp/cvd", says: "no space left on device",
		},
		{
			name: "a full disk in the middle, and an abort", code: 134, class: cvd.DiskFull, kind: fault.Exhausted,
			stderr: "write failed: No space left on device", says: "no space left on device",
		},
		{
			name: "a leaked helper", code: 255, class: cvd.AddressInUse, kind: fault.Unavailable, transient: true,
			stderr: "bind: Address already in use\nFailed to read a complete exit code, read 0 bytes only",
		},
		{
			name: "open files", code: 255, class: cvd.FilesInUse, kind: fault.Unavailable, transient: true,
			stderr: "Instance directory files in use. Try `cvd reset`? Observed PIDs: 4711", says: "4711",
		},
		{
			name: "a dead launcher", code: 255, class: cvd.LauncherDied, kind: fault.Unavailable, transient: true,
			stderr: "Failed to read a complete exit code, read 0 bytes only instead of the expected 4",
		},
		{
			name: "a failed boot", code: 255, class: cvd.BootFailed, kind: fault.Unavailable, transient: true,
			stderr: "\x1b[31mVirtual device failed to boot\x1b[0m",
		},
		{
			name: "a boot that the guest gave up", code: 255, class: cvd.BootFailed, kind: fault.Unavailable, transient: true,
			stderr: "VIRTUAL_DEVICE_BOOT_FAILED: Dependencies not ready after 10 checks: Bluetooth", says: "Bluetooth",
		},
		{
			name: "a boot that took too long", code: 255, class: cvd.BootTimedOut, kind: fault.Timeout,
			stderr: "Device boot timed out after 600 seconds",
		},
		{
			name: "no namespaces", code: 255, class: cvd.NoNamespaces, kind: fault.Unavailable, says: "userns",
			stderr: "libminijail: unshare(CLONE_NEWNS): Operation not permitted\nVirtual device failed to boot",
		},
		{
			name: "a signal that cvd handled", code: 134, class: cvd.Interrupted, kind: fault.Cancelled, transient: true,
			stderr: "Failed to read a complete exit code",
		},
		{name: "SIGTERM", code: 143, class: cvd.Interrupted, kind: fault.Cancelled, transient: true},
		{name: "SIGKILL", code: 137, class: cvd.Killed, kind: fault.Unavailable, transient: true},
		{
			name: "success without a group", code: 0, class: cvd.NothingPrinted, kind: fault.Unavailable, transient: true,
		},
		{
			name: "an earlier runner's launch that left nothing", code: host.ExitUnknown,
			class: cvd.NothingPrinted, kind: fault.Unavailable, transient: true,
		},
		{
			name: "an earlier runner's launch that left its reason", code: host.ExitUnknown,
			stderr: "Group named 's_61' already exists", class: cvd.GroupExists, kind: fault.Conflict,
		},
		{
			name: "words that we do not know", code: 255, stderr: "the moon is full",
			class: cvd.Unexplained, kind: fault.Unavailable, says: "the moon is full",
		},
		{name: "no words at all", code: 255, class: cvd.Unexplained, kind: fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			noise := "version: 1.40.0 | VCS: 0123abc\n" + tt.stderr + "\nplease file a bug at http://go/cuttlefish-bug\n"
			_, err := outcome(t, tt.code, "", noise)
			var e *cvd.LaunchError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a LaunchError", err)
			}
			if e.Class != tt.class || fault.KindOf(err) != tt.kind || e.Kind != tt.kind || e.Code != tt.code {
				t.Errorf("got class %q, kind %v, code %d; want %q, %v, %d", e.Class, fault.KindOf(err), e.Code, tt.class, tt.kind, tt.code)
			}
			if cvd.IsTransient(err) != tt.transient {
				t.Errorf("transient %v, want %v", cvd.IsTransient(err), tt.transient)
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("error %q, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestATakenNumberIsTyped(t *testing.T) {
	t.Parallel()
	_, err := outcome(t, 255, "", "New instance conflicts with existing instance: cvd_1/1 with id 12\n")
	var taken *sandbox.NumberTaken
	if !errors.As(err, &taken) || taken.Instance != 12 || taken.By != "cvd group cvd_1/1" {
		t.Errorf("got %+v in %v, want number 12 of cvd_1/1", taken, err)
	}
}

func TestTheGroupOfALaunch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		code   int
		stdout string
		ok     bool
		group  string
	}{
		{"success", 0, groupJSON(t), true, "sbx_1"},
		{"success between warnings", 0, "warning {\n" + groupJSON(t) + "bye", true, "sbx_1"},
		{"success of an earlier runner's launch", host.ExitUnknown, groupJSON(t), true, "sbx_1"},
		{"failure that did it all the same", 1, groupJSON(t), false, "sbx_1"},
		{"success cut short", 0, groupJSON(t)[:300], false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			group, err := outcome(t, tt.code, tt.stdout, "")
			if (err == nil) != tt.ok || group.Name != tt.group {
				t.Fatalf("got group %q, error %v", group.Name, err)
			}
			if tt.group == "" {
				return
			}
			if n, ok := group.Instances[0].Number(); !ok || n != 1 {
				t.Errorf("number %d, %v; want 1", n, ok)
			}
		})
	}
}

func TestALaunchKeepsTheOutputOfTheOneBefore(t *testing.T) {
	t.Parallel()
	logs := filepath.Join(t.TempDir(), "logs")
	out, errFile := cvd.LaunchFiles(logs)
	h := &fakeHost{launch: func(_ context.Context, cmd host.Command, o, e string) (host.ProcessID, error) {
		if want := []string{"/usr/bin/cvd", "--group_name=g", "start"}; !slices.Equal(cmd.Args, want) {
			t.Errorf("launched %q, want %q", cmd.Args, want)
		}
		if _, err := os.Stat(logs); err != nil {
			t.Errorf("the log directory must exist: %v", err)
		}
		for _, f := range []string{o, e} {
			if _, err := os.Stat(f); err == nil {
				t.Errorf("%s still has the output of the launch before", f)
			}
			writeFile(t, f, "output")
		}
		return host.ProcessID{PID: 7, Start: 9}, nil
	}}
	c := client(h)
	for range 3 {
		id, err := c.Launch(t.Context(), cvd.StartArgsFrom("g", nil), out, errFile)
		if err != nil || id.PID != 7 {
			t.Fatalf("got %+v, %v", id, err)
		}
	}
	for _, f := range []string{out, errFile, out + ".1", errFile + ".1"} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
}

func TestExplainFindsTheCauseInTheLaunchersLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir+"/logs/launcher.log", strings.Repeat("I0208 noise\n", 100)+
		"E0208 Failed to bind: Address already in use\n"+strings.Repeat("I0208 shutting down\n", 50))
	_, err := outcome(t, 255, "", "Failed to read a complete exit code, read 0 bytes only")
	err = client(&fakeHost{}).Explain(t.Context(), err, 12, dir)
	var e *cvd.LaunchError
	if !errors.As(err, &e) || e.Class != cvd.AddressInUse || !cvd.IsTransient(err) {
		t.Fatalf("got %v, want address in use", err)
	}
	if len(e.LogTail) != 20 || e.LogTail[19] != "I0208 shutting down" {
		t.Errorf("log tail %q, want the last 20 lines", e.LogTail)
	}
}

func TestKVMIsSuspectedWhereAFailedLaunchMayBeForIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir+"/logs/launcher.log", "[ERROR crosvm] failed to open KVM device /dev/kvm\n")
	for stderr, want := range map[string]bool{
		"Host configuration requirements not met.  Run `cvd setup`": true,
		"Failed to read a complete exit code, read 0 bytes only":    true, // the launcher's log says it
		"Failed to validate tap devices. Try `cvd reset`":           false,
	} {
		_, err := outcome(t, 255, "", stderr)
		err = fmt.Errorf("boot: %w", client(&fakeHost{}).Explain(t.Context(), err, 12, dir))
		if reason, got := cvd.SuspectsKVM(err); got != want || (reason != "") != want {
			t.Errorf("%s: got %v, %q, want %v", stderr, got, reason, want)
		}
	}
	if _, got := cvd.SuspectsKVM(errors.New("no launch")); got {
		t.Error("KVM is suspected for something else")
	}
}

func TestExplainLeavesAPreciseCauseAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir+"/logs/launcher.log", "bind: Address already in use\n")
	_, err := outcome(t, 255, "", "New instance conflicts with existing instance: a/1 with id 12")
	err = client(&fakeHost{}).Explain(t.Context(), err, 12, dir)
	var taken *sandbox.NumberTaken
	if !errors.As(err, &taken) || cvd.IsTransient(err) {
		t.Errorf("got %v, want the taken number", err)
	}
	other := errors.New("other")
	if got := client(&fakeHost{}).Explain(t.Context(), other, 12, dir); !errors.Is(got, other) {
		t.Errorf("got %v, want the error itself", got)
	}
}

func TestExplainTellsAMissingTapFromAHeldOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		present   bool
		transient bool
		says      string
	}{
		{"missing", false, false, "tap cvd-mtap-12 is missing: raise num_cvd_accounts in /etc/default/cuttlefish-host-resources"},
		{"held", true, true, "another VM holds one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHost{stat: func(string) (host.FileInfo, error) {
				if tt.present {
					return host.FileInfo{}, nil
				}
				return host.FileInfo{}, fault.NotFoundf("no such file")
			}}
			_, err := outcome(t, 255, "", "Failed to validate tap devices. Try `cvd reset`")
			err = client(h).Explain(t.Context(), err, 12, "")
			if cvd.IsTransient(err) != tt.transient || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, transient %v", err, cvd.IsTransient(err))
			}
		})
	}
}

func TestFindLaunch(t *testing.T) {
	t.Parallel()
	proc := func(pid int, start uint64, exe, args string) host.Process {
		return host.Process{ProcessID: host.ProcessID{PID: pid, Start: start}, Exe: exe, Args: strings.Fields(args)}
	}
	for _, tt := range []struct {
		name  string
		procs []host.Process
		pid   int
	}{
		{"a create", []host.Process{proc(5, 1, "cvd", "/usr/bin/cvd --group_name=s_61 create --cpus=4")}, 5},
		{"a start", []host.Process{proc(5, 1, "cvd", "cvd --verbosity=DEBUG --group_name=s_61 start")}, 5},
		{"other spellings", []host.Process{proc(5, 1, "cvd", "cvd --verbosity DEBUG -group_name s_61 create")}, 5},
		{"the first of two forks", []host.Process{
			proc(6, 2, "cvd", "cvd --group_name=s_61 create"), proc(5, 1, "cvd", "cvd --group_name=s_61 create"),
		}, 5},
		{"not a longer name", []host.Process{proc(5, 1, "cvd", "cvd --group_name=s_616 create")}, 0},
		{"not a stop", []host.Process{proc(5, 1, "cvd", "cvd --group_name=s_61 stop")}, 0},
		{"not a group named start", []host.Process{proc(5, 1, "cvd", "cvd --group_name start fleet")}, 0},
		{"not a flag after the subcommand", []host.Process{proc(5, 1, "cvd", "cvd create --group_name=s_61")}, 0},
		{"not the wrapper around it", []host.Process{proc(5, 1, "sudo", "sudo cvd --group_name=s_61 create")}, 0},
		{"not an editor", []host.Process{proc(5, 1, "vi", "vi --group_name=s_61 create")}, 0},
		{"not a bare cvd", []host.Process{proc(5, 1, "cvd", "cvd"), proc(6, 1, "cvd", "")}, 0},
		{"not a zombie", []host.Process{{
			ProcessID: host.ProcessID{PID: 5, Start: 1}, Exe: "cvd", Zombie: true,
			Args: []string{"cvd", "--group_name=s_61", "create"},
		}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id, ok := cvd.FindLaunch(tt.procs, "s_61")
			if id.PID != tt.pid || ok != (tt.pid != 0) {
				t.Errorf("got %+v, %v; want pid %d", id, ok, tt.pid)
			}
		})
	}
}

// Ensure a cvd that ends the group is told from those that end others, or do something else.
func TestFindStop(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"/usr/bin/cvd --group_name=s_61 stop": true, "cvd --group_name s_61 rm": true, "cvd stop": true, "cvd reset -y": true,
		"cvd clear": true, "cvd --group_name=s_62 stop": false, "cvd fleet": false, "cvd --group_name=s_61 start": false, "cvd": false,
	} {
		procs := []host.Process{{Exe: "cvd", Args: strings.Fields(line)}}
		if got := cvd.FindStop(procs, "s_61"); got != want {
			t.Errorf("%s: %v; want %v", line, got, want)
		}
		procs[0].Zombie = true
		if cvd.FindStop(procs, "s_61") {
			t.Errorf("%s: although it is over", line)
		}
	}
}
