package launcher

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Exit codes of run_cvd (AC host/commands/run_cvd/runner_defs.h).
const (
	exitHost       = 2
	exitVM         = 9
	exitBootFailed = 11
	exitMonitor    = 13
)

// RunProgram is run_cvd: the daemon that owns one device until it is stopped or dies.
func RunProgram(c simroot.Call) int {
	d, err := deviceFromEnvironment(c.Root)
	if err != nil {
		fmt.Fprintln(c.Err, err)
		return 1
	}
	r := &runner{device: d, call: c, script: inject.Open(c.Root.InjectFile())}
	return r.run(os.NewFile(3, "report"), os.NewFile(4, "presence"))
}

// runner is a launcher. Its main goroutine starts all processes, because the kernel sends a child its
// parent's death signal when the *thread* that started it ends.
type runner struct {
	device
	call   simroot.Call
	script *inject.Script

	report *os.File // takes the exit code for the foreground; nil once it is told
	vm     *exec.Cmd
	exited chan struct{} // closed at the end of vm
	events chan string   // what vm reports of its boot; closed at its end
	screen streamer

	restoring bool // the VM began with a saved memory
	suspended bool // by cvd; what crosvm is told by others is not known here
}

func (r *runner) logf(format string, args ...any) {
	now := time.Now().Format("01-02 15:04:05.000")
	fmt.Fprintf(r.call.Err, "%s run_cvd(%d) I %s\n", now, os.Getpid(), fmt.Sprintf(format, args...))
}

func (r *runner) run(report, presence *os.File) int {
	r.report = report
	for _, f := range []*os.File{report, presence} {
		unix.CloseOnExec(int(f.Fd())) // a VM that keeps them open would hide this process's end
	}
	if r.number > r.root.Settings.Accounts || faults().Has("no_tap") {
		r.logf("Failed to validate tap devices. Try `cvd reset` or check that cvd-mtap-%02d exists and is free", r.number)
		return exitHost
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", MonitorSocket(r.udsDir()))
	if err != nil {
		r.logf("Unable to open the launcher monitor socket: %v", err)
		return exitMonitor
	}
	defer listener.Close()
	if err := r.startVM(); err != nil {
		r.logf("Unable to start the VM: %v", err)
		return exitVM
	}
	r.startStreamer()
	defer r.stopStreamer()
	requests := make(chan request)
	go serveMonitor(listener, requests, r.muted)
	return r.loop(requests, r.watchForeground(presence))
}

// muted reports whether the monitor shall not answer.
func (r *runner) muted() bool {
	fs, err := r.script.Device(r.group(), r.number)
	return err == nil && fs.Has("unreachable")
}

// watchForeground returns a channel that is closed when cvd_internal_start is gone. Before 1.38 run_cvd
// did not look.
func (r *runner) watchForeground(presence *os.File) <-chan struct{} {
	if !r.root.HostPackage.AtLeast(1, 38) || faults().Has("survive") {
		return nil
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var b [1]byte
		_, _ = presence.Read(b[:]) // nobody writes: it returns at the end of the file
	}()
	return gone
}

// bootLimit fires when the launcher gives the boot up: --boot_timeout_secs of run_cvd since 1.55, which is 600 where
// nobody sets it. Before that a boot has no limit.
func (r *runner) bootLimit() (limit time.Duration, over <-chan time.Time) {
	if !r.root.HostPackage.AtLeast(1, 55) {
		return 0, nil
	}
	fault, _ := faults().Find("boot_timeout")
	limit = fault.Seconds(10 * time.Minute)
	return limit, time.After(limit)
}

func (r *runner) loop(requests <-chan request, foreground <-chan struct{}) int {
	limit, tooLate := r.bootLimit()
	for {
		select {
		case <-tooLate:
			if r.report == nil {
				continue // it has booted
			}
			r.logf("Device boot timed out after %g seconds", limit.Seconds())
			r.tell(exitBootFailed)
			r.stopVM()
			return exitBootFailed
		case event, ok := <-r.events:
			if !ok {
				r.events = nil
				continue
			}
			switch event {
			case "booted":
				r.logf("VIRTUAL_DEVICE_BOOT_COMPLETED")
				if r.restoring {
					r.logf("The device was restored successfully")
				}
				r.tell(0)
			case "failed":
				r.logf("VIRTUAL_DEVICE_BOOT_FAILED")
				r.tell(exitBootFailed)
				r.stopVM()
				return exitBootFailed
			}
		case <-foreground:
			foreground = nil
			if r.report != nil {
				r.logf("The foreground launcher is gone before the boot completed, exiting")
				r.stopVM()
				return exitBootFailed
			}
		case <-r.exited:
			r.logf("Detected unexpected exit of monitored subprocess crosvm: %v", r.vm.ProcessState)
			r.logf("Stopping all monitored processes due to unexpected exit of critical process")
			return exitVM
		case <-r.screen.exited:
			r.streamerEnded()
		case <-r.screen.restart:
			r.startStreamer()
		case req := <-requests:
			if done := r.answer(req); done {
				return 0
			}
		}
	}
}

// answer carries a client's command out and reports whether the launcher ends.
func (r *runner) answer(req request) (done bool) {
	switch req.command {
	case Status:
		req.reply <- Success
	case Stop, Fail:
		r.stopStreamer()
		r.stopVM()
		req.reply <- Success
		<-req.sent // the client has its answer before the socket goes
		return true
	case Extended:
		req.reply <- r.extended(req.body)
	case Restart:
		r.suspended = false
		_ = os.Remove(filepath.Join(r.assemblyDir(), assemble.RestoreMark)) // a memory is good for one start
		r.stopVM()
		reply := Success
		if err := r.startVM(); err != nil {
			r.logf("Unable to restart the VM: %v", err)
			reply = Failure
		}
		req.reply <- reply
	default:
		req.reply <- Unknown
	}
	return false
}

// tell reports the boot's outcome to the foreground, once.
func (r *runner) tell(code uint32) {
	if r.report == nil {
		return
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], code)
	if _, err := r.report.Write(b[:]); err != nil {
		r.logf("The foreground launcher does not listen: %v", err)
	}
	r.report.Close()
	r.report = nil
}

// startVM starts process_restarter and through it the VM.
func (r *runner) startVM() error {
	if err := os.Remove(r.controlSocket()); err != nil && !os.IsNotExist(err) {
		return err
	}
	events, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	crosvm := filepath.Join(r.bin, "crosvm")
	args := []string{"-when_exited_with_code=32", "-ignore_sigtstp"}
	memory, err := os.ReadFile(filepath.Join(r.assemblyDir(), assemble.RestoreMark))
	if r.restoring = err == nil; r.restoring {
		args = append(args, firstTimeFlag+"--restore="+string(memory))
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(r.bin, "process_restarter"), append(args, "--",
		crosvm, "--extended-status", "run", "--socket="+r.controlSocket(),
		"--name=cvd-"+strconv.Itoa(r.number), "--core-scheduling=false", "--cid="+strconv.Itoa(r.number+2),
		"--block=path="+filepath.Join(r.instanceDir(), "overlay.img"),
		"--block=path="+filepath.Join(r.instanceDir(), "persistent_composite.img"),
		"--block=path="+filepath.Join(r.instanceDir(), "sdcard.img"))...)
	cmd.Dir = r.instanceDir()
	cmd.Env = os.Environ()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGHUP}
	if err := errors.Join(cmd.Start(), writer.Close()); err != nil {
		events.Close()
		return err
	}
	r.logf("Starting monitored subprocess crosvm")
	r.vm, r.exited, r.events = cmd, make(chan struct{}), make(chan string, 4)
	go func(exited chan<- struct{}) {
		_ = cmd.Wait() // the state says all
		close(exited)
	}(r.exited)
	go readEvents(events, r.events)
	return nil
}

// readEvents passes the lines of the pipe on until its writers are gone.
func readEvents(f *os.File, out chan<- string) {
	defer f.Close()
	defer close(out)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		select {
		case out <- lines.Text():
		default: // only a VM that restarts again and again says more than the launcher reads
		}
	}
}

// stopVM cuts the power: the guest gets no chance to shut down.
func (r *runner) stopVM() {
	const limit = 3 * time.Second
	time.Sleep(r.root.BootTime / 10)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := exec.CommandContext(ctx, filepath.Join(r.bin, "crosvm"), "stop", r.controlSocket()).Run(); err != nil {
		r.logf("crosvm stop: %v", err)
		_ = r.vm.Process.Signal(unix.SIGTERM) // process_restarter; the VM gets SIGHUP
	}
	select {
	case <-r.exited:
	case <-time.After(limit):
		r.logf("The VM did not stop in %s, killing it", limit)
		_ = r.vm.Process.Kill()
		<-r.exited
	}
}
