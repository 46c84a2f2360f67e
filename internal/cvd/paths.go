package cvd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Paths knows where Cuttlefish keeps what belongs to no group directory. The zero fields Runtime and
// Tmp mean /var/tmp/cvd and /tmp.
type Paths struct {
	Runtime string // groups and locks: cvd 1.33 and later use /var/tmp/cvd
	Tmp     string // sockets; the host tools take it from TMPDIR
	UID     int    // the user that owns the devices
	UDS     string // instances_uds_dir of a device's config, once known: it wins over the rule
}

// With returns the paths of a device whose config is known.
func (p Paths) With(c Config) Paths {
	if path.IsAbs(c.UDSDir) {
		p.UDS = path.Clean(c.UDSDir)
	}
	return p
}

func (p Paths) runtime() string { return orDefault(p.Runtime, "/var/tmp/cvd") }
func (p Paths) tmp() string     { return orDefault(p.Tmp, "/tmp") }
func (p Paths) uid() string     { return strconv.Itoa(p.UID) }

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// UserDir is the directory of cvd's database and of the groups' directories.
func (p Paths) UserDir() string { return path.Join(p.runtime(), p.uid()) }

// LockFile is the file whose lock and first byte ("I" = in use) reserve an instance number.
func (p Paths) LockFile(n sandbox.Instance) string {
	return path.Join(p.runtime(), "lock", fmt.Sprintf("local-instance-%d.lock", int(n)))
}

// UDSDir is the directory of the device's sockets.
func (p Paths) UDSDir(n sandbox.Instance) string {
	root := p.UDS
	if root == "" {
		root = path.Join(p.tmp(), "cf_avd_"+p.uid())
	}
	return path.Join(root, n.String())
}

// EnvDir is the directory of the network simulation of a group whose first instance is n.
func (p Paths) EnvDir(n sandbox.Instance) string {
	return path.Join(p.tmp(), "cf_env_"+p.uid(), fmt.Sprintf("env-%d", int(n)))
}

// VsockDir is the directory of the device's vhost-user vsock sockets.
func (p Paths) VsockDir(n sandbox.Instance) string {
	return path.Join(p.tmp(), fmt.Sprintf("vsock_%d_%d", n.VsockCID(), p.UID))
}

// LauncherSocket is where run_cvd answers; see ProbeLauncher.
func (p Paths) LauncherSocket(n sandbox.Instance) string {
	return path.Join(p.UDSDir(n), "launcher_monitor.sock")
}

// CrosvmSocket is the control socket of the device's main VM.
func (p Paths) CrosvmSocket(n sandbox.Instance) string {
	return path.Join(p.UDSDir(n), "internal", "crosvm_control.sock")
}

// Config is what the runner uses of a group's cuttlefish_config.json.
type Config struct {
	UDSDir    string // directory above the instances' socket directories
	RootDir   string
	Instances map[sandbox.Instance]InstanceConfig
}

// InstanceConfig is one instance of a Config.
type InstanceConfig struct {
	ADBPort      int
	VsockCID     int
	DeviceID     string
	CrosvmBinary string
}

func configFile(home string) string {
	return path.Join(home, "cuttlefish", "assembly", "cuttlefish_config.json")
}

// ReadConfig reads the config that assembly wrote for the group with that home. It is NotFound
// before the group's first start and while a start is wiping.
func ReadConfig(ctx context.Context, h host.Files, home string) (Config, error) {
	op := "read " + configFile(home)
	b, err := h.ReadFile(ctx, configFile(home), 0)
	if missing(err) {
		return Config{}, fault.Wrap(fault.NotFound, op, err)
	}
	if err != nil {
		return Config{}, fault.Op(op, err)
	}
	c, err := parseConfig(b)
	return c, fault.Wrap(fault.Unavailable, op, err)
}

func parseConfig(b []byte) (Config, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return Config{}, err
	}
	c := Config{
		UDSDir:    text(raw["instances_uds_dir"]),
		RootDir:   text(raw["root_dir"]),
		Instances: map[sandbox.Instance]InstanceConfig{},
	}
	var instances map[string]map[string]json.RawMessage
	if err := json.Unmarshal(raw["instances"], &instances); err != nil {
		return c, nil // old or odd: what is above is still true
	}
	for key, i := range instances {
		n, err := strconv.Atoi(key)
		if err != nil || !sandbox.Instance(n).Valid() {
			continue
		}
		c.Instances[sandbox.Instance(n)] = InstanceConfig{
			ADBPort:      number(i["adb_host_port"]),
			VsockCID:     number(i["vsock_guest_cid"]),
			DeviceID:     text(i["webrtc_device_id"]),
			CrosvmBinary: text(i["crosvm_binary"]),
		}
	}
	return c, nil
}

// missing reports that a file is not there.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound)
}
