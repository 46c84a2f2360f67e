package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// The extended commands of the monitor, which are words here and protobuf in reality.
const (
	askSuspend   = "suspend"
	askResume    = "resume"
	askSuspended = "suspended?"
	askMemory    = "memory " // with the path to write it to
)

// metaName is the file that makes a directory a snapshot of a group's memory.
const metaName = "snapshot_meta_info.json"

// snapshotMeta is its content.
type snapshotMeta struct {
	Path  string            `json:"snapshot_path"`
	Home  string            `json:"HOME"`
	Guest map[string]string `json:"guest_snapshot"` // by number: a directory in the snapshot
}

// SnapshotProgram is snapshot_util_cvd. Like the real one it waits for the launcher as long as that takes.
func SnapshotProgram(c simroot.Call) int {
	if err := snapshotUtil(c); err != nil {
		fmt.Fprintln(c.Err, err)
		return 1
	}
	return 0
}

// snapshotFlags are its arguments.
type snapshotFlags struct {
	verb, path                  string
	force, autoSuspend, cleanUp bool
}

func parseSnapshotFlags(args []string) (snapshotFlags, error) {
	f := snapshotFlags{cleanUp: true}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch name {
		case "subcmd":
			f.verb = value
		case "snapshot_path":
			f.path = value
		case "force":
			f.force = value == "" || Truth(value)
		case "auto_suspend":
			f.autoSuspend = value == "" || Truth(value)
		case "cleanup_snapshot_path":
			f.cleanUp = value == "" || Truth(value)
		case "wait_for_launcher":
		default:
			return f, simroot.Saidf("ERROR: unknown command line flag '%s'", name)
		}
	}
	return f, nil
}

func snapshotUtil(c simroot.Call) error {
	f, err := parseSnapshotFlags(c.Args)
	if err != nil {
		return err
	}
	d, err := deviceFromEnvironment(c.Root)
	if err != nil {
		return err
	}
	switch f.verb {
	case askSuspend, askResume:
		if faults().Has("snapshot_hang") {
			hang()
		}
		return d.askLauncher(f.verb)
	case "snapshot_take":
		return d.takeSnapshot(f)
	}
	return simroot.Saidf("--subcmd is %q: want suspend, resume or snapshot_take", f.verb)
}

// hang waits until the process is killed.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// askLauncher sends one extended command and wants success.
func (d device) askLauncher(body string) error {
	reply, err := AskExtended(d.udsDir(), body)
	if err != nil {
		return err
	}
	if reply != Success {
		return simroot.Saidf("The launcher of instance %d refuses to %s: see launcher.log", d.number, strings.TrimSpace(body))
	}
	return nil
}

func (d device) takeSnapshot(f snapshotFlags) (err error) {
	if !filepath.IsAbs(f.path) {
		return simroot.Saidf("--snapshot_path is %q: want an absolute path", f.path)
	}
	if _, err := os.Lstat(f.path); err == nil && !f.force {
		return simroot.Saidf("Delete the destination directory %q first", f.path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the destination: %w", err)
	}
	if f.autoSuspend {
		if err := d.askLauncher(askSuspend); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.askLauncher(askResume)) }()
	}
	reply, err := AskExtended(d.udsDir(), askSuspended)
	if err != nil {
		return err
	}
	if reply != Success {
		return simroot.Saidf("The device is not suspended, and snapshot cannot be taken")
	}
	if err := os.RemoveAll(f.path); err != nil {
		return fmt.Errorf("empty the destination: %w", err)
	}
	if err := d.saveAll(f.path); err != nil {
		if f.cleanUp {
			err = errors.Join(err, os.RemoveAll(f.path))
		}
		return err
	}
	return nil
}

// saveAll writes the snapshot. The memory comes first, because the simulated one ends up in the disk.
func (d device) saveAll(dir string) error {
	memory := assemble.GuestMemory(dir, d.number)
	if err := os.MkdirAll(filepath.Dir(memory), 0o775); err != nil {
		return fmt.Errorf("save the memory: %w", err)
	}
	if err := d.askLauncher(askMemory + memory); err != nil {
		return err
	}
	if err := assemble.CopyTree(filepath.Join(d.home, "cuttlefish"), assemble.SavedTree(dir)); err != nil {
		return err
	}
	if faults().Has("snapshot_hang") {
		hang()
	}
	meta, err := json.MarshalIndent(snapshotMeta{
		Path: dir, Home: d.home, Guest: map[string]string{strconv.Itoa(d.number): assemble.GuestSnapshot(d.number)},
	}, "", "\t")
	if err != nil {
		return fmt.Errorf("describe the snapshot: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, metaName), append(meta, '\n'), 0o644); err != nil {
		return fmt.Errorf("describe the snapshot: %w", err)
	}
	return nil
}

// savedFlags returns the launch flags of a snapshot that is to be restored; those of the command line are of no account. A
// snapshot is good for the very group and number that it was taken of (AC PR 3053).
func (d device) savedFlags(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, metaName))
	if err != nil {
		return nil, fmt.Errorf("read the snapshot: %w", err)
	}
	var meta snapshotMeta
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, fmt.Errorf("read the snapshot: %s: %w", metaName, err)
	}
	_, mine := meta.Guest[strconv.Itoa(d.number)]
	switch {
	case faults().Has("restore_mismatch"), !mine:
		return nil, simroot.Saidf("Restoring from snapshot failed: instance nums must match: the snapshot is not of instance %d", d.number)
	case meta.Home != d.home:
		return nil, simroot.Saidf("Restoring from snapshot failed: it is of the home %q, and this is %q", meta.Home, d.home)
	}
	config, err := ReadConfig(filepath.Join(assemble.SavedTree(dir), "assembly", "cuttlefish_config.json"))
	if err != nil {
		return nil, err
	}
	config.Flags["snapshot_path"] = dir
	return config.Flags, nil
}

// extended carries out a command of more than one byte. It waits for the VM as long as that takes, and the launcher with it.
func (r *runner) extended(body string) byte {
	var args []string
	switch memory, isMemory := strings.CutPrefix(body, askMemory); {
	case body == askSuspended && r.suspended:
		return Success
	case body == askSuspended:
		return Failure
	case isMemory:
		args = []string{"snapshot", "take", memory, r.controlSocket()}
	case body == askSuspend, body == askResume:
		args = []string{body, r.controlSocket(), "--full"}
	default:
		return Unknown
	}
	time.Sleep(r.root.BootTime / 20)
	cmd := exec.CommandContext(context.Background(), filepath.Join(r.bin, "crosvm"), args...) // without a limit, as there
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		r.logf("crosvm %s: %v", strings.Join(args, " "), err)
		return Failure
	}
	switch body {
	case askSuspend:
		r.suspended = true
	case askResume:
		r.suspended = false
	}
	return Success
}
