package cvd

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Crosvms finds the processes of main VMs, each by its control socket. The supervisor that restarts a VM and that of
// the access point carry almost the same arguments and are not among them. crosvm's sandboxed children have exactly
// the same: of such the parent is taken.
func Crosvms(procs []host.Process) map[string]host.Process {
	const option = "--socket="
	same := map[string][]host.Process{}
	for _, p := range procs {
		if p.Zombie || p.Exe != "crosvm" {
			continue
		}
		for _, arg := range p.Args {
			if socket, found := strings.CutPrefix(arg, option); found {
				same[socket] = append(same[socket], p)
			}
		}
	}
	found := make(map[string]host.Process, len(same))
	for socket, all := range same {
		for _, p := range all {
			if !slices.ContainsFunc(all, func(other host.Process) bool { return other.PID == p.PPID }) {
				found[socket] = p
				break
			}
		}
	}
	return found
}

// DeviceProcesses returns the processes of procs that belong to device n: those that cvd gave this
// number and group home in their environment, and those with a path below the device's socket
// directory uds in their arguments. An empty groupHome or uds matches nothing by that rule. Zombies
// are left out; so is the adb server, which serves all devices although one of them started it.
//
// It reads one environment for each process that its arguments do not give away.
func DeviceProcesses(
	ctx context.Context, h host.Host, procs []host.Process, n sandbox.Instance, groupHome, uds string,
) ([]host.Process, error) {
	var out []host.Process
	for _, p := range procs {
		if p.Zombie || len(p.Args) == 0 || isADBServer(p) {
			continue
		}
		if namesBelow(p.Args, uds) {
			out = append(out, p)
			continue
		}
		if groupHome == "" {
			continue
		}
		env, err := h.Environ(ctx, p.ProcessID)
		if err != nil {
			return nil, fault.Op("look for processes of "+n.String(), err)
		}
		if ofDevice(env, n, groupHome) {
			out = append(out, p)
		}
	}
	return out, nil
}

// isADBServer reports the server that an adb client forks, which inherits the client's environment.
func isADBServer(p host.Process) bool {
	return p.Exe == "adb" && slices.Contains(p.Args, "fork-server")
}

func ofDevice(env []string, n sandbox.Instance, groupHome string) bool {
	home, number := false, false
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		switch key {
		case "HOME":
			home = value != "" && path.Clean(value) == path.Clean(groupHome)
		case "CUTTLEFISH_INSTANCE":
			number = value == strconv.Itoa(int(n))
		}
	}
	return home && number
}

// namesBelow reports whether an argument names dir or something below it, also behind "--socket=" or in a
// list of keys and values.
func namesBelow(args []string, dir string) bool {
	if dir == "" {
		return false
	}
	below := path.Clean(dir) + "/"
	return slices.ContainsFunc(args, func(arg string) bool {
		for rest := arg + "/"; ; {
			at := strings.Index(rest, below)
			if at < 0 {
				return false
			}
			if at == 0 || strings.ContainsRune("=,:; '\"", rune(rest[at-1])) {
				return true
			}
			rest = rest[at+1:]
		}
	})
}
