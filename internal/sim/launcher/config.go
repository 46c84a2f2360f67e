package launcher

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Config is the part of cuttlefish_config.json that others read.
type Config struct {
	RootDir      string                    `json:"root_dir"`
	AssemblyDir  string                    `json:"assembly_dir"`
	InstancesUDS string                    `json:"instances_uds_dir"`
	Instances    map[string]InstanceConfig `json:"instances"` // by number
	Flags        map[string]string         `json:"launch_flags"`
}

// InstanceConfig is one instance in it.
type InstanceConfig struct {
	InstanceDir  string `json:"instance_dir"`
	ADBHostPort  int    `json:"adb_host_port"`
	DeviceID     string `json:"webrtc_device_id"`
	GuestCID     int    `json:"vsock_guest_cid"`
	CrosvmBinary string `json:"crosvm_binary"`
	CPUs         int    `json:"cpus"`
	MemoryMB     int    `json:"memory_mb"`
	GPUMode      string `json:"gpu_mode"`
	VirtioFS     bool   `json:"enable_virtiofs"`
	// SnapshotCompatible devices can be suspended with all that they have.
	SnapshotCompatible bool   `json:"snapshot_compatible"`
	SecureHALs         string `json:"secure_hals"` // empty: the host's
	SerialNumber       string `json:"serial_number"`
	SignalServer       string `json:"webrtc_sig_server_addr"`
	TCPPorts           string `json:"webrtc_tcp_port_range"` // min:max
	UDPPorts           string `json:"webrtc_udp_port_range"`
}

func (d device) config(flags map[string]string) Config {
	cpus, _ := strconv.Atoi(flags["cpus"]) // what is no number becomes 0, as in gflags' absence
	memory, _ := strconv.Atoi(flags["memory_mb"])
	return Config{
		Flags:        flags,
		RootDir:      filepath.Join(d.home, "cuttlefish"),
		AssemblyDir:  d.assemblyDir(),
		InstancesUDS: filepath.Dir(d.udsDir()),
		Instances: map[string]InstanceConfig{strconv.Itoa(d.number): {
			InstanceDir: d.instanceDir(), ADBHostPort: d.root.ADBPort(d.number), DeviceID: DeviceID(flags["webrtc_device_id"], d.number),
			GuestCID: d.number + 2, CrosvmBinary: filepath.Join(d.bin, "crosvm"), CPUs: cpus, MemoryMB: memory,
			GPUMode: flags["gpu_mode"], VirtioFS: Truth(flags["enable_virtiofs"]),
			SnapshotCompatible: Truth(flags["snapshot_compatible"]),
			SecureHALs:         flags["secure_hals"], SerialNumber: fmt.Sprintf("CUTTLEFISHCVD%02d", d.number),
			SignalServer: flags["webrtc_sig_server_addr"],
			TCPPorts:     first(flags["tcp_port_range"]), UDPPorts: first(flags["udp_port_range"]),
		}},
	}
}

// DeviceID is the id of instance n that --webrtc_device_id asks for: {num} becomes the number.
func DeviceID(flag string, n int) string {
	return strings.ReplaceAll(first(flag), "{num}", strconv.Itoa(n))
}

// first is what a flag with a list for several instances says about the first one.
func first(list string) string {
	value, _, _ := strings.Cut(list, ",")
	return value
}

// writeConfig writes the configuration for the group and the instance, and the links to it.
func (d device) writeConfig(flags map[string]string) error {
	data, err := json.MarshalIndent(d.config(flags), "", "\t")
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	name := "cuttlefish_config.json"
	for _, dir := range []string{d.assemblyDir(), d.instanceDir()} {
		if err := os.MkdirAll(dir, 0o775); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	return link(filepath.Join(d.assemblyDir(), name), filepath.Join(d.home, ".cuttlefish_config.json"))
}

// link makes path a link to target, whatever it was.
func link(target, path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("link %s: %w", path, err)
	}
	if err := os.Symlink(target, path); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	return nil
}

// readConfig reads the configuration that the environment points to.
func readConfig() (Config, error) {
	path := os.Getenv("CUTTLEFISH_CONFIG_FILE")
	if path == "" {
		path = filepath.Join(os.Getenv("HOME"), ".cuttlefish_config.json")
	}
	return ReadConfig(path)
}

// ReadConfig reads a cuttlefish_config.json.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	return c, nil
}
