package configs

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Config is everything that can be set. A Config from Load is valid; it is a plain value,
// safe to copy and to read from anywhere.
type Config struct {
	Token    Secret     // bearer token, both ways
	LogLevel slog.Level // from debug to error
	API      API
	Default  Quota
	Capacity Capacity
	Host     Host
	Device   Device
	Display  Display
	Limits   Limits
	Health   Health
	Install  Install
	Daytona  Daytona
	Snapshot Snapshot
	Tracing  Tracing
}

// API is where and how the runner listens.
type API struct {
	Port   int    // 0 lets the system choose a free one
	Domain string // name or address that others reach the runner by; empty: its own address
	TLS    TLS
}

// TLS is HTTPS on the API port. The files are a PEM certificate chain and its key; when
// Enabled, Load has proved that they belong together.
type TLS struct {
	Enabled  bool
	CertFile string
	KeyFile  string
}

// Quota is what a sandbox gets when its request says nothing.
type Quota struct {
	CPUs     int
	MemoryMB int // MiB
	DiskGB   int // GiB, virtual size
}

// Capacity is what admission may hand out. Zero host figures mean "measure the host".
type Capacity struct {
	MemoryOverheadMB int     // MiB reserved beside each device's quota
	CPUOvercommit    float64 // promised vCPUs per real one
	HostMemoryMB     int     // MiB
	HostCPUs         int
	HostDiskGB       int // GiB
}

// Host is where things are on the Cuttlefish host. All paths are absolute and clean.
type Host struct {
	InstancesPath string // the runner's own data, its ledger above all
	ArtifactsPath string // base images and snapshots
	Home          string // CVD_HOME: its owner is the user that cvd runs as
	RuntimePath   string // where cvd keeps groups and locks
	TempDir       string // where devices keep sockets
	CVDPath       string // the cvd program
	ADBPath       string // the adb program, for people and fallbacks
}

// Device is how devices are made.
type Device struct {
	ADBBasePort  int    // ADB port of instance 1; instance N has base+N-1
	ADBMode      string // the way to a device: "direct" or "server"
	MaxInstances int    // highest instance number handed out
	GPUMode      string
	Audio        bool
}

// Display is how browsers get to see devices.
type Display struct {
	OperatorURL  string // of the host's display operator, without a path
	OperatorCert string // SHA-256 of its certificate, for https; empty: trusted at first use and remembered
	ICEServers   Secret // JSON list for browser and device; empty: what the operator has
	Connector    string // whose module the page reaches its device by: "own", or "operator" with two names replaced
}

// Limits bound what takes long or grows.
type Limits struct {
	BootTimeout     time.Duration // create: from launch until Android has booted
	StartTimeout    time.Duration // start of a stopped device: BootTimeout, at most MaxStartTimeout
	BootConcurrency int           // devices that boot at one time
	ExecMaxOutput   int64         // bytes of a command's output that are kept
}

// MaxStartTimeout bounds the start of a stopped device, whose data partition exists already.
const MaxStartTimeout = 4 * time.Minute

// Health is the sweep over running devices.
type Health struct {
	Interval time.Duration
	Failures int // misses in a row before a crash is reported
	Restart  Restart
	Term     Term
}

// Term is how long a sandbox stays started whose metadata says nothing of it; 0: for ever.
type Term struct {
	Idle     time.Duration // without being used
	Lifetime time.Duration // since its start
}

// RestartOnFailure is the policy that restarts devices that died although they were to run.
const RestartOnFailure = "on-failure"

// Restart is what becomes of devices that died.
type Restart struct {
	Policy   string // "off" or RestartOnFailure
	Attempts int    // restarts of one device within Window
	Window   time.Duration
}

// Install is what may be installed from where.
type Install struct {
	URLNetworks Networks // whose addresses apps may be fetched from although they are not public
}

// Networks are CIDRs with commas between them; empty: none.
type Networks string

// Prefixes are the networks.
func (n Networks) Prefixes() (all []netip.Prefix) {
	for part := range strings.SplitSeq(string(n), ",") {
		if network, err := netip.ParsePrefix(part); err == nil {
			all = append(all, network)
		}
	}
	return all
}

// Daytona is the control plane that the runner takes jobs from and reports to.
type Daytona struct {
	URL                 string        // of the API, with or without /api; empty: none, REST only
	PollTimeout         time.Duration // how long one poll for jobs waits
	PollLimit           int           // jobs that one poll takes
	HealthcheckInterval time.Duration // between two healthchecks, and two comparisons of states
}

// Snapshot is where snapshots are kept besides this host.
type Snapshot struct {
	Endpoint    string // of an S3 server; buckets are in the path
	Region      string
	Bucket      string // empty: snapshots stay on this host
	AccessKey   Secret
	SecretKey   Secret
	Compression string // of devices' files in the bucket: "none" or "zstd"
	Collection  string // of copies on this host that nobody uses: "off", "dry-run" or "on"
	UnusedAfter time.Duration
}

// Tracing sends spans over OTLP/HTTP.
type Tracing struct {
	Enabled  bool
	Endpoint string // "/v1/traces" is appended
	Headers  Secret // "name=value,name=value": keys of the collector
}

// KeyValue is one setting in text, by the first name of its variable.
type KeyValue struct{ Key, Value string }

// Redacted lists every setting in the order of the documentation. A secret's value only says
// whether it is set.
func (c Config) Redacted() []KeyValue {
	vars := variables(&c)
	pairs := make([]KeyValue, len(vars))
	for i, v := range vars {
		pairs[i] = KeyValue{Key: v.names[0], Value: v.setting.String()}
	}
	return pairs
}

// String is Redacted as NAME=value lines.
func (c Config) String() string {
	var b strings.Builder
	for _, pair := range c.Redacted() {
		b.WriteString(pair.Key + "=" + pair.Value + "\n")
	}
	return b.String()
}
