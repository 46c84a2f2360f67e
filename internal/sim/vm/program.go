package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Program is crosvm.
func Program(c simroot.Call) int {
	args := c.Args
	if len(args) > 0 && args[0] == "--extended-status" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(c.Err, "crosvm: no command")
		return 1
	}
	var err error
	switch args[0] {
	case "run":
		var m *machine
		if m, err = newMachine(c, args[1:]); err == nil {
			return m.run(context.Background())
		}
	case "stop":
		err = stop(args[1:])
	case "suspend", "resume":
		err = standStill(args[0], args[1:])
	case "snapshot":
		err = snapshot(args[1:])
	case "version":
		fmt.Fprintf(c.Out, "crosvm 0.1.0-simulated\n")
	case "create_qcow2":
		err = createOverlay(c.Root, args[1:])
	default:
		err = fmt.Errorf("%s is not part of the simulated VMM", args[0])
	}
	if err != nil {
		fmt.Fprintln(c.Err, "crosvm:", err)
		return 1
	}
	return 0
}

// newMachine reads the arguments that run_cvd passes.
func newMachine(c simroot.Call, args []string) (*machine, error) {
	m := &machine{root: c.Root, log: c.Err}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--socket":
			m.socket = value
		case "--cid":
			cid, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("--cid %q: %w", value, err)
			}
			m.number = cid - 2
		case "--restore":
			m.restore = true
		case "--block":
			if path := strings.TrimPrefix(value, "path="); filepath.Base(path) == "overlay.img" {
				m.overlay = path
			}
		}
	}
	if m.socket == "" || m.overlay == "" || m.number < 1 {
		return nil, errors.New("run: want --socket=PATH, --cid=N and --block=path=…/overlay.img")
	}
	return m, nil
}

// createOverlay is "create_qcow2 --backing-file BASE OUT" for a base that is a composite.
func createOverlay(root *simroot.Root, args []string) error {
	var base string
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		switch {
		case name != "--backing-file" && name != "--backing_file":
			rest = append(rest, args[i])
		case hasValue:
			base = value
		case i+1 < len(args):
			i++
			base = args[i]
		}
	}
	if base == "" || len(rest) != 1 {
		return errors.New("create_qcow2: want --backing-file BASE OUT")
	}
	composite, err := assemble.ReadComposite(base)
	if err != nil {
		return err
	}
	style := qcow2.Old
	if root.Settings.CompositeBacking {
		style = qcow2.New
	}
	image, err := qcow2.Create(rest[0], qcow2.Options{Size: composite.Length, Backing: base, Style: style})
	if err != nil {
		return err
	}
	return image.Close()
}

// events is where a VM reports its boot: file descriptor 3 from run_cvd.
func events() *os.File { return os.NewFile(3, "events") }
