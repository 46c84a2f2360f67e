package configs

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// conflict is a rule over several variables: it holds, or one of them is to blame.
type conflict struct {
	involved []string // first names; the rule is not judged when one of them is wrong by itself
	blame    string   // the one that the message names
	reason   string   // empty when the rule holds
}

// conflicts judges the settings together. Rules about variables that are wrong already are
// skipped: their fields hold nothing to judge.
func (c *Config) conflicts(values map[string]string, wrong []Problem) []Problem {
	rows := variables(c)
	byName := make(map[string]variable, len(rows))
	for _, v := range rows {
		byName[v.names[0]] = v
	}
	isWrong := func(name string) bool {
		return slices.ContainsFunc(wrong, func(p Problem) bool { return slices.Contains(byName[name].names, p.Name) })
	}
	var problems []Problem
	for _, rule := range slices.Concat(c.tlsConflicts(), c.portConflicts(), c.pathConflicts(), c.capacityConflicts(), c.snapshotConflicts(), c.tracingConflicts()) {
		if rule.reason == "" || slices.ContainsFunc(rule.involved, isWrong) {
			continue
		}
		problems = append(problems, byName[rule.blame].problem(values, rule.reason))
	}
	return problems
}

func (c *Config) tlsConflicts() []conflict {
	cert := conflict{involved: []string{"ENABLE_TLS", "TLS_CERT_FILE"}, blame: "TLS_CERT_FILE"}
	key := conflict{involved: []string{"ENABLE_TLS", "TLS_KEY_FILE"}, blame: "TLS_KEY_FILE"}
	pair := conflict{involved: []string{"ENABLE_TLS", "TLS_CERT_FILE", "TLS_KEY_FILE"}, blame: "TLS_CERT_FILE"}
	files := c.API.TLS
	if !files.Enabled {
		return nil
	}
	if files.CertFile == "" {
		cert.reason = "is required because ENABLE_TLS is true: an absolute path of a PEM certificate chain"
	}
	if files.KeyFile == "" {
		key.reason = "is required because ENABLE_TLS is true: an absolute path of the certificate's PEM key"
	}
	if files.CertFile != "" && files.KeyFile != "" {
		if _, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile); err != nil {
			pair.reason = fmt.Sprintf("must be the certificate of TLS_KEY_FILE, and both readable: %v", err)
		}
	}
	return []conflict{cert, key, pair}
}

func (c *Config) portConflicts() []conflict {
	first, last := c.Device.ADBBasePort, c.Device.ADBBasePort+c.Device.MaxInstances-1
	room := conflict{involved: []string{"CVD_ADB_BASE_PORT", "CVD_MAX_INSTANCES"}, blame: "CVD_ADB_BASE_PORT"}
	if last > maxPort {
		room.reason = fmt.Sprintf("must leave a port to each of CVD_MAX_INSTANCES (%d) devices: at most %d",
			c.Device.MaxInstances, maxPort-c.Device.MaxInstances+1)
	}
	api := conflict{involved: []string{"API_PORT", "CVD_ADB_BASE_PORT", "CVD_MAX_INSTANCES"}, blame: "API_PORT"}
	if c.API.Port >= first && c.API.Port <= last {
		api.reason = fmt.Sprintf("must lie outside the devices' ADB ports, which CVD_ADB_BASE_PORT and "+
			"CVD_MAX_INSTANCES make %d to %d", first, last)
	}
	return []conflict{room, api}
}

// snapshotConflicts wants all of a bucket or nothing: half of it would lose snapshots that people believe to be safe.
func (c *Config) snapshotConflicts() (rules []conflict) {
	if c.Snapshot.Bucket == "" {
		return nil
	}
	for name, missing := range map[string]bool{
		"AWS_ENDPOINT_URL":      c.Snapshot.Endpoint == "",
		"AWS_ACCESS_KEY_ID":     !c.Snapshot.AccessKey.IsSet(),
		"AWS_SECRET_ACCESS_KEY": !c.Snapshot.SecretKey.IsSet(),
	} {
		rule := conflict{involved: []string{"AWS_DEFAULT_BUCKET", name}, blame: name}
		if missing {
			rule.reason = "is required because AWS_DEFAULT_BUCKET is set"
		}
		rules = append(rules, rule)
	}
	return rules
}

func (c *Config) tracingConflicts() []conflict {
	endpoint := conflict{
		involved: []string{"OTEL_TRACING_ENABLED", "OTEL_EXPORTER_OTLP_ENDPOINT"}, blame: "OTEL_EXPORTER_OTLP_ENDPOINT",
	}
	if c.Tracing.Enabled && c.Tracing.Endpoint == "" {
		endpoint.reason = "is required because OTEL_TRACING_ENABLED is true: the URL of an OTLP/HTTP collector"
	}
	return []conflict{endpoint}
}

// maxSocketPath is the longest path of a unix socket: sun_path holds 108 bytes with the NUL.
const maxSocketPath = 107

func (c *Config) pathConflicts() []conflict {
	temp := conflict{involved: []string{"TMPDIR", "CVD_MAX_INSTANCES"}, blame: "TMPDIR"}
	// A five-digit uid is the longest that a host hands out by itself.
	longest := fmt.Sprintf("/cf_avd_65534/cvd-%d/internal/crosvm_control.sock", c.Device.MaxInstances)
	if over := len(c.Host.TempDir) + len(longest) - maxSocketPath; over > 0 {
		temp.reason = fmt.Sprintf("must be at most %d bytes long, so that the devices' socket paths stay within %d",
			maxSocketPath-len(longest), maxSocketPath)
	}
	instances, artifacts := c.Host.InstancesPath, c.Host.ArtifactsPath
	apart := conflict{involved: []string{"CVD_INSTANCES_PATH", "CVD_ARTIFACTS_PATH"}, blame: "CVD_INSTANCES_PATH"}
	if within(instances, artifacts) || within(artifacts, instances) {
		apart.reason = fmt.Sprintf("must lie apart from CVD_ARTIFACTS_PATH (%s): neither inside the other", artifacts)
	}
	return []conflict{temp, apart}
}

// within reports whether path is dir or lies below it; both are clean and absolute.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// capacityConflicts refuses defaults that could never be admitted on a host of the stated size.
func (c *Config) capacityConflicts() []conflict {
	memory := conflict{
		involved: []string{"CVD_DEFAULT_MEMORY_MB", "CVD_MEMORY_OVERHEAD_MB", "CVD_HOST_MEMORY_MB"},
		blame:    "CVD_HOST_MEMORY_MB",
	}
	need := c.Default.MemoryMB + c.Capacity.MemoryOverheadMB
	if c.Capacity.HostMemoryMB != 0 && c.Capacity.HostMemoryMB < need {
		memory.reason = fmt.Sprintf("must be 0 to measure the host, or hold one default device: "+
			"CVD_DEFAULT_MEMORY_MB + CVD_MEMORY_OVERHEAD_MB = %d", need)
	}
	cpus := conflict{
		involved: []string{"CVD_DEFAULT_CPUS", "CVD_CPU_OVERCOMMIT", "CVD_HOST_CPUS"},
		blame:    "CVD_HOST_CPUS",
	}
	if c.Capacity.HostCPUs != 0 && float64(c.Capacity.HostCPUs)*c.Capacity.CPUOvercommit < float64(c.Default.CPUs) {
		cpus.reason = fmt.Sprintf("must be 0 to measure the host, or hold one default device: "+
			"times CVD_CPU_OVERCOMMIT (%g) at least CVD_DEFAULT_CPUS = %d", c.Capacity.CPUOvercommit, c.Default.CPUs)
	}
	disk := conflict{involved: []string{"CVD_DEFAULT_DISK_GB", "CVD_HOST_DISK_GB"}, blame: "CVD_HOST_DISK_GB"}
	if c.Capacity.HostDiskGB != 0 && c.Capacity.HostDiskGB < c.Default.DiskGB {
		disk.reason = fmt.Sprintf("must be 0 to measure the host, or hold one default device: "+
			"CVD_DEFAULT_DISK_GB = %d", c.Default.DiskGB)
	}
	return []conflict{memory, cpus, disk}
}
