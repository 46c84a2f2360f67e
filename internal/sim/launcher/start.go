package launcher

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/secureenv"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// StartProgram is cvd_internal_start: it assembles the disks, starts the launcher and waits for the
// boot.
func StartProgram(c simroot.Call) int {
	if slices.ContainsFunc(c.Args, func(a string) bool { return a == "--helpxml" || a == "-helpxml" }) {
		writeHelpXML(c.Out)
		return 1 // gflags exits 1 after any help
	}
	if err := start(c); err != nil {
		fmt.Fprintln(c.Err, err)
		return 1
	}
	return 0
}

func start(c simroot.Call) error {
	flags, err := ParseFlags(c.Args)
	if err != nil {
		return err
	}
	d, err := deviceFromEnvironment(c.Root)
	if err != nil {
		return err
	}
	if snapshot := flags["snapshot_path"]; snapshot != "" {
		resume := flags["resume"]
		if flags, err = d.savedFlags(snapshot); err != nil {
			return err
		}
		flags["resume"] = resume
	}
	if err := checkSnapshot(flags); err != nil {
		return err
	}
	if err := d.prepareFaults(); err != nil {
		return err
	}
	if err := d.assemble(c, flags); err != nil {
		return err
	}
	if err := d.prepareRun(flags); err != nil {
		return err
	}
	return d.launch(c)
}

// prepareFaults puts the obstacles of a fault in the way of the assembly.
func (d device) prepareFaults() error {
	switch fs := faults(); {
	case fs.Has("disk_full"):
		return simroot.Saidf("Not enough space remaining in fs containing %q, wanted 8589934592, got 4096",
			d.instanceDir())
	case fs.Has("files_in_use"):
		path := d.log("logcat")
		if err := os.MkdirAll(filepath.Dir(path), 0o775); err != nil {
			return fmt.Errorf("hold files: %w", err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return fmt.Errorf("hold files: %w", err)
		}
		return startHelper(d.bin, d.environment(), "--hold="+path)
	}
	return nil
}

// environment is what all processes of the device have.
func (d device) environment() []string {
	return append(os.Environ(), "HOME="+d.home, "CUTTLEFISH_INSTANCE="+strconv.Itoa(d.number),
		"CUTTLEFISH_CONFIG_FILE="+filepath.Join(d.assemblyDir(), "cuttlefish_config.json"))
}

func (d device) assemble(c simroot.Call, flags map[string]string) error {
	time.Sleep(c.Root.BootTime / 10)
	product := flags["system_image_dir"]
	if product == "" {
		product = os.Getenv("ANDROID_PRODUCT_OUT")
	}
	dataMB, err := strconv.Atoi(flags["blank_data_image_mb"])
	if err != nil {
		return fmt.Errorf("--blank_data_image_mb: %w", err)
	}
	sdcardMB, err := strconv.Atoi(flags["blank_sdcard_image_mb"])
	if err != nil {
		return fmt.Errorf("--blank_sdcard_image_mb: %w", err)
	}
	var log bytes.Buffer // its file is below a directory that is being emptied
	_, err = assemble.Run(assemble.Config{
		Instance: d.number, Home: d.home, Product: product, Dirs: d.socketDirs(),
		Version: c.Root.HostPackage, Policy: assemble.DataPolicy(flags["data_policy"]),
		BlankMB: dataMB, SDCardMB: sdcardMB, NoResume: !Truth(flags["resume"]), Snapshot: flags["snapshot_path"],
		ForceWipe: faults().Has("wipe_on_start"), CompositeBacking: c.Root.Settings.CompositeBacking,
		Log: io.MultiWriter(&log, c.Err), Holders: holders,
	})
	if mkErr := os.MkdirAll(d.assemblyDir(), 0o775); mkErr == nil {
		err = errors.Join(err, os.WriteFile(filepath.Join(d.assemblyDir(), "assemble_cvd.log"), log.Bytes(), 0o644))
	}
	return err
}

func holders(dirs ...string) []int {
	var pids []int
	for _, p := range proctable.Holders(dirs...) {
		pids = append(pids, p.PID)
	}
	return pids
}

// prepareRun makes what the launcher expects: directories, configuration, logs.
func (d device) prepareRun(flags map[string]string) error {
	dirs := append(d.socketDirs(), filepath.Join(d.udsDir(), "internal"), filepath.Join(d.udsDir(), "grpc_socket"),
		filepath.Join(d.instanceDir(), "logs"))
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o775); err != nil {
			return fmt.Errorf("prepare the run: %w", err)
		}
	}
	if err := d.writeConfig(flags); err != nil {
		return err
	}
	if err := secureenv.Make(d.instanceDir()); err != nil {
		return err
	}
	links := map[string]string{
		"assemble_cvd.log":       filepath.Join(d.assemblyDir(), "assemble_cvd.log"),
		"cuttlefish_config.json": filepath.Join(d.instanceDir(), "cuttlefish_config.json"),
	}
	for name, target := range links {
		if err := link(target, d.log(name)); err != nil {
			return err
		}
	}
	switch fs := faults(); {
	case fs.Has("stale_socket"):
		return staleSocket(d.udsDir())
	case fs.Has("port_in_use"):
		return LeakPort(d.root, d.bin, d.home, d.number)
	}
	return nil
}

// staleSocket leaves a socket that nobody listens on, in a directory that the next starts leave alone.
func staleSocket(udsDir string) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: MonitorSocket(udsDir), Net: "unix"})
	if err != nil {
		return fmt.Errorf("leave a stale socket: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	return errors.Join(listener.Close(), os.WriteFile(filepath.Join(udsDir, assemble.ForeignMark), nil, 0o644))
}

// launch starts run_cvd as a daemon and waits until it reports the boot.
func (d device) launch(c simroot.Call) error {
	report, reportWriter, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start run_cvd: %w", err)
	}
	defer report.Close()
	// The launcher reads the other pipe to learn that this process is gone.
	presence, presenceWriter, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start run_cvd: %w", errors.Join(err, reportWriter.Close()))
	}
	defer presenceWriter.Close()
	log, err := os.OpenFile(d.log("launcher.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start run_cvd: %w", errors.Join(err, reportWriter.Close(), presence.Close()))
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(d.bin, "run_cvd")) // outlives this process
	cmd.Dir = d.instanceDir()
	cmd.Env = d.environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{reportWriter, presence}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err := errors.Join(err, reportWriter.Close(), presence.Close(), log.Close()); err != nil {
		return fmt.Errorf("start run_cvd: %w", err)
	}
	var code [4]byte
	n, err := io.ReadFull(report, code[:])
	if err == nil && binary.LittleEndian.Uint32(code[:]) == 0 {
		return nil
	}
	d.printLog(c.Err)
	if err != nil {
		return simroot.Saidf("Failed to read a complete exit code, read %d bytes only", n)
	}
	return simroot.Saidf("Virtual device failed to boot, exit code %d of run_cvd", binary.LittleEndian.Uint32(code[:]))
}

// printLog shows the launcher's log where the launch failed.
func (d device) printLog(w io.Writer) {
	if data, err := os.ReadFile(d.log("launcher.log")); err == nil {
		_, _ = w.Write(data) // stderr is all there is to tell it on
	}
}
