package launcher

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// firstTimeFlag begins an argument that the command gets the first time only.
const firstTimeFlag = "-first_time_argument="

// RestarterProgram is process_restarter: it runs the command behind "--" and starts it again while it
// ends with the code of -when_exited_with_code, which is how a guest reboots.
func RestarterProgram(c simroot.Call) int {
	split := slices.Index(c.Args, "--")
	if split < 0 || split+1 == len(c.Args) {
		fmt.Fprintln(c.Err, "process_restarter: no command")
		return 1
	}
	again := -1
	for _, arg := range c.Args[:split] {
		if v, ok := strings.CutPrefix(arg, "-when_exited_with_code="); ok {
			again, _ = strconv.Atoi(v) // no number: never again
		}
	}
	argv := c.Args[split+1:]
	first := slices.Clone(argv)
	for _, arg := range c.Args[:split] {
		if extra, ok := strings.CutPrefix(arg, firstTimeFlag); ok {
			first = append(first, extra)
		}
	}
	for now := first; ; now = argv {
		code, err := runOnce(c, now)
		if err != nil {
			fmt.Fprintln(c.Err, "process_restarter:", err)
			return 1
		}
		if code != again {
			return code
		}
	}
}

func runOnce(c simroot.Call, argv []string) (int, error) {
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if events := os.NewFile(3, "events"); events != nil {
		cmd.ExtraFiles = []*os.File{events}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGHUP}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	// Look at the corpse before it is buried: the fault zombie_vm leaves it lying.
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	if leaveZombie(c.Root) {
		end := make(chan os.Signal, 1)
		signal.Notify(end, unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
		<-end
	}
	_ = cmd.Wait() // the state says all
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

func leaveZombie(root *simroot.Root) bool {
	d, err := deviceFromEnvironment(root)
	if err != nil {
		return false
	}
	fs, err := inject.Open(root.InjectFile()).Device(d.group(), d.number)
	return err == nil && fs.Has("zombie_vm")
}
