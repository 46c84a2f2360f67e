package simroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Variable names the root for programs that are not run from below it.
const Variable = "SIM_ROOT"

// Root is a simulated host. It is read-only after it was found and safe to share.
type Root struct {
	Dir         string // absolute, without symbolic links
	Settings    Settings
	CVD         Version // of the cvd program
	HostPackage Version // of assemble_cvd and its neighbours
	Operator    Version // of the host operator
	BootTime    time.Duration

	uid int
}

// Find returns the host that the running program belongs to: the nearest marker above its
// executable, else the root that SIM_ROOT names.
func Find() (*Root, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the simulated host: %w", err)
	}
	for dir := filepath.Dir(exe); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, Marker)); err == nil {
			return Load(dir)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if dir := os.Getenv(Variable); dir != "" {
		return Load(dir)
	}
	return nil, fmt.Errorf("no %s above %s: run the links below the root of a simulated host, or set %s",
		Marker, exe, Variable)
}

func (r *Root) in(parts ...string) string {
	return filepath.Join(append([]string{r.Dir}, parts...)...)
}

// RuntimeDir is /var/tmp/cvd (CVD_RUNTIME_PATH).
func (r *Root) RuntimeDir() string { return r.in("var", "tmp", "cvd") }

// UserDir holds the user's database, groups and logs.
func (r *Root) UserDir() string { return filepath.Join(r.RuntimeDir(), strconv.Itoa(r.uid)) }

// Database is cvd's instance database.
func (r *Root) Database() string { return filepath.Join(r.UserDir(), "instance_database.binpb") }

// LockDir holds the locks of the instance numbers.
func (r *Root) LockDir() string { return filepath.Join(r.RuntimeDir(), "lock") }

// TempDir is /tmp. Like the real tools it gives way to TMPDIR when that names a directory.
func (r *Root) TempDir() string {
	for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
		if dir := os.Getenv(name); dir != "" {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				return dir
			}
		}
	}
	return r.OwnTempDir()
}

// OwnTempDir is the host's own /tmp, whatever the environment says.
func (r *Root) OwnTempDir() string { return r.in("tmp") }

// HostHome is CVD_HOME: the host package that images without one of their own use.
func (r *Root) HostHome() string { return r.in("home") }

// CVDProgram is /usr/bin/cvd.
func (r *Root) CVDProgram() string { return r.in("usr", "bin", "cvd") }

// ArtifactsDir holds the base images.
func (r *Root) ArtifactsDir() string { return r.in("artifacts") }

// InstancesDir is the runner's own data.
func (r *Root) InstancesDir() string { return r.in("instances") }

// UDSDir holds the sockets of instance n.
func (r *Root) UDSDir(n int) string { return UDSDirIn(r.TempDir(), r.uid, n) }

// UDSDirIn is UDSDir below another /tmp.
func UDSDirIn(tmp string, uid, n int) string {
	return filepath.Join(tmp, fmt.Sprintf("cf_avd_%d", uid), fmt.Sprintf("cvd-%d", n))
}

// EnvironmentDir holds the sockets of the group whose first instance is n.
func (r *Root) EnvironmentDir(n int) string {
	return filepath.Join(r.TempDir(), fmt.Sprintf("cf_env_%d", r.uid), fmt.Sprintf("env-%d", n))
}

// VsockDir holds the vhost-user sockets of instance n.
func (r *Root) VsockDir(n int) string {
	return filepath.Join(r.TempDir(), fmt.Sprintf("vsock_%d_%d", n+2, r.uid))
}

// ADBPort is the ADB port of instance n.
func (r *Root) ADBPort(n int) int { return r.Settings.ADBBasePort + n - 1 }

// HostPath is where a path of a real host lies: below the root, unless it already does.
func (r *Root) HostPath(path string) string {
	if path == r.Dir || strings.HasPrefix(path, r.Dir+"/") {
		return path
	}
	return r.in(path)
}

// OperatorProgram is the host operator.
func (r *Root) OperatorProgram() string {
	return r.in("usr", "lib", "cuttlefish-common", "bin", "operator")
}

// OperatorCerts holds the operator's certificate and key.
func (r *Root) OperatorCerts() string {
	return r.in("etc", "cuttlefish-common", "operator", "cert")
}

// OperatorSocket is where devices register.
func (r *Root) OperatorSocket() string { return r.in("run", "cuttlefish", "operator") }

// OperatorControl is where cvd tells of devices that are to come.
func (r *Root) OperatorControl() string { return r.in("run", "cuttlefish", "operator_control") }

// OperatorPIDFile holds the operator's process number.
func (r *Root) OperatorPIDFile() string { return r.in("run", "cuttlefish", "operator.pid") }

// OperatorLog is the operator's log.
func (r *Root) OperatorLog() string { return r.in("run", "cuttlefish", "operator.log") }

// InjectFile holds the rules by which the host misbehaves.
func (r *Root) InjectFile() string { return r.in("inject.json") }

const maxSocketPath = 107 // sun_path without its final NUL, unix(7)

// checkLength refuses roots below which the longest socket of a device has no room.
func checkLength(dir string) error {
	longest := filepath.Join(UDSDirIn(filepath.Join(dir, "tmp"), os.Getuid(), 128), "internal", "crosvm_control.sock")
	if over := len(longest) - maxSocketPath; over > 0 {
		return errors.Join(ErrTooDeep, fmt.Errorf("%s: sockets below it would be %d bytes too long for a Unix socket "+
			"address (%d at most): choose a root with a shorter path", dir, over, maxSocketPath))
	}
	return nil
}

// ErrTooDeep is what Create returns for a root whose sockets would not fit.
var ErrTooDeep = errors.New("root of the simulated host is too deep")
