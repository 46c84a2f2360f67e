package simhost

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
)

const (
	usualADBPort = 6520 // of instance 1 on a real host
	lastADBPort  = 32000
)

// reserveBlock takes a block of free ports, the preferred one, the usual one or another, and returns its
// first port. Until release is called no other simulated host of this machine takes the same block,
// although nobody listens there yet.
func reserveBlock(preferred, size int) (base int, release func(), err error) {
	candidates := []int{preferred, usualADBPort}
	for base := usualADBPort + 200; base+size < lastADBPort; base += 200 {
		candidates = append(candidates, base)
	}
	for _, base := range candidates {
		if base == 0 {
			continue
		}
		// An abstract socket leaves no file behind and ends with the process.
		mark, err := new(net.ListenConfig).Listen(context.Background(), "unix", fmt.Sprintf("@cvd-sim-adb-%d", base))
		if err != nil {
			continue
		}
		if blockFree(base, size) {
			return base, func() { mark.Close() }, nil
		}
		mark.Close()
	}
	return 0, nil, fmt.Errorf("no block of %d free ports between %d and %d for ADB", size, usualADBPort, lastADBPort)
}

func blockFree(base, size int) bool {
	for port := base; port < base+size; port++ {
		if !portFree(port) {
			return false
		}
	}
	return true
}

func portFree(port int) bool {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// listenerOf describes the process that listens on a TCP port, as far as the caller may see it.
func listenerOf(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > 9 && fields[3] == "0A" && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
		f.Close()
	}
	for _, p := range proctable.List() {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && inodes[target] {
				return fmt.Sprintf("process %d (%s)", p.PID, strings.Join(p.Args, " "))
			}
		}
	}
	return "another process"
}
