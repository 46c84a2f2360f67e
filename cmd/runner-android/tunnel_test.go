package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// forwarder is a running adb-forward.
type forwarder struct {
	t       *testing.T
	address string // what it told people to connect to
	said    *lockedBuffer
	cmd     *exec.Cmd
}

// forward starts adb-forward with a token in its environment and waits until it listens.
func forward(t *testing.T, secret string, args ...string) *forwarder {
	t.Helper()
	f := &forwarder{t: t, said: &lockedBuffer{}, cmd: forwardCommand(secret, args...)}
	f.cmd.Stderr = f.said
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.interrupt() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it says nothing: %v; %s", err, f.said)
	}
	words := strings.Fields(line)
	if strings.HasPrefix(line, "adb connect ") {
		f.address = words[2]
	} else {
		f.address = words[1]
	}
	return f
}

func forwardCommand(secret string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binaries, "runner-android"), append([]string{"adb-forward"}, args...)...)
	cmd.Env = append(os.Environ(), secret)
	return cmd
}

// interrupt ends it as ^C does; it must end at once and in order.
func (f *forwarder) interrupt() {
	f.t.Helper()
	if f.cmd.ProcessState != nil {
		return
	}
	_ = f.cmd.Process.Signal(syscall.SIGINT)
	late := time.AfterFunc(10*time.Second, func() { _ = f.cmd.Process.Kill() })
	defer late.Stop()
	if err := f.cmd.Wait(); err != nil {
		f.t.Errorf("adb-forward: %v; %s", err, f.said)
	}
}

// privateADB starts an adb server that ends with the test, and returns a way to run adb against it.
func privateADB(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("adb")
	if err != nil {
		t.Skip("skipped: needs adb")
	}
	port := strconv.Itoa(freePort(t))
	env := append(os.Environ(), "HOME="+t.TempDir(), "ADB_EMU=0", "ADB_USB=0", "ADB_MDNS=0", "ADB_VENDOR_KEYS=")
	server := exec.Command(program, "-L", "tcp:"+port, "nodaemon", "server")
	server.Env = env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	eventually(t, 10*time.Second, "the adb server listens", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append([]string{"-P", port}, args...)...)
		cmd.Env, cmd.WaitDelay = env, time.Second
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// Ensure the system's adb works through adb-forward and the tunnel, with the runner's token or through Daytona's
// proxy with an API key, and loses the device when the sandbox stops.
func TestRealADBThroughTheTunnel(t *testing.T) {
	t.Parallel()
	adb := privateADB(t)
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	file := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(rand.Uint32()) //nolint:gosec // it only has to be incompressible
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	use := func(address string) {
		t.Helper()
		run := func(args ...string) string {
			t.Helper()
			out, err := adb(args...)
			if err != nil {
				t.Fatalf("adb %v: %v: %s", args, err, out)
			}
			return out
		}
		if out := run("connect", address); !strings.Contains(out, "connected to") {
			t.Fatalf("connect: %s", out)
		}
		if out := run("-s", address, "shell", "echo $((6*7)); getprop ro.product.model"); !strings.HasPrefix(out, "42\nCuttlefish") {
			t.Errorf("shell: %q", out)
		}
		run("-s", address, "push", file, "/data/local/tmp/pushed")
		run("-s", address, "pull", "/data/local/tmp/pushed", file+".back")
		if back, err := os.ReadFile(file + ".back"); err != nil || !bytes.Equal(back, content) {
			t.Errorf("%d bytes came back, of %d: %v", len(back), len(content), err)
		}
		run("-s", address, "shell", "rm /data/local/tmp/pushed")
	}
	direct := forward(t, "API_TOKEN="+token, "--api", r.url, "dev1")
	use(direct.address)

	toolbox := toolboxURL(t, h, "dev1")
	proxied := forward(t, "KEY=demo-key", "--toolbox-url", toolbox, "--token-env", "KEY", "dev1")
	use(proxied.address)
	proxied.interrupt()

	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	eventually(t, 20*time.Second, "adb has lost the device", func() error {
		if out, err := adb("-s", direct.address, "shell", "true"); err == nil {
			return fmt.Errorf("it is still there: %s", out)
		}
		return nil
	})
	eventually(t, 20*time.Second, "adb-forward says why", func() error {
		if said := direct.said.String(); !strings.Contains(said, "the device left started") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	direct.interrupt()
}

// toolboxURL asks Daytona's API where its proxy is, as the SDKs do.
func toolboxURL(t *testing.T, h *simHost, id string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, h.get("DAYTONA_API_URL")+"/sandbox/"+id+"/toolbox-proxy-url", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer demo-key")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.URL == "" {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	return answer.URL
}

// Ensure a port of the guest is reached through a tunnel of its own.
func TestTCPThroughTheTunnel(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	f := forward(t, "API_TOKEN="+token, "--api", r.url, "--tcp", "8080", "dev1")
	resp, err := client.Get("http://" + f.address + "/status/418")
	if err != nil || resp.StatusCode != http.StatusTeapot {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	size := int64(4 << 20)
	resp, err = client.Post("http://"+f.address+"/upload", "application/octet-stream", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if said, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(said), strconv.FormatInt(size, 10)) {
		t.Errorf("%s %v", said, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Ensure adb-forward says at once what is wrong, and does not begin.
func TestForwardRefuses(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	r.create("off")
	r.want(http.StatusOK, "POST", "/sandboxes/off/stop", nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	nobody := "http://127.0.0.1:" + strconv.Itoa(freePort(t))
	const good = "API_TOKEN=" + token
	for _, c := range []struct {
		name, secret string
		args         []string
		code         int
		want         string
	}{
		{"no token", "NOTHING=1", []string{"--token-env", "NOWHERE", "dev1"}, 2, "no token: set NOWHERE"},
		{"another's token", "API_TOKEN=wrong", []string{"--api", r.url, "dev1"}, 1, "is it the right token?"},
		{"an unknown sandbox", good, []string{"--api", r.url, "nobody"}, 1, "sandbox nobody does not exist"},
		{"a stopped one", good, []string{"--api", r.url, "off"}, 1, "is the sandbox started?"},
		{"a port without a listener", good, []string{"--api", r.url, "--tcp", "9", "dev1"}, 1, "nothing listens there"},
		{"nobody there", good, []string{"--api", nobody, "dev1"}, 1, "connection refused"},
		{"a local port that is taken", good, []string{"--api", r.url, "--listen", taken.Addr().String(), "dev1"}, 1, "address already in use"},
		{"no sandbox", good, []string{"--api", r.url}, 2, "one sandbox is wanted"},
		{"no URL", good, []string{"--api", "ftp://x", "dev1"}, 2, "no URL that begins with http"},
		{"an option that is none", good, []string{"--fast", "dev1"}, 2, "usage: runner-android adb-forward"},
	} {
		cmd := forwardCommand(c.secret, c.args...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.secret)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 || strings.Contains(stderr.String(), token) {
			t.Errorf("%s: exit code %d, %q, %q", c.name, code, stdout.String(), stderr.String())
		}
	}
}
