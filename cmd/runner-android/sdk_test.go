package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sdkRigs is where the scripts are that use Daytona's own SDKs, the only clients whose authors we cannot ask.
const sdkRigs = "../../e2e/sdk"

// allSteps is how many steps a script has at least: one that stops early has not passed.
const allSteps = 56

// wrong are the steps that a version of an SDK gets wrong by itself.
var wrong = map[string][]string{
	// It puts the values between the quotes of sh -c "…", where our shell already expands them; the daemon of
	// its time had no shell there. A value with blanks or quotes arrives as something else.
	"typescript 0.139.0": {"execute.env_special"},
	// It finds a downloaded file by the plain filename of its part, which python-multipart reads as Latin-1 and
	// no longer as filename* since 0.0.30: a name beyond ASCII is never the one that was asked for.
	"python": {"fs.download_non_ascii"},
}

func TestTypeScriptSDK(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"npm", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("skipped: needs npm")
		}
	}
	dir := installed(t, "sdk/typescript", []string{"package.json", "package-lock.json", ".npmrc"}, "npm", "ci", "--ignore-scripts")
	h := startHost(t)
	startRunner(h, quick...)
	for _, version := range []string{"0.139.0", "0.190.1", "0.218.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			runSDK(t, h, "typescript "+version, []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")},
				"node", filepath.Join(sdkRigs, "typescript", "run.js"), "--version", version)
		})
	}
}

func TestPythonSDK(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import ensurepip, venv").Run(); err != nil {
		t.Skip("skipped: needs python3-venv")
	}
	dir := installed(t, "sdk/python", []string{"requirements.txt"}, "sh", "-c", "python3 -m venv venv && venv/bin/pip install -q -r requirements.txt")
	h := startHost(t)
	startRunner(h, quick...)
	runSDK(t, h, "python", []string{"PYTHONDONTWRITEBYTECODE=1"}, filepath.Join(dir, "venv", "bin", "python"), filepath.Join(sdkRigs, "python", "run.py"))
}

// installed returns the directory of the user's cache where the packages of a directory of e2e are, which it
// fills once for each content of the files that pin them.
func installed(t *testing.T, rig string, pins []string, install ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("skipped: needs a cache directory: %v", err)
	}
	content := map[string][]byte{}
	sum := sha256.New()
	for _, name := range pins {
		if content[name], err = os.ReadFile(filepath.Join("..", "..", "e2e", rig, name)); err != nil {
			t.Fatal(err)
		}
		sum.Write(content[name])
	}
	dir := filepath.Join(cache, "runner-android-e2e", fmt.Sprintf("%s-%.8x", strings.ReplaceAll(rig, "/", "-"), sum.Sum(nil)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(dir + ".lock") // another checkout's tests may be at it
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return dir
	}
	for name, data := range content {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, install[0], install[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		// CI fails on it; a machine without network does not.
		t.Skipf("skipped: needs the packages of e2e/%s: %v\n%s", rig, err, out)
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// step is a line of a rig.
type step struct {
	Name    string `json:"step"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
	Skipped string `json:"skipped"` // why this version of the SDK cannot do it
}

func (s step) passed() bool { return s.OK || s.Skipped != "" }

// runSDK makes a device of its own, because a device has one pointer and one focus, and runs a rig's script
// against it through Daytona's proxy.
func runSDK(t *testing.T, h *simHost, name string, env []string, command ...string) {
	t.Helper()
	d := desk{t, h.desk().url}
	sandbox := strings.NewReplacer(" ", "-", ".", "-").Replace(name)
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": sandbox})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:],
		"--api-url", h.get("DAYTONA_API_URL"), "--api-key", "demo-key", "--sandbox", sandbox)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	steps, failed := map[string]step{}, 0
	for lines := bufio.NewScanner(&stdout); lines.Scan(); {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil || s.Name == "" {
			t.Errorf("not a step: %s", lines.Text())
			continue
		}
		steps[s.Name] = s
		if !s.passed() {
			failed++
			if slices.Contains(wrong[name], s.Name) {
				t.Logf("as known: %s: %s", s.Name, s.Detail)
			} else {
				t.Errorf("%s: %s", s.Name, s.Detail)
			}
		}
	}
	if len(steps) < allSteps {
		t.Errorf("%d steps, want %d", len(steps), allSteps)
	}
	if code := cmd.ProcessState.ExitCode(); code != min(failed, 1) {
		t.Errorf("exit status %d after %d failed steps", code, failed)
	}
	if t.Failed() {
		t.Logf("on stderr: %s", stderr.Bytes())
	}
}
