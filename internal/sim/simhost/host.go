package simhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Options are one run of a simulated host.
type Options struct {
	Root     string // directory; made if missing
	Binary   string // the cvd-sim binary
	Command  []string
	Settings simroot.Settings // fields that are set replace those of a used root
	// KeepDevices leaves the devices running when the command has ended.
	KeepDevices bool
	// TimeScale divides the limits of the simulated Daytona; 1 if it is not positive.
	TimeScale float64
	// OperatorTLS points the command at the operator's TLS port, with the certificate's fingerprint.
	OperatorTLS bool

	Out io.Writer // the ready line, and the command's stdout
	Err io.Writer // the command's stderr, which also goes to runner.log
	// LookupEnv is os.LookupEnv or a substitute; the command's environment is os.Environ plus Environment.
	LookupEnv func(string) (string, bool)
}

const (
	readyLimit = 60 * time.Second // until the command should serve
	stopLimit  = 30 * time.Second // between SIGTERM and SIGKILL
	ports      = 100              // devices that a runner may have at a time by default
)

// Run furnishes the host, runs the command until it ends or ctx does, and ends all processes of the
// host. It returns the command's exit status.
func Run(ctx context.Context, o Options) (code int, err error) {
	root, closeRoot, err := open(o)
	if err != nil {
		return 1, err
	}
	defer closeRoot()
	if err := endCommand(root); err != nil {
		return 1, err
	}
	if err := powerCycle(root); err != nil {
		return 1, err
	}
	port, err := apiPort(o.LookupEnv)
	if err != nil {
		return 1, err
	}
	if !portFree(port) {
		return 1, fmt.Errorf("port %d is taken by %s: end it, or choose another port with API_PORT", port, listenerOf(port))
	}
	if err := Furnish(root, o.Binary); err != nil {
		return 1, err
	}
	if !o.KeepDevices {
		defer func() { err = errors.Join(err, EndProcesses(root)) }()
	}
	hired, releaseOperator, err := hireOperator(root, port)
	if err != nil {
		return 1, err
	}
	defer releaseOperator()
	root = hired
	store, err := startStore(root, o.LookupEnv, port)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, store.stop()) }()
	plane, err := startControlPlane(o.LookupEnv, port, o.TimeScale)
	if err != nil {
		return 1, err
	}
	// After the command: it may have something to report to the last.
	defer func() { err = errors.Join(err, plane.stop()) }()
	return runCommand(ctx, root, port, plane, store, o)
}

// open makes or opens the root. Until close is called no other host uses it or its ADB ports.
func open(o Options) (root *simroot.Root, closeRoot func(), err error) {
	settings := o.Settings
	if old, err := simroot.Load(o.Root); err == nil {
		settings = merge(old.Settings, settings)
	}
	if root, err = simroot.Create(o.Root, settings); err != nil {
		return nil, nil, err
	}
	lock, err := lockRoot(root.Dir)
	if err != nil {
		return nil, nil, err
	}
	base, release, err := reserveBlock(settings.ADBBasePort, ports)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	closeRoot = func() {
		release()
		lock.Close()
	}
	settings.ADBBasePort = base
	if root, err = simroot.Create(root.Dir, settings); err != nil {
		closeRoot()
		return nil, nil, err
	}
	return root, closeRoot, nil
}

// lockRoot keeps a second host off the root. The file tells people who has it.
func lockRoot(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "host.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the simulated host: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(lock.Name())
		return nil, errors.Join(fmt.Errorf("%s is in use by another cvd-sim host (process %s): "+
			"end that one, or choose another --root", dir, holder), lock.Close())
	}
	if err := errors.Join(lock.Truncate(0), writeString(lock, strconv.Itoa(os.Getpid()))); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the simulated host: %w", err), lock.Close())
	}
	return lock, nil
}

func writeString(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// merge takes from next what it sets and from old the rest.
func merge(old, next simroot.Settings) simroot.Settings {
	if next.Version == "" {
		next.Version, next.HostVersion = old.Version, old.HostVersion
	}
	if next.BootTime == "" {
		next.BootTime = old.BootTime
	}
	if next.ADBBasePort == 0 {
		next.ADBBasePort = old.ADBBasePort
	}
	if next.Accounts == 0 {
		next.Accounts = old.Accounts
	}
	if next.OperatorVersion == "" {
		next.OperatorVersion = old.OperatorVersion
	}
	if next.OperatorHTTP == 0 {
		next.OperatorHTTP, next.OperatorHTTPS = old.OperatorHTTP, old.OperatorHTTPS
	}
	if next.Keymint == "" {
		next.Keymint = old.Keymint
	}
	next.CompositeBacking = next.CompositeBacking || old.CompositeBacking
	return next
}

func runCommand(ctx context.Context, root *simroot.Root, port int, plane controlPlane, store objectStore, o Options) (int, error) {
	log, err := openLog(root)
	if err != nil {
		return 1, err
	}
	defer log.Close()
	// Not with ctx: its end is a request to stop, not a kill.
	cmd := exec.CommandContext(context.Background(), o.Command[0], o.Command[1:]...)
	operatorEnv, err := operatorEnvironment(root, o.LookupEnv, o.OperatorTLS)
	if err != nil {
		return 1, err
	}
	cmd.Env = slices.Concat(os.Environ(), Environment(root, o.LookupEnv), operatorEnv, store.env, plane.env)
	cmd.Stdout = o.Out
	// A file, not a pipe: when this process dies the command can go on writing.
	cmd.Stderr = log
	// Ctrl-C is for this process, which passes it on as SIGTERM.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start the command: %w", err)
	}
	if err := recordCommand(root, cmd.Process.Pid); err != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		return 1, errors.Join(err, cmd.Wait())
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state says all
		close(exited)
	}()
	followed := follow(log.Name(), o.Err)
	defer followed()
	watch, stopWatching := context.WithTimeout(ctx, readyLimit)
	defer stopWatching()
	ready := make(chan bool, 1)
	go func() { ready <- awaitReady(watch, port) }()
	for {
		select {
		case ok := <-ready:
			ready = nil
			if ok {
				fmt.Fprintf(o.Out, "demo ready  http://127.0.0.1:%d  token %s  devices from 127.0.0.1:%d  root %s  operator http://127.0.0.1:%d  %s%s%s\n",
					port, tokenHint(o.LookupEnv), root.Settings.ADBBasePort, root.Dir, root.Settings.OperatorHTTP, store.hint, plane.display, plane.hint)
			} else if ctx.Err() == nil {
				fmt.Fprintf(o.Err, "cvd-sim host: nothing answers on http://127.0.0.1:%d/ after %s\n", port, readyLimit)
			}
		case <-exited:
			return cmd.ProcessState.ExitCode(), nil
		case <-ctx.Done():
			_ = cmd.Process.Signal(unix.SIGTERM)
			select {
			case <-exited:
			case <-time.After(stopLimit):
				fmt.Fprintf(o.Err, "cvd-sim host: the command did not end in %s, killing it\n", stopLimit)
				_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
				<-exited
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

func openLog(root *simroot.Root) (*os.File, error) {
	path := filepath.Join(root.Dir, "runner.log")
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keep the last log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return f, nil
}

// follow copies what is appended to a file until the returned function is called, which copies the rest.
func follow(path string, out io.Writer) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		f, err := os.Open(path)
		if err != nil {
			fmt.Fprintf(out, "cvd-sim host: the log cannot be shown: %v\n", err)
			return
		}
		defer f.Close()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			last := false
			select {
			case <-end:
				last = true
			case <-tick.C:
			}
			if _, err := io.Copy(out, f); err != nil || last {
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// awaitReady reports whether the command serves before ctx ends.
func awaitReady(ctx context.Context, port int) bool {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
		if err != nil {
			return false
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func commandFile(root *simroot.Root) string { return filepath.Join(root.Dir, "host.json") }

// recordCommand notes which process the next host has to end when this one cannot.
func recordCommand(root *simroot.Root, pid int) error {
	p, _ := proctable.Read(pid)
	data, err := json.Marshal(p.ID)
	if err != nil {
		return fmt.Errorf("record the command: %w", err)
	}
	if err := os.WriteFile(commandFile(root), data, 0o644); err != nil {
		return fmt.Errorf("record the command: %w", err)
	}
	return nil
}

// endCommand ends the command of a host that was killed.
func endCommand(root *simroot.Root) error {
	data, err := os.ReadFile(commandFile(root))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var id proctable.ID
	if err != nil || json.Unmarshal(data, &id) != nil || !id.Alive() {
		return os.Remove(commandFile(root))
	}
	left := []proctable.Process{{ID: id}}
	id.Signal(unix.SIGTERM)
	if proctable.AwaitGone(left, 5*time.Second) != nil {
		_ = unix.Kill(-id.PID, unix.SIGKILL) // it leads a process group of its own
		if err := proctable.AwaitGone(left, 5*time.Second); err != nil {
			return fmt.Errorf("end the command of the last host: %w", err)
		}
	}
	return os.Remove(commandFile(root))
}
