package verdict

import (
	"fmt"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Verdict is what the evidence amounts to.
type Verdict struct {
	Life   sandbox.Life
	Layer  string        // which layer decided; empty where none could
	Reason string        // for people, never empty
	Death  sandbox.Death // of an absent device that held a number
}

// Judge is the specification's flow chart with the launcher as one more layer: Android's own word first,
// then the launcher's, then the process table.
func Judge(e Evidence) Verdict {
	switch {
	case !e.Numbered:
		return Verdict{Life: sandbox.LifeAbsent, Layer: "ledger", Reason: "it holds no instance number"}
	case e.Stranger != "":
		return Verdict{Life: sandbox.LifeAbsent, Layer: "process", Reason: e.Stranger, Death: sandbox.DeathReplaced}
	case e.ADB == ADBAnswers:
		return byAndroid(e)
	case e.Process == CVDLaunches && (e.Launcher != LauncherAlive || !e.HadBooted):
		return Verdict{Life: sandbox.LifeLaunching, Layer: "process", Reason: fmt.Sprintf("cvd %d is launching it", e.PID)}
	case e.Launcher == LauncherAlive:
		return byLauncher(e)
	case e.Process == VMRuns:
		return byVM(e)
	case e.Launcher == LauncherAbsent && e.Process == NoProcess:
		return dead(e)
	default:
		return unknown("neither ADB nor its launcher answers, and the process table does not settle it")
	}
}

func byAndroid(e Evidence) Verdict {
	switch e.Boot {
	case Booted:
		return Verdict{Life: sandbox.LifeRunning, Layer: "adb", Reason: "Android answers and has booted"}
	case BootNotYet:
		return Verdict{Life: sandbox.LifeBooting, Layer: "adb", Reason: "Android answers and has not booted yet"}
	case BootNotKnown:
	}
	return unknown("adbd answers, and Android does not say whether it has booted")
}

// byLauncher: a device that had booted may have lost its adbd for a moment, which is no verdict.
func byLauncher(e Evidence) Verdict {
	if e.HadBooted {
		return unknown("its launcher answers, and Android, which had booted, does not")
	}
	return Verdict{Life: sandbox.LifeBooting, Layer: "launcher", Reason: "its launcher answers, and Android does not yet"}
}

// byVM: of a device that had booted nobody can say whether it hangs or boots again, and one that is being
// ended does not boot.
func byVM(e Evidence) Verdict {
	if e.Stopper {
		return unknown(fmt.Sprintf("crosvm %d runs, and a cvd ends it", e.PID))
	}
	if e.HadBooted {
		return unknown(fmt.Sprintf("crosvm %d runs, and neither its launcher nor Android, which had booted, answers", e.PID))
	}
	return Verdict{
		Life: sandbox.LifeBooting, Layer: "process",
		Reason: fmt.Sprintf("crosvm %d runs, and Android does not answer yet", e.PID),
	}
}

// dead says how it ended, as far as that left traces.
func dead(e Evidence) Verdict {
	v := Verdict{Life: sandbox.LifeAbsent, Layer: "process", Death: sandbox.DeathCrashed}
	v.Reason = "no process of it is left and its launcher does not answer"
	switch {
	case e.Host == Rebooted:
		v.Death, v.Reason = sandbox.DeathRebooted, "the host was rebooted since it ran"
	case e.Ending == PoweredDown:
		v.Death, v.Reason = sandbox.DeathPoweredOff, "Android switched itself off"
	case e.Stopper:
		v.Death, v.Reason = sandbox.DeathStopped, "it was stopped by somebody else: a cvd that ended it was seen"
	case e.Fleet == fleetStopped && e.FleetLater:
		v.Death, v.Reason = sandbox.DeathStopped, "it was stopped by somebody else: cvd lists it as Stopped"
	case e.Ending == Panicked:
		v.Death, v.Reason = sandbox.DeathPanicked, "its kernel panicked; "+v.Reason
	}
	return v
}

func unknown(reason string) Verdict { return Verdict{Life: sandbox.LifeUnknown, Reason: reason} }
