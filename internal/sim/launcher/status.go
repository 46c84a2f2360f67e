package launcher

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/jsoncpp"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// ADBSerial is the serial under which the host package announces a device. It changed in 1.55.1.
func ADBSerial(root *simroot.Root, n int) string {
	host := "0.0.0.0"
	if v := root.HostPackage; v.AtLeast(1, 56) || v.AtLeast(1, 55) && v.Patch >= 1 {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("%s:%d", host, root.ADBPort(n))
}

// Displays is how status prints the display of a phone.
func Displays() []any { return []any{"720 x 1280 ( 320 )"} }

// StatusProgram is cvd_internal_status: it prints what the launcher of each instance says.
func StatusProgram(c simroot.Call) int {
	config, err := readConfig()
	if err != nil {
		fmt.Fprintln(c.Err, err)
		return 1
	}
	code := 0
	for number, instance := range config.Instances {
		reply, err := Ask(filepath.Join(config.InstancesUDS, "cvd-"+number), Status, waitForLauncher(c.Args, 5*time.Second))
		if err != nil || reply != Success {
			fmt.Fprintf(c.Err, "Device %s does not answer: %v\n", number, err)
			code = 1
			continue
		}
		fmt.Fprintln(c.Out, jsoncpp.Format(map[string]any{
			"adb_serial": ADBSerial(c.Root, instance.GuestCID-2), "assembly_dir": config.AssemblyDir,
			"instance_dir": instance.InstanceDir, "status": "Running", "displays": Displays(),
		}))
	}
	return code
}
