package simroot

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Marker is the name of the file that makes a directory the root of a simulated host.
const Marker = ".cvd-sim.json"

// BootTimeVariable overrides the boot time of the marker where it reaches a program.
const BootTimeVariable = "CVD_SIM_BOOT_TIME"

// Settings are the content of the marker. The zero value of a field means its default.
type Settings struct {
	// Version of cvd itself: 1.40.0.
	Version string `json:"version,omitempty"`
	// HostVersion of the programs in the host package (assemble_cvd, run_cvd): as Version.
	HostVersion string `json:"host_version,omitempty"`
	// BootTime from the start of a launch to Running: 2.5s.
	BootTime string `json:"boot_time,omitempty"`
	// ADBBasePort is the ADB port of instance 1: 6520.
	ADBBasePort int `json:"adb_base_port,omitempty"`
	// Accounts is num_cvd_accounts, the number of instances that have network taps: 128.
	Accounts int `json:"num_cvd_accounts,omitempty"`
	// AndroidRelease is the Android version that guests imitate: 15, or 10.
	AndroidRelease string `json:"android_release,omitempty"`
	// OperatorVersion is the release of the operator: 1.55.2. Before 1.50 it knows polling only.
	OperatorVersion string `json:"operator_version,omitempty"`
	// OperatorHTTP and OperatorHTTPS are its loopback ports; 0 is a host without an operator.
	OperatorHTTP  int `json:"operator_http_port,omitempty"`
	OperatorHTTPS int `json:"operator_https_port,omitempty"`
	// CompositeBacking makes overlays with the format extension that crosvm demands since 2026-08.
	CompositeBacking bool `json:"composite_backing,omitempty"`
	// Keymint says where the keys of /data are when --secure_hals does not: host, the default, or guest.
	Keymint string `json:"keymint,omitempty"`
}

func (s Settings) withDefaults() Settings {
	if s.Version == "" {
		s.Version = "1.40.0"
	}
	if s.HostVersion == "" {
		s.HostVersion = s.Version
	}
	if s.BootTime == "" {
		s.BootTime = "2.5s"
	}
	if s.ADBBasePort == 0 {
		s.ADBBasePort = 6520
	}
	if s.OperatorVersion == "" {
		s.OperatorVersion = "1.55.2"
	}
	if s.AndroidRelease == "" {
		s.AndroidRelease = "15"
	}
	if s.Accounts == 0 {
		s.Accounts = 128
	}
	return s
}

// Create makes dir (and its parents) the root of a simulated host, or changes the settings of one.
// Nothing else below it is touched.
func Create(dir string, s Settings) (*Root, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("simulated host: %w", err)
	}
	if err := checkLength(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("simulated host: %w", err)
	}
	// The programs see their own path without symbolic links.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("simulated host: %w", err)
	}
	if err := checkLength(dir); err != nil {
		return nil, err
	}
	root, err := newRoot(dir, s)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{root.RuntimeDir(), root.in("tmp"), root.in("run")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("simulated host: %w", err)
		}
	}
	return root, writeMarker(dir, s)
}

func writeMarker(dir string, s Settings) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("simulated host: %w", err)
	}
	// Programs may be reading the marker while it changes.
	next := filepath.Join(dir, Marker+".new")
	if err := os.WriteFile(next, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("simulated host: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, Marker)); err != nil {
		return fmt.Errorf("simulated host: %w", err)
	}
	return nil
}

// Load reads the marker of dir.
func Load(dir string) (*Root, error) {
	data, err := os.ReadFile(filepath.Join(dir, Marker))
	if err != nil {
		return nil, fmt.Errorf("%s is not a simulated host: %w", dir, err)
	}
	var s Settings
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("simulated host %s: %s: %w", dir, Marker, err)
	}
	if t := os.Getenv(BootTimeVariable); t != "" {
		s.BootTime = t
	}
	return newRoot(dir, s)
}

func newRoot(dir string, s Settings) (*Root, error) {
	r := &Root{Dir: dir, Settings: s.withDefaults(), uid: os.Getuid()}
	var err error
	if r.CVD, err = ParseVersion(r.Settings.Version); err != nil {
		return nil, fmt.Errorf("simulated host %s: %w", dir, err)
	}
	if r.HostPackage, err = ParseVersion(r.Settings.HostVersion); err != nil {
		return nil, fmt.Errorf("simulated host %s: %w", dir, err)
	}
	if r.Operator, err = ParseVersion(r.Settings.OperatorVersion); err != nil {
		return nil, fmt.Errorf("simulated host %s: operator: %w", dir, err)
	}
	if r.BootTime, err = time.ParseDuration(r.Settings.BootTime); err != nil || r.BootTime < 0 {
		return nil, fmt.Errorf("simulated host %s: boot time %q: want a duration such as 2.5s", dir, r.Settings.BootTime)
	}
	return r, nil
}
