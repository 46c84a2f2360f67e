package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/cuttlefish"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
	"github.com/daytonaio/runner-android/internal/sim/vm"
	"github.com/daytonaio/runner-android/internal/sim/webrtc"
)

func init() {
	// The kernel sends a child its parent's death signal when the thread that started it ends, so
	// children are started from this goroutine and it keeps the main thread.
	runtime.LockOSThread()
}

func main() { os.Exit(dispatch(filepath.Base(os.Args[0]), os.Args[1:])) }

// faces are the programs of the simulated host.
func faces() map[string]func(simroot.Call) int {
	return map[string]func(simroot.Call) int{
		"cvd":                 cuttlefish.Program,
		"cvd_internal_start":  launcher.StartProgram,
		"cvd_internal_stop":   launcher.StopProgram,
		"cvd_internal_status": launcher.StatusProgram,
		"run_cvd":             launcher.RunProgram,
		"process_restarter":   launcher.RestarterProgram,
		"tombstone_receiver":  launcher.HelperProgram,
		"snapshot_util_cvd":   launcher.SnapshotProgram,
		"crosvm":              vm.Program,
		"webRTC":              webrtc.Program,
		"operator":            operator.Program,
	}
}

// verbs are what a person uses.
func verbs() map[string]func([]string) int {
	return map[string]func([]string) int{
		"host": host, "inject": injectRules, "reboot": reboot, "daytona": daytonaAPI, "proxy": daytonaProxy, "apk": buildAPK,
		"operator": hostOperator,
	}
}

func dispatch(name string, args []string) int {
	face, ok := faces()[name]
	if !ok && len(args) > 0 {
		if verb, ok := verbs()[args[0]]; ok {
			return verb(args[1:])
		}
		face, ok = faces()[args[0]]
		args = args[1:]
	}
	if !ok {
		fmt.Fprintf(os.Stderr, "usage: cvd-sim %s …\nor one of the programs %s\n",
			strings.Join(slices.Sorted(maps.Keys(verbs())), " | "), strings.Join(slices.Sorted(maps.Keys(faces())), ", "))
		return 2
	}
	root, err := simroot.Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return face(simroot.Call{Root: root, Args: args, Out: os.Stdout, Err: os.Stderr})
}
