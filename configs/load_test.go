package configs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/configs"
)

const token = "API_TOKEN=s3cret-token"

func TestLoadGivesTheDocumentedDefaults(t *testing.T) {
	t.Parallel()
	got, err := configs.Load([]string{token})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Token.Equal("s3cret-token") {
		t.Error("the token was not read")
	}
	got.Token = configs.Secret{}
	want := configs.Config{
		LogLevel: slog.LevelInfo,
		API:      configs.API{Port: 3107},
		Default:  configs.Quota{CPUs: 4, MemoryMB: 4096, DiskGB: 20},
		Capacity: configs.Capacity{MemoryOverheadMB: 512, CPUOvercommit: 4},
		Host: configs.Host{
			InstancesPath: "/var/lib/cuttlefish/instances", ArtifactsPath: "/var/lib/cuttlefish/artifacts",
			Home: "/home/vsoc-01", RuntimePath: "/var/tmp/cvd", TempDir: "/tmp",
			CVDPath: "/usr/bin/cvd", ADBPath: "/usr/lib/cuttlefish-common/bin/adb",
		},
		Device:  configs.Device{ADBBasePort: 6520, ADBMode: "direct", MaxInstances: 100, GPUMode: "guest_swiftshader"},
		Display: configs.Display{OperatorURL: "http://127.0.0.1:1080", Connector: "own"},
		Limits: configs.Limits{
			BootTimeout: 5 * time.Minute, StartTimeout: 4 * time.Minute, BootConcurrency: 3, ExecMaxOutput: 16 << 20,
		},
		Health: configs.Health{
			Interval: 30 * time.Second, Failures: 3, Restart: configs.Restart{Policy: "off", Attempts: 3, Window: time.Hour},
		},
		Daytona:  configs.Daytona{PollTimeout: 30 * time.Second, PollLimit: 10, HealthcheckInterval: 30 * time.Second},
		Snapshot: configs.Snapshot{Region: "us-east-1", Compression: "none", Collection: "dry-run", UnusedAfter: 14 * 24 * time.Hour},
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLoadReads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		env   []string
		check func(configs.Config) bool
	}{
		{"the newer of two names first", []string{"DAYTONA_RUNNER_TOKEN=newer"}, func(c configs.Config) bool { return c.Token.Equal("newer") }},
		{"the older name when the newer is set to nothing", []string{"DAYTONA_RUNNER_TOKEN="}, func(c configs.Config) bool { return c.Token.Equal("s3cret-token") }},
		{"nothing as not set", []string{"API_PORT="}, func(c configs.Config) bool { return c.API.Port == 3107 }},
		{"the last of two equal names", []string{"API_PORT=1", "API_PORT=2"}, func(c configs.Config) bool { return c.API.Port == 2 }},
		{"levels in capitals", []string{"LOG_LEVEL=WARN"}, func(c configs.Config) bool { return c.LogLevel == slog.LevelWarn }},
		{"sizes with a unit", []string{"EXEC_MAX_OUTPUT=2MiB"}, func(c configs.Config) bool { return c.Limits.ExecMaxOutput == 2<<20 }},
		{"networks", []string{"INSTALL_URL_NETWORKS=10.1.0.0/16, fd00::/8"}, func(c configs.Config) bool {
			all := c.Install.URLNetworks.Prefixes()
			return len(all) == 2 && all[0].String() == "10.1.0.0/16" && all[1].String() == "fd00::/8"
		}},
		{"sizes in plain bytes", []string{"EXEC_MAX_OUTPUT=65536"}, func(c configs.Config) bool { return c.Limits.ExecMaxOutput == 65536 }},
		{"the start limit from a short boot limit", []string{"CVD_BOOT_TIMEOUT=90s"}, func(c configs.Config) bool { return c.Limits.StartTimeout == 90*time.Second }},
		{"a fingerprint with colons", []string{"CVD_OPERATOR_CERT_SHA256=" + strings.Repeat("AB:", 31) + "AB"}, func(c configs.Config) bool { return c.Display.OperatorCert == strings.Repeat("ab", 32) }},
		{"ICE servers", []string{`WEBRTC_ICE_SERVERS=[{"urls":["turn:h:1"],"username":"u","credential":"c"}]`}, func(c configs.Config) bool {
			return strings.Contains(c.Display.ICEServers.Reveal(), "turn:h:1") && !strings.Contains(c.String(), "turn:h")
		}},
		{"paths cleaned", []string{"CVD_HOME=/home//vsoc-01/"}, func(c configs.Config) bool { return c.Host.Home == "/home/vsoc-01" }},
		{"an IPv6 address as domain", []string{"RUNNER_DOMAIN=fd00::1"}, func(c configs.Config) bool { return c.API.Domain == "fd00::1" }},
		{"a fraction as overcommit", []string{"CVD_CPU_OVERCOMMIT=1.5"}, func(c configs.Config) bool { return c.Capacity.CPUOvercommit == 1.5 }},
		{"any spelling of a switch", []string{"CVD_AUDIO=Yes"}, func(c configs.Config) bool { return c.Device.Audio }},
		{"the older name of the API's URL", []string{"SERVER_URL=http://localhost:3000/"}, func(c configs.Config) bool { return c.Daytona.URL == "http://localhost:3000" }},
		{"a bucket", []string{"AWS_DEFAULT_BUCKET=snaps", "AWS_ENDPOINT_URL=https://s3.example/", "AWS_REGION=eu-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "SNAPSHOT_COMPRESSION=zstd"}, func(c configs.Config) bool {
			return c.Snapshot == configs.Snapshot{Endpoint: "https://s3.example", Region: "eu-1", Bucket: "snaps", AccessKey: c.Snapshot.AccessKey, SecretKey: c.Snapshot.SecretKey, Compression: "zstd", Collection: "dry-run", UnusedAfter: 14 * 24 * time.Hour} &&
				c.Snapshot.AccessKey.Equal("a") && c.Snapshot.SecretKey.Equal("b")
		}},
		{"the headers of a collector", []string{"OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d==", "OTEL_TRACING_ENABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"}, func(c configs.Config) bool {
			return c.Tracing.Headers.Reveal() == "a=b,c=d==" && !strings.Contains(c.String(), "c=d==")
		}},
		{"the last possible port range", []string{"CVD_ADB_BASE_PORT=65436"}, func(c configs.Config) bool { return c.Device.ADBBasePort == 65436 }},
		{"entries that are no variables at all", []string{"", "=x", "LONELY"}, func(configs.Config) bool { return true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := configs.Load(append([]string{token}, tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(got) {
				t.Errorf("%v gave\n%s", tt.env, got)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, env, want string }{
		{"a token with a blank", "API_TOKEN=a b", "API_TOKEN=(secret): must be printable ASCII without spaces"},
		{"a port that is no number", "API_PORT=http", `API_PORT="http": must be a whole number from 0 to 65535 (default 3107)`},
		{"a port out of range", "API_PORT=65536", `API_PORT="65536"`},
		{"an unknown level", "LOG_LEVEL=loud", `LOG_LEVEL="loud": must be debug, info, warn or error (default info)`},
		{"a domain with a scheme", "RUNNER_DOMAIN=http://x", `RUNNER_DOMAIN="http://x": must be a host name`},
		{"a domain with a port", "RUNNER_DOMAIN=x:80", "without scheme and port"},
		{"a switch that is neither", "ENABLE_TLS=maybe", `ENABLE_TLS="maybe": must be true or false (default false)`},
		{"no CPU", "CVD_DEFAULT_CPUS=0", "from 1 to 256"},
		{"less memory than Android needs", "CVD_DEFAULT_MEMORY_MB=1024", "from 2048 to 1048576 (MiB) (default 4096)"},
		{"less disk than Android needs", "CVD_DEFAULT_DISK_GB=4", "from 8 to 16384 (GiB) (default 20)"},
		{"an overcommit that is no number", "CVD_CPU_OVERCOMMIT=NaN", "a number from 0.1 to 64"},
		{"a negative host", "CVD_HOST_CPUS=-1", "from 1 to 4096, or 0 to measure the host"},
		{"a duration without a unit", "CVD_BOOT_TIMEOUT=300", "a duration with its unit (30s, 5m) from 1s to 14m (default 5m)"},
		{"no boot at all", "CVD_BOOT_CONCURRENCY=0", "from 1 to 128"},
		{"a network with bits behind its mask", "INSTALL_URL_NETWORKS=10.1.2.3/16", "networks such as 10.1.0.0/16"},
		{"an address", "INSTALL_URL_NETWORKS=10.1.2.3", "networks such as 10.1.0.0/16"},
		{"a decimal unit", "EXEC_MAX_OUTPUT=16MB", "from 1KiB to 256MiB (default 16MiB)"},
		{"a relative path", "CVD_HOME=home", `CVD_HOME="home": must be an absolute path`},
		{"a path with a line break", "CVD_PATH=/a\nb", `CVD_PATH="/a\nb": must be an absolute path`},
		{"a way to the devices that there is not", "CVD_ADB_MODE=usb", "must be one of direct, server"},
		{"a fingerprint that is none", "CVD_OPERATOR_CERT_SHA256=ab:cd", "must be a SHA-256 fingerprint"},
		{"ICE servers that are none", `WEBRTC_ICE_SERVERS=[{"urls":"stun:x"}]`, "must be a JSON list such as"},
		{"an ICE server of another kind", `WEBRTC_ICE_SERVERS=[{"urls":["http://x"]}]`, "must be a JSON list such as"},
		{"a connector that there is not", "WEBRTC_CONNECTOR=theirs", "must be one of own, operator"},
		{"a graphics mode that cvd does not know", "CVD_GPU_MODE=fast", "must be one of guest_swiftshader,"},
		{"more instances than taps can be addressed", "CVD_MAX_INSTANCES=129", "from 1 to 128"},
		{"a sweep that never rests", "HEALTH_INTERVAL=1ms", "from 100ms to 1h"},

		{"an API URL without its scheme", "DAYTONA_API_URL=localhost:3000", `DAYTONA_API_URL="localhost:3000": must be a URL such as http://host:3000`},
		{"an API URL with a password", "SERVER_URL=http://u:p@h/api", "without user, query and fragment"},
		{"a poll that the API would cut", "POLL_TIMEOUT=2m", "from 1s to 1m (default 30s)"},
		{"a healthcheck that comes too late", "HEALTHCHECK_INTERVAL=1m", "from 100ms to 50s (default 30s)"},
		{"headers that are none", "OTEL_EXPORTER_OTLP_HEADERS=s3cret", "OTEL_EXPORTER_OTLP_HEADERS=(secret): must be name=value pairs"},
		{"a bucket without an address", "AWS_DEFAULT_BUCKET=snaps", "AWS_ENDPOINT_URL: is required because AWS_DEFAULT_BUCKET is set"},
		{"a bucket without a key", "AWS_DEFAULT_BUCKET=snaps", "AWS_SECRET_ACCESS_KEY: is required"},
		{"a bucket that is none", "AWS_DEFAULT_BUCKET=a/b", "a bucket's name"},
		{"a compression that is none", "SNAPSHOT_COMPRESSION=gzip", "one of none, zstd"},
		{"traces to nowhere", "OTEL_TRACING_ENABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT: is required because OTEL_TRACING_ENABLED is true"},

		{"ADB ports beyond the last", "CVD_ADB_BASE_PORT=65437", "must leave a port to each of CVD_MAX_INSTANCES (100) devices: at most 65436"},
		{"an API port among the ADB ports", "API_PORT=6619", "must lie outside the devices' ADB ports, which CVD_ADB_BASE_PORT and CVD_MAX_INSTANCES make 6520 to 6619"},
		{"sockets too long for the system", "TMPDIR=/" + strings.Repeat("t", 60), "must be at most 57 bytes long"},
		{"instances below the artifacts", "CVD_INSTANCES_PATH=/var/lib/cuttlefish/artifacts/i", "neither inside the other"},
		{"artifacts below the instances", "CVD_ARTIFACTS_PATH=/var/lib/cuttlefish/instances/a", "neither inside the other"},
		{"a host that cannot hold one device", "CVD_HOST_MEMORY_MB=4500", "CVD_DEFAULT_MEMORY_MB + CVD_MEMORY_OVERHEAD_MB = 4608"},
		{"too small a disk", "CVD_HOST_DISK_GB=19", "CVD_DEFAULT_DISK_GB = 20"},
		{"TLS without its certificate", "ENABLE_TLS=true", "TLS_CERT_FILE: is required because ENABLE_TLS is true"},
		{"TLS without its key", "ENABLE_TLS=true", "TLS_KEY_FILE: is required because ENABLE_TLS is true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := configs.Load([]string{token, tt.env})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s\n got %v\nwant %s", tt.env, err, tt.want)
			}
		})
	}
}

func TestLoadRefusesTooFewCPUsForOneDevice(t *testing.T) {
	t.Parallel()
	_, err := configs.Load([]string{token, "CVD_HOST_CPUS=3", "CVD_CPU_OVERCOMMIT=1"})
	if err == nil || !strings.Contains(err.Error(), "at least CVD_DEFAULT_CPUS = 4") {
		t.Errorf("got %v", err)
	}
}

func TestLoadListsAllProblemsAtOnceAndEachOnce(t *testing.T) {
	t.Parallel()
	_, err := configs.Load([]string{
		"API_PORT=x", "CVD_HOME=home", "CVD_MAX_INSTANCES=0", "CVD_HOST_DISK_GB=1", "EXEC_MAX_OUTPUT=" + strings.Repeat("9", 500),
	})
	var wrong *configs.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v, want a *configs.Error", err)
	}
	var names []string
	for _, problem := range wrong.Problems {
		names = append(names, problem.Name)
	}
	want := "DAYTONA_RUNNER_TOKEN API_PORT EXEC_MAX_OUTPUT CVD_HOME CVD_MAX_INSTANCES CVD_HOST_DISK_GB"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	text := err.Error()
	if !strings.HasPrefix(text, "read the configuration: 6 variables are wrong\n  DAYTONA_RUNNER_TOKEN: is required and not set (API_TOKEN is read too)") {
		t.Errorf("got %s", text)
	}
	if len(text) > 1000 {
		t.Errorf("a long value made a message of %d bytes", len(text))
	}
}

func TestLoadNeverShowsTheToken(t *testing.T) {
	t.Parallel()
	_, err := configs.Load([]string{"API_TOKEN=s3cret token", "DAYTONA_RUNNER_TOKEN="})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestLoadAcceptsOnlyATLSPairThatBelongsTogether(t *testing.T) {
	t.Parallel()
	cert, key := writePair(t)
	_, otherKey := writePair(t)
	tests := []struct {
		name, cert, key, want string
	}{
		{"the pair", cert, key, ""},
		{"another certificate's key", cert, otherKey, "must be the certificate of TLS_KEY_FILE"},
		{"a file that is absent", cert + ".absent", key, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := configs.Load([]string{token, "ENABLE_TLS=true", "TLS_CERT_FILE=" + tt.cert, "TLS_KEY_FILE=" + tt.key})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func writePair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", cert), writePEM(t, "PRIVATE KEY", keyDER)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzLoad(f *testing.F) {
	f.Add("EXEC_MAX_OUTPUT", "1GiB")
	f.Add("CVD_BOOT_TIMEOUT", "1h30m")
	f.Add("RUNNER_DOMAIN", "a.b-c.d")
	f.Add("TMPDIR", "/../tmp//x")
	f.Add("CVD_CPU_OVERCOMMIT", "1e309")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "ENABLE_TLS" || strings.HasPrefix(name, "TLS_") {
			return // would read files
		}
		cfg, err := configs.Load([]string{token, name + "=" + value})
		if err != nil {
			return
		}
		// What was accepted prints in a form that is accepted again, and means the same.
		environ := []string{"API_TOKEN=" + cfg.Token.Reveal()}
		for _, pair := range cfg.Redacted()[1:] {
			environ = append(environ, pair.Key+"="+pair.Value)
		}
		again, err := configs.Load(environ)
		if err != nil {
			t.Fatalf("%s=%q printed %v, which is refused: %v", name, value, environ, err)
		}
		if again.String() != cfg.String() {
			t.Errorf("%s=%q: got\n%s\nthen\n%s", name, value, cfg, again)
		}
	})
}
