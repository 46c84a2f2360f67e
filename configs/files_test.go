package configs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var assignment = regexp.MustCompile(`^(#?)([A-Z][A-Z0-9_]*)=(.*)$`)

func TestRunnerEnvListsExactlyTheVariablesWithTheirDefaults(t *testing.T) {
	t.Parallel()
	text := readFile(t, "runner.env")
	listed := map[string]string{}
	var names, environ []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		match := assignment.FindStringSubmatch(line)
		switch {
		case line == "" || match == nil && strings.HasPrefix(line, "# "):
		case line == "#":
		case match == nil:
			t.Errorf("neither a comment nor NAME=value: %q", line)
		case match[1] == "#" && match[3] != "":
			t.Errorf("a variable without a default has one: %q", line)
		default:
			names = append(names, match[2])
			listed[match[2]] = match[3]
			environ = append(environ, match[2]+"="+match[3])
		}
	}
	var want []string
	for _, v := range variables(&Config{}) {
		want = append(want, v.names...)
		if got := listed[v.names[0]]; got != v.fallback {
			t.Errorf("runner.env gives %s=%q, the default is %q", v.names[0], got, v.fallback)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("runner.env lists\n%v\nthe runner reads\n%v", names, want)
	}

	fromFile, err := Load(append(environ, "API_TOKEN=x"))
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := Load([]string{"API_TOKEN=x"})
	if err != nil {
		t.Fatal(err)
	}
	if fromFile.String() != defaults.String() {
		t.Errorf("runner.env gives\n%s\nno file gives\n%s", fromFile, defaults)
	}
}

func TestUnitKeepsDevicesAliveAndDoesNotRepeatAWrongConfiguration(t *testing.T) {
	t.Parallel()
	directives := map[string]bool{}
	for line := range strings.Lines(readFile(t, "runner-android.service")) {
		directives[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{"Type=exec", "KillMode=process", "Restart=on-failure", "RestartPreventExitStatus=2"} {
		if !directives[want] {
			t.Errorf("the unit lacks %s", want)
		}
	}
	for line := range directives {
		if strings.HasPrefix(line, "PrivateTmp=") {
			t.Errorf("the unit has %s: devices' sockets live in the host's /tmp", line)
		}
	}
}

func TestTmpfilesKeepWhatTheDefaultsName(t *testing.T) {
	t.Parallel()
	cfg, err := Load([]string{"API_TOKEN=x"})
	if err != nil {
		t.Fatal(err)
	}
	text := readFile(t, "runner-android.tmpfiles.conf")
	for _, path := range []string{
		cfg.Host.TempDir + "/cf_avd_*", cfg.Host.TempDir + "/cf_env_*", cfg.Host.TempDir + "/vsock_*", cfg.Host.RuntimePath,
	} {
		if !strings.Contains(text, "\nx "+path+"\n") {
			t.Errorf("no line keeps %s", path)
		}
	}
}

func TestBytesPrintAndReadBack(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 1023, 1024, 1536, 1 << 20, 3 << 30, 1<<63 - 1} {
		got, err := parseBytes(bytesText(n))
		if err != nil || got != n {
			t.Errorf("%d printed %s and read back as %d, %v", n, bytesText(n), got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1MB", "9223372036854775807KiB", "0x10"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
