package launcher

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// knownFlags are the launch flags of the simulated host package, with their defaults. Most change
// nothing here; they are listed because a real host package knows them.
func knownFlags() map[string]string {
	return map[string]string{
		"cpus": "4", "memory_mb": "4096", "smt": "false",
		"data_policy": "use_existing", "blank_data_image_mb": "8192", "userdata_format": "f2fs",
		"blank_sdcard_image_mb": "2048", "use_sdcard": "true", "use_overlay": "true", "resume": "true",
		"gpu_mode": "auto", "gpu_vhost_user_mode": "auto", "hwcomposer": "auto", "enable_sandbox": "false",
		"enable_virtiofs": "true", "snapshot_compatible": "false", "snapshot_path": "", "daemon": "false",
		"report_anonymous_usage_stats": "", "start_webrtc": "false", "webrtc_device_id": "cvd-{num}",
		"tcp_port_range": "15550:15599", "udp_port_range": "15550:15599",
		"webrtc_sig_server_addr": "/run/cuttlefish/operator",
		"crosvm_binary":          "", "crosvm_use_balloon": "true", "crosvm_use_rng": "true", "use_pmem": "true",
		"vhost_net": "false", "vhost_user_vsock": "auto", "enable_usb": "false", "enable_audio": "true",
		"enable_wifi": "true", "enable_modem_simulator": "true", "modem_simulator_count": "1",
		"enable_host_bluetooth": "true", "netsim_bt": "true", "enable_host_uwb": "true", "enable_host_nfc": "true",
		"start_gnss_proxy": "true", "enable_minimal_mode": "false", "enable_bootanimation": "true", "console": "false",
		"kgdb": "false", "extra_kernel_cmdline": "", "extra_bootconfig_args": "", "display": "", "display0": "",
		"x_res": "0", "y_res": "0", "dpi": "0", "refresh_rate_hz": "60", "config": "phone", "setupwizard_mode": "DISABLED",
		"use_random_serial": "false", "serial_number": "CUTTLEFISHCVD01", "fail_fast": "true",
		"restart_subprocesses": "false", "verbosity": "INFO", "file_verbosity": "DEBUG", "secure_hals": "",
		"system_image_dir": "", "use_cvdalloc": "false", "instance_nums": "", "num_instances": "1",
		"base_instance_num": "1", "boot_timeout_secs": "600",
	}
}

// ParseFlags reads gflags: one or two dashes, the value behind "=" or, for flags that are not boolean,
// in the next argument; booleans also as --name and --noname. Unknown ones are an error.
func ParseFlags(args []string) (map[string]string, error) {
	known := knownFlags()
	set := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		name = strings.ReplaceAll(name, "-", "_")
		def, ok := known[name]
		if bare, isNo := strings.CutPrefix(name, "no"); !ok && isNo && boolean(known[bare]) && !hasValue {
			set[bare] = "false"
			continue
		}
		switch {
		case !strings.HasPrefix(args[i], "-") || !ok:
			return nil, simroot.Saidf("ERROR: unknown command line flag '%s'", name)
		case hasValue:
		case boolean(def):
			value = "true"
		case i+1 < len(args):
			i++
			value = args[i]
		default:
			return nil, simroot.Saidf("ERROR: flag '%s' is missing its argument", name)
		}
		set[name] = value
	}
	for name, def := range known {
		if _, ok := set[name]; !ok {
			set[name] = def
		}
	}
	return set, nil
}

func boolean(value string) bool { return value == "true" || value == "false" }

// Truth reads a boolean flag's value.
func Truth(value string) bool {
	switch strings.ToLower(value) {
	case "true", "t", "yes", "y", "1":
		return true
	}
	return false
}

// checkSnapshot is what --snapshot_compatible demands of the other flags (AC assemble_cvd).
func checkSnapshot(flags map[string]string) error {
	if !Truth(flags["snapshot_compatible"]) {
		return nil
	}
	switch {
	case Truth(flags["enable_virtiofs"]):
		return simroot.Saidf("--enable_virtiofs should be false for snapshot")
	case Truth(flags["enable_usb"]):
		return simroot.Saidf("--enable_usb should be false for snapshot")
	case flags["gpu_mode"] != "guest_swiftshader":
		return simroot.Saidf("Only 2D guest_swiftshader is supported for snapshot")
	}
	return nil
}

// writeHelpXML prints the flags as gflags does for --helpxml.
func writeHelpXML(w io.Writer) {
	known := knownFlags()
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprint(w, "<?xml version=\"1.0\"?>\n<AllFlags>\n<program>cvd_internal_start</program>\n"+
		"<usage>Launch a device</usage>\n")
	for _, name := range names {
		def, typ := known[name], "string"
		if boolean(def) {
			typ = "bool"
		} else if _, err := strconv.Atoi(def); err == nil {
			typ = "int32"
		}
		fmt.Fprintf(w, "<flag><file>flags.cc</file><name>%s</name><meaning></meaning><default>%s</default>"+
			"<current>%s</current><type>%s</type></flag>\n", name, def, def, typ)
	}
	fmt.Fprint(w, "</AllFlags>\n")
}
