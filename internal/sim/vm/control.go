package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// crosvm's control socket keeps message boundaries.
const controlNetwork = "unixpacket"

// controlLimit bounds a stop. The other commands wait for ever, as they do with crosvm.
const controlLimit = 3 * time.Second

// The requests on the control socket, which are words here. A suspend or resume of the devices too ends with full.
const (
	requestStop    = "stop"
	requestSuspend = "suspend"
	requestResume  = "resume"
	requestMemory  = "memory" // what "snapshot take" needs of the VM
	full           = " full"
	done           = "ok"
)

// stop is "crosvm stop SOCKET".
func stop(args []string) error {
	if len(args) != 1 {
		return errors.New("stop: want the control socket")
	}
	return ask(args[0], requestStop, controlLimit)
}

// standStill is "crosvm suspend SOCKET [--full]", and resume.
func standStill(verb string, args []string) error {
	request, socket := verb, ""
	for _, arg := range args {
		switch {
		case arg == "--full":
			request = verb + full
		case socket == "" && !strings.HasPrefix(arg, "-"):
			socket = arg
		default:
			return fmt.Errorf("%s: unrecognized argument %q", verb, arg)
		}
	}
	if socket == "" {
		return fmt.Errorf("%s: want the control socket", verb)
	}
	return ask(socket, request, 0)
}

// snapshot is "crosvm snapshot take PATH SOCKET". What is in the file says only that it was taken.
func snapshot(args []string) error {
	if len(args) != 3 || args[0] != "take" {
		return errors.New("snapshot: want take PATH and the control socket")
	}
	if err := ask(args[2], requestMemory, 0); err != nil {
		return err
	}
	if err := os.WriteFile(args[1], []byte("simulated memory\n"), 0o644); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// ask sends one request to a VM and waits for its answer, at most limit; 0 is for ever.
func ask(socket, request string, limit time.Duration) error {
	verb, _, _ := strings.Cut(request, " ")
	dialer := net.Dialer{Timeout: limit}
	conn, err := dialer.DialContext(context.Background(), controlNetwork, socket)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	defer conn.Close()
	if limit > 0 {
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	reply := make([]byte, 512)
	n, err := conn.Read(reply)
	if err != nil {
		return fmt.Errorf("%s: no reply: %w", verb, err)
	}
	if string(reply[:n]) != done {
		return fmt.Errorf("%s: the VM answers: %s", verb, reply[:n])
	}
	return nil
}

// serveControl carries out what clients ask for, until the listener is closed. A client that waits for ever keeps nobody off.
func (m *machine) serveControl(ctx context.Context, listener net.Listener, cutPower func()) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go m.serveControlClient(ctx, conn, cutPower)
	}
}

func (m *machine) serveControlClient(ctx context.Context, conn net.Conn, cutPower func()) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetReadDeadline(time.Now().Add(controlLimit)); err != nil {
		return
	}
	request := make([]byte, 64)
	n, err := conn.Read(request)
	if err != nil {
		return
	}
	if string(request[:n]) == requestStop {
		_, _ = conn.Write([]byte(done)) // the client is told or gone
		cutPower()
		return
	}
	reply := done
	err = m.obey(string(request[:n]))
	switch {
	case errors.Is(err, errHang):
		if conn.SetReadDeadline(time.Time{}) == nil {
			_, _ = conn.Read(request) // until the client is gone
		}
		return
	case err != nil:
		reply = err.Error()
	}
	_, _ = conn.Write([]byte(reply)) // as above
}

// errHang is a request that is never answered.
var errHang = errors.New("no answer")

// obey carries out what does not end the VM.
func (m *machine) obey(request string) error {
	verb, devices, _ := strings.Cut(request, " ")
	switch verb {
	case requestSuspend, requestResume:
		hang := m.hangs(verb)
		if hang == hangIdle {
			return errHang
		}
		err := m.standStill(verb, devices != "")
		if hang == hangDone {
			return errHang
		}
		return err
	case requestMemory:
		if err := m.sleepless(true); err != nil {
			return err
		}
		return m.still.memory()
	}
	return errors.New("unknown request")
}

func (m *machine) standStill(verb string, devices bool) error {
	if verb == requestResume {
		return m.still.resume(devices, m.log)
	}
	if err := m.sleepless(devices); err != nil {
		return err
	}
	return m.still.suspend(devices)
}

// What a fault makes of a suspend or resume that never returns: it has had no effect, or all of it.
const (
	hangNot = iota
	hangIdle
	hangDone
)

// hangs reports what suspend_hang says about a request.
func (m *machine) hangs(verb string) int {
	fault, ok := m.claim(func(f inject.Fault) bool {
		return f.Name == "suspend_hang" && (f.Arg == "" || strings.HasPrefix(f.Arg, verb))
	})
	switch {
	case !ok:
		return hangNot
	case strings.HasSuffix(fault.Arg, "ed"):
		return hangDone
	}
	return hangIdle
}

// sleepless says why the VM cannot be suspended: a fault, or with devices one that cannot sleep
// (crosvm devices/src/suspendable.rs).
func (m *machine) sleepless(devices bool) error {
	device := ""
	if fault, ok := m.claim(func(f inject.Fault) bool { return f.Name == "suspend_unsupported" }); ok {
		if device = fault.Arg; device == "" {
			device = "fs"
		}
	} else if devices {
		device = m.insomniac()
	}
	if device == "" {
		return nil
	}
	err := simroot.Saidf("virtio_sleep not implemented for %s", device)
	fmt.Fprintf(m.log, "crosvm: failed to suspend the VM: %v\n", err)
	return err
}

// insomniac is the device of the VM that cannot sleep.
func (m *machine) insomniac() string {
	config, err := launcher.ReadConfig(filepath.Join(m.instanceDir(), "cuttlefish_config.json"))
	mine := config.Instances[strconv.Itoa(m.number)]
	switch {
	case err == nil && mine.SnapshotCompatible:
		return ""
	case err == nil && !mine.VirtioFS && mine.GPUMode == "guest_swiftshader":
		return "wl"
	case err == nil && !mine.VirtioFS:
		return "gpu"
	}
	return "fs"
}

// claim finds a device fault that holds now and counts it. What cannot be read is no fault.
func (m *machine) claim(wanted func(inject.Fault) bool) (inject.Fault, bool) {
	group := launcher.GroupAt(m.root, os.Getenv("HOME"))
	fault, ok, err := inject.Open(m.root.InjectFile()).ClaimFault(group, m.number, wanted)
	return fault, err == nil && ok
}
