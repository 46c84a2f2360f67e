package verdict_test

import (
	"fmt"
	"testing"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device/verdict"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Ensure each arrow of the specification's flow chart leads where it says, with what the runner knows beyond it.
func TestFlowChart(t *testing.T) {
	t.Parallel()
	gone := verdict.Evidence{ADB: verdict.ADBRefused, Launcher: verdict.LauncherAbsent, Process: verdict.NoProcess}
	booted := verdict.Evidence{ADB: verdict.ADBAnswers, Boot: verdict.Booted}
	vm := verdict.Evidence{ADB: verdict.ADBSilent, Launcher: verdict.LauncherAbsent, Process: verdict.VMRuns, PID: 42}
	with := func(e verdict.Evidence, change func(*verdict.Evidence)) verdict.Evidence {
		e.Numbered = true
		if change != nil {
			change(&e)
		}
		return e
	}
	label := func(s string) func(*verdict.Evidence) {
		return func(e *verdict.Evidence) { e.Fleet, e.FleetLater = s, true }
	}
	for _, tc := range []struct {
		arrow string
		given verdict.Evidence
		life  sandbox.Life
		layer string
		death sandbox.Death
	}{
		{"layer 1, Running: trusted, as Android says the same", with(booted, label(cvd.StatusRunning)), sandbox.LifeRunning, "adb", ""},
		{"layer 1, Running: of a device that is gone it is not", with(gone, label(cvd.StatusRunning)), sandbox.LifeAbsent, "process", sandbox.DeathCrashed},
		{"layer 1, Stopped: trusted for how a device that is gone ended", with(gone, label(cvd.StatusStopped)), sandbox.LifeAbsent, "process", sandbox.DeathStopped},
		{"layer 1, Stopped: from before it was seen alive tells nothing", with(gone, func(e *verdict.Evidence) {
			e.Fleet = cvd.StatusStopped
		}), sandbox.LifeAbsent, "process", sandbox.DeathCrashed},
		{"layer 1, Stopped: of a device that answers it is not", with(booted, label(cvd.StatusStopped)), sandbox.LifeRunning, "adb", ""},
		{"layer 1, Cancelled: not trusted, layer 2 decides", with(booted, label(cvd.StatusCancelled)), sandbox.LifeRunning, "adb", ""},
		{"layer 1, missing: not trusted, layer 2 decides", with(booted, label(verdict.FleetMissing)), sandbox.LifeRunning, "adb", ""},
		{"layer 2, boot_completed is 1: alive", with(booted, nil), sandbox.LifeRunning, "adb", ""},
		{"layer 2, boot_completed is not 1: booting", with(booted, func(e *verdict.Evidence) {
			e.Boot = verdict.BootNotYet
		}), sandbox.LifeBooting, "adb", ""},
		{"layer 2, no response: layer 3 decides", with(gone, func(e *verdict.Evidence) {
			e.ADB = verdict.ADBSilent
		}), sandbox.LifeAbsent, "process", sandbox.DeathCrashed},
		{"layer 3, crosvm found: booting", with(vm, nil), sandbox.LifeBooting, "process", ""},
		{"layer 3, crosvm found of a device that had booted: nobody knows", with(vm, func(e *verdict.Evidence) {
			e.HadBooted = true
		}), sandbox.LifeUnknown, "", ""},
		{"layer 3, crosvm found of a device that is being ended: nobody knows", with(vm, func(e *verdict.Evidence) {
			e.Stopper = true
		}), sandbox.LifeUnknown, "", ""},
		{"layer 3, crosvm not found: dead", with(gone, nil), sandbox.LifeAbsent, "process", sandbox.DeathCrashed},
		{"beyond it: a cvd that launches", with(gone, func(e *verdict.Evidence) {
			e.Process = verdict.CVDLaunches
		}), sandbox.LifeLaunching, "process", ""},
		{"beyond it: the launcher answers, Android does not yet", with(gone, func(e *verdict.Evidence) {
			e.Launcher = verdict.LauncherAlive
		}), sandbox.LifeBooting, "launcher", ""},
		{"beyond it: the launcher answers, a booted Android does not", with(gone, func(e *verdict.Evidence) {
			e.Launcher, e.HadBooted = verdict.LauncherAlive, true
		}), sandbox.LifeUnknown, "", ""},
		{"beyond it: the guest switched itself off", with(gone, func(e *verdict.Evidence) {
			e.Ending = verdict.PoweredDown
		}), sandbox.LifeAbsent, "process", sandbox.DeathPoweredOff},
		{"beyond it: cvd was seen to end it", with(gone, func(e *verdict.Evidence) {
			e.Stopper = true
		}), sandbox.LifeAbsent, "process", sandbox.DeathStopped},
		{"beyond it: its kernel panicked", with(gone, func(e *verdict.Evidence) {
			e.Ending = verdict.Panicked
		}), sandbox.LifeAbsent, "process", sandbox.DeathPanicked},
		{"beyond it: the host was rebooted, whatever else was seen", with(gone, func(e *verdict.Evidence) {
			e.Host, e.Ending = verdict.Rebooted, verdict.Panicked
		}), sandbox.LifeAbsent, "process", sandbox.DeathRebooted},
		{"beyond it: the host was not rebooted", with(gone, func(e *verdict.Evidence) {
			e.Host = verdict.SameBoot
		}), sandbox.LifeAbsent, "process", sandbox.DeathCrashed},
		{"beyond it: a stranger answers under its number", with(booted, func(e *verdict.Evidence) {
			e.Stranger = "somebody else's"
		}), sandbox.LifeAbsent, "process", sandbox.DeathReplaced},
		{"beyond it: no number", verdict.Evidence{}, sandbox.LifeAbsent, "ledger", ""},
	} {
		v := verdict.Judge(tc.given)
		if v.Life != tc.life || v.Layer != tc.layer || v.Death != tc.death || v.Reason == "" {
			t.Errorf("%s: got %+v; want %s by %q, death %q", tc.arrow, v, tc.life, tc.layer, tc.death)
		}
	}
}

// labels are all that cvd's list can say, and what a cvd of tomorrow might.
var labels = []string{
	verdict.FleetNotKnown, verdict.FleetMissing, cvd.StatusPreparing, cvd.StatusStarting, cvd.StatusRunning, cvd.StatusStopping,
	cvd.StatusStopped, cvd.StatusBootFailed, cvd.StatusUnreachable, cvd.StatusCancelled, "Unspecified", "Prepare Failed", "Dreaming",
}

var hosts = []verdict.HostBoot{verdict.BootOfHostNotKnown, verdict.SameBoot, verdict.Rebooted}

// every is all evidence that there can be of a device with a number.
func every(look func(verdict.Evidence)) {
	for _, adb := range []verdict.ADB{verdict.ADBNotAsked, verdict.ADBRefused, verdict.ADBSilent, verdict.ADBAnswers} {
		for _, boot := range []verdict.Boot{verdict.BootNotKnown, verdict.BootNotYet, verdict.Booted} {
			for _, launcher := range []verdict.Launcher{
				verdict.LauncherNotAsked, verdict.LauncherSilent, verdict.LauncherAbsent, verdict.LauncherAlive,
			} {
				for _, process := range []verdict.Process{verdict.ProcessNotRead, verdict.NoProcess, verdict.VMRuns, verdict.CVDLaunches} {
					for _, ending := range []verdict.Ending{verdict.EndingNotKnown, verdict.PoweredDown, verdict.Panicked} {
						for flags := range 8 * len(hosts) {
							look(verdict.Evidence{
								Numbered: true, ADB: adb, Boot: boot, Launcher: launcher, Process: process, Ending: ending, PID: 7,
								HadBooted: flags&1 != 0, FleetLater: flags&2 != 0, Stopper: flags&4 != 0, Host: hosts[flags/8],
							})
						}
					}
				}
			}
		}
	}
}

// Ensure the rules of the package hold for every status of cvd against every answer of the others.
func TestContradictions(t *testing.T) {
	t.Parallel()
	seen := map[sandbox.Life]int{}
	every(func(e verdict.Evidence) {
		plain := verdict.Judge(e)
		seen[plain.Life]++
		for _, label := range labels {
			for _, display := range []string{"", "cannot be seen: down"} {
				e.Fleet, e.Display = label, display
				v := verdict.Judge(e)
				if v.Life != plain.Life || v.Layer != plain.Layer {
					t.Errorf("%+v: cvd's %q made %s of %s", e, label, v.Life, plain.Life)
				}
				if v.Death != plain.Death && (label != cvd.StatusStopped || !e.FleetLater) {
					t.Errorf("%+v: cvd's %q made %q of %q", e, label, v.Death, plain.Death)
				}
				for _, problem := range broken(e, v) {
					t.Errorf("%+v: %+v: %s", e, v, problem)
				}
			}
		}
	})
	for _, life := range []sandbox.Life{
		sandbox.LifeUnknown, sandbox.LifeAbsent, sandbox.LifeLaunching, sandbox.LifeBooting, sandbox.LifeRunning,
	} {
		if seen[life] == 0 {
			t.Errorf("no evidence amounts to %s", life)
		}
	}
}

// broken lists the rules that a verdict breaks.
func broken(e verdict.Evidence, v verdict.Verdict) (rules []string) {
	check := func(holds bool, format string, args ...any) {
		if !holds {
			rules = append(rules, fmt.Sprintf(format, args...))
		}
	}
	absent, answers := v.Life == sandbox.LifeAbsent, e.ADB == verdict.ADBAnswers
	check(v.Reason != "", "no reason")
	check((v.Layer == "") == (v.Life == sandbox.LifeUnknown), "a layer decided, or none could")
	check((v.Death != "") == absent, "only what is absent has died")
	check((v.Life == sandbox.LifeRunning) == (answers && e.Boot == verdict.Booted), "running is what Android says, and nobody else")
	check(!absent || e.Launcher == verdict.LauncherAbsent, "absent although the launcher was not found to be gone")
	check(!absent || e.Process == verdict.NoProcess, "absent without the process table's word")
	check(!absent || !answers, "absent although ADB answers")
	check((v.Death == sandbox.DeathRebooted) == (absent && e.Host == verdict.Rebooted), "a reboot of the host explains every absence, and nothing else does")
	check(v.Life != sandbox.LifeLaunching || e.Process == verdict.CVDLaunches, "launching without a cvd that does")
	check(v.Life != sandbox.LifeBooting || !e.HadBooted || answers, "what had booted does not boot because it is silent")
	return rules
}
