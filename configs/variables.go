package configs

import (
	"slices"
	"time"
)

// variable is one row of the documentation: runner.env lists the same rows in the same order,
// which a test proves.
type variable struct {
	names    []string // the first that is set wins; messages use the first
	fallback string   // default, in the same text form; empty leaves the field at its zero value
	required bool
	secret   bool
	setting  setting
}

// known returns a row with one name; an empty fallback means that nothing is a value too.
func known(name, fallback string, s setting) variable {
	return variable{names: []string{name}, fallback: fallback, setting: s}
}

// Bounds that are facts of the host rather than taste.
const (
	maxInstances = 128  // address plan of Cuttlefish's taps
	minMemoryMB  = 2048 // below it Android does not come up
	minDiskGB    = 8
	maxPort      = 65535
	longestTerm  = 365 * 24 * time.Hour
)

// gpuModes is what assemble_cvd accepts for --gpu_mode.
var gpuModes = []string{
	"guest_swiftshader", "guest_lavapipe", "auto", "none", "custom", "drm_virgl", "gfxstream",
	"gfxstream_guest_angle", "gfxstream_guest_angle_host_swiftshader", "gfxstream_guest_angle_host_lavapipe",
}

// variables binds every variable to its field of c.
func variables(c *Config) []variable {
	token := variable{
		names: []string{"DAYTONA_RUNNER_TOKEN", "API_TOKEN"}, required: true, secret: true, setting: secretSetting{&c.Token},
	}
	return slices.Concat([]variable{token}, c.apiVariables(), c.daytonaVariables(), c.capacityVariables(), c.limitVariables(),
		c.hostVariables(), c.deviceVariables(), c.displayVariables(), c.snapshotVariables(), c.tracingVariables())
}

func (c *Config) apiVariables() []variable {
	return []variable{
		known("API_PORT", "3107", intSetting{&c.API.Port, 0, maxPort, ""}),
		known("LOG_LEVEL", "info", levelSetting{&c.LogLevel}),
		known("RUNNER_DOMAIN", "", domainSetting{&c.API.Domain}),
		known("ENABLE_TLS", "false", boolSetting{&c.API.TLS.Enabled}),
		known("TLS_CERT_FILE", "", pathSetting{&c.API.TLS.CertFile}),
		known("TLS_KEY_FILE", "", pathSetting{&c.API.TLS.KeyFile}),
	}
}

func (c *Config) daytonaVariables() []variable {
	return []variable{
		{names: []string{"DAYTONA_API_URL", "SERVER_URL"}, setting: urlSetting{&c.Daytona.URL}},
		// The API caps a poll at a minute, and takes a runner that is silent for one out of service.
		known("POLL_TIMEOUT", "30s", durationSetting{&c.Daytona.PollTimeout, time.Second, time.Minute}),
		known("POLL_LIMIT", "10", intSetting{&c.Daytona.PollLimit, 1, 100, ""}),
		known("HEALTHCHECK_INTERVAL", "30s", durationSetting{&c.Daytona.HealthcheckInterval, 100 * time.Millisecond, 50 * time.Second}),
	}
}

func (c *Config) tracingVariables() []variable {
	headers := variable{names: []string{"OTEL_EXPORTER_OTLP_HEADERS"}, secret: true, setting: headersSetting{&c.Tracing.Headers}}
	return []variable{
		known("OTEL_TRACING_ENABLED", "false", boolSetting{&c.Tracing.Enabled}),
		known("OTEL_EXPORTER_OTLP_ENDPOINT", "", urlSetting{&c.Tracing.Endpoint}),
		headers,
	}
}

func (c *Config) snapshotVariables() []variable {
	s := &c.Snapshot
	return []variable{
		known("AWS_DEFAULT_BUCKET", "", bucketSetting{&s.Bucket}),
		known("AWS_ENDPOINT_URL", "", urlSetting{&s.Endpoint}),
		known("AWS_REGION", "us-east-1", domainSetting{&s.Region}),
		{names: []string{"AWS_ACCESS_KEY_ID"}, secret: true, setting: secretSetting{&s.AccessKey}},
		{names: []string{"AWS_SECRET_ACCESS_KEY"}, secret: true, setting: secretSetting{&s.SecretKey}},
		known("SNAPSHOT_COMPRESSION", "none", choiceSetting{&s.Compression, []string{"none", "zstd"}}),
		known("SNAPSHOT_COLLECTION", "dry-run", choiceSetting{&s.Collection, []string{"off", "dry-run", "on"}}),
		known("SNAPSHOT_UNUSED_AFTER", "336h", durationSetting{&s.UnusedAfter, time.Hour, longestTerm}),
	}
}

func (c *Config) capacityVariables() []variable {
	const mib, gib = " (MiB)", " (GiB)"
	return []variable{
		known("CVD_DEFAULT_CPUS", "4", intSetting{&c.Default.CPUs, 1, 256, ""}),
		known("CVD_DEFAULT_MEMORY_MB", "4096", intSetting{&c.Default.MemoryMB, minMemoryMB, 1 << 20, mib}),
		known("CVD_DEFAULT_DISK_GB", "20", intSetting{&c.Default.DiskGB, minDiskGB, 1 << 14, gib}),
		known("CVD_MEMORY_OVERHEAD_MB", "512", intSetting{&c.Capacity.MemoryOverheadMB, 0, 1 << 16, mib}),
		known("CVD_CPU_OVERCOMMIT", "4", ratioSetting{&c.Capacity.CPUOvercommit, 0.1, 64}),
		known("CVD_HOST_MEMORY_MB", "0", measuredSetting{intSetting{&c.Capacity.HostMemoryMB, 0, 1 << 26, mib}}),
		known("CVD_HOST_CPUS", "0", measuredSetting{intSetting{&c.Capacity.HostCPUs, 0, 1 << 12, ""}}),
		known("CVD_HOST_DISK_GB", "0", measuredSetting{intSetting{&c.Capacity.HostDiskGB, 0, 1 << 24, gib}}),
	}
}

func (c *Config) limitVariables() []variable {
	return []variable{
		known("CVD_BOOT_TIMEOUT", "5m", durationSetting{&c.Limits.BootTimeout, time.Second, 14 * time.Minute}),
		known("CVD_BOOT_CONCURRENCY", "3", intSetting{&c.Limits.BootConcurrency, 1, maxInstances, ""}),
		known("EXEC_MAX_OUTPUT", "16MiB", bytesSetting{&c.Limits.ExecMaxOutput, 1 << 10, 1 << 28}),
		known("HEALTH_INTERVAL", "30s", durationSetting{&c.Health.Interval, 100 * time.Millisecond, time.Hour}),
		known("HEALTH_FAILURES", "3", intSetting{&c.Health.Failures, 1, 100, ""}),
		known("RESTART_POLICY", "off", choiceSetting{&c.Health.Restart.Policy, []string{"off", RestartOnFailure}}),
		known("RESTART_ATTEMPTS", "3", intSetting{&c.Health.Restart.Attempts, 1, 100, ""}),
		known("RESTART_WINDOW", "1h", durationSetting{&c.Health.Restart.Window, time.Minute, 7 * 24 * time.Hour}),
		known("IDLE_TIMEOUT", "0s", durationSetting{&c.Health.Term.Idle, 0, longestTerm}),
		known("MAX_LIFETIME", "0s", durationSetting{&c.Health.Term.Lifetime, 0, longestTerm}),
		known("INSTALL_URL_NETWORKS", "", networksSetting{&c.Install.URLNetworks}),
	}
}

func (c *Config) hostVariables() []variable {
	const cuttlefish = "/var/lib/cuttlefish"
	return []variable{
		known("CVD_INSTANCES_PATH", cuttlefish+"/instances", pathSetting{&c.Host.InstancesPath}),
		known("CVD_ARTIFACTS_PATH", cuttlefish+"/artifacts", pathSetting{&c.Host.ArtifactsPath}),
		known("CVD_HOME", "/home/vsoc-01", pathSetting{&c.Host.Home}),
		known("CVD_RUNTIME_PATH", "/var/tmp/cvd", pathSetting{&c.Host.RuntimePath}),
		known("TMPDIR", "/tmp", pathSetting{&c.Host.TempDir}),
		known("CVD_PATH", "/usr/bin/cvd", pathSetting{&c.Host.CVDPath}),
		known("CVD_ADB_PATH", "/usr/lib/cuttlefish-common/bin/adb", pathSetting{&c.Host.ADBPath}),
	}
}

func (c *Config) displayVariables() []variable {
	return []variable{
		known("CVD_OPERATOR_URL", "http://127.0.0.1:1080", urlSetting{&c.Display.OperatorURL}),
		known("CVD_OPERATOR_CERT_SHA256", "", fingerprintSetting{&c.Display.OperatorCert}),
		{names: []string{"WEBRTC_ICE_SERVERS"}, secret: true, setting: iceSetting{&c.Display.ICEServers}},
		known("WEBRTC_CONNECTOR", "own", choiceSetting{&c.Display.Connector, []string{"own", "operator"}}),
	}
}

func (c *Config) deviceVariables() []variable {
	return []variable{
		known("CVD_MAX_INSTANCES", "100", intSetting{&c.Device.MaxInstances, 1, maxInstances, ""}),
		known("CVD_ADB_BASE_PORT", "6520", intSetting{&c.Device.ADBBasePort, 1024, maxPort, ""}),
		known("CVD_ADB_MODE", "direct", choiceSetting{&c.Device.ADBMode, []string{"direct", "server"}}),
		known("CVD_GPU_MODE", "guest_swiftshader", choiceSetting{&c.Device.GPUMode, gpuModes}),
		known("CVD_AUDIO", "false", boolSetting{&c.Device.Audio}),
	}
}
