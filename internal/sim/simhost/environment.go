package simhost

import (
	"fmt"
	"os/exec"
	"strconv"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// DefaultToken is the bearer token of the demo.
const DefaultToken = "demo-token"

const defaultAPIPort = 3107

// Environment returns the variables that point a runner at the host, to be added behind those of
// lookup (usually os.LookupEnv). What a person may have chosen (port, token, capacity) is only added
// where lookup has nothing.
func Environment(root *simroot.Root, lookup func(string) (string, bool)) []string {
	env := []string{
		"CVD_PATH=" + root.CVDProgram(),
		"CVD_HOME=" + root.HostHome(),
		"CVD_INSTANCES_PATH=" + root.InstancesDir(),
		"CVD_ARTIFACTS_PATH=" + root.ArtifactsDir(),
		"CVD_RUNTIME_PATH=" + root.RuntimeDir(),
		"TMPDIR=" + root.OwnTempDir(),
		"CVD_ADB_BASE_PORT=" + strconv.Itoa(root.Settings.ADBBasePort),
	}
	defaults := map[string]string{
		"API_PORT":           strconv.Itoa(defaultAPIPort),
		"CVD_HOST_MEMORY_MB": "65536", "CVD_HOST_CPUS": "32", "CVD_HOST_DISK_GB": "2048",
	}
	if _, ok := lookup("DAYTONA_RUNNER_TOKEN"); !ok {
		defaults["API_TOKEN"] = DefaultToken
	}
	if adb, err := exec.LookPath("adb"); err == nil {
		defaults["CVD_ADB_PATH"] = adb
	}
	for name, value := range defaults {
		if have, ok := lookup(name); !ok || have == "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// apiPort is the port that the command will serve on.
func apiPort(lookup func(string) (string, bool)) (int, error) {
	text, ok := lookup("API_PORT")
	if !ok || text == "" {
		return defaultAPIPort, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("API_PORT is %q: want a port number", text)
	}
	return port, nil
}

// tokenHint says which token to use without showing one that somebody chose.
func tokenHint(lookup func(string) (string, bool)) string {
	for _, name := range []string{"DAYTONA_RUNNER_TOKEN", "API_TOKEN"} {
		if v, ok := lookup(name); ok && v != "" && v != DefaultToken {
			return "$" + name
		}
	}
	return DefaultToken
}
