package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// example is one block of shell in docs/api.md.
type example struct{ route, script string }

// examples reads the blocks behind the headings that name a route.
func examples(t *testing.T) (all []example) {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile("(?m)^### `([A-Z]+ [^`]+)`")
	block := regexp.MustCompile("(?s)```sh\n(.*?)```")
	at := heading.FindAllSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		for _, b := range block.FindAllSubmatch(text[m[1]:end], -1) {
			all = append(all, example{string(text[m[2]:m[3]]), string(b[1])})
		}
	}
	return all
}

// Ensure every example of the API's documentation does what it says: it is understood, by a route that is
// there, and answered with success unless the documentation says that there is no such thing yet.
func TestExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("skipped: needs curl")
	}
	h := startHost(t)
	r := startRunner(h)
	dir := t.TempDir()
	all := examples(t)
	if len(all) < 20 {
		t.Fatalf("only %d examples", len(all))
	}
	// What an example finds: a sandbox that is started, unless it makes it.
	ready := func(e example) {
		if e.route == "POST /sandboxes" {
			r.want(200, "POST", "/sandboxes/dev-1/destroy", nil)
			return
		}
		r.want(201, "POST", "/sandboxes", createBody("dev-1"))
		eventually(t, time.Minute, "no backup is under way", func() error { // of the example before
			if got := r.want(200, "GET", "/sandboxes/dev-1", nil); strings.Contains(string(got.body), `"IN_PROGRESS"`) {
				return errors.New("there is one")
			}
			return nil
		})
		if e.route == "DELETE /sandboxes/{id}" {
			r.want(200, "POST", "/sandboxes/dev-1/destroy", nil)
		}
	}
	for _, e := range all {
		ready(e)
		cmd := exec.Command("sh", "-eu")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "R="+r.url, "A=Authorization: Bearer "+token, "API_TOKEN="+token,
			"T="+r.url+"/sandboxes/dev-1/toolbox", "C="+prepare(t, r, dir, e), "V="+film(t, r, e))
		cmd.Stdin = strings.NewReader(`
curl() { command curl --silent --show-error --max-time 60 --write-out '\nstatus %{http_code}\n' "$@"; }
go() { :; }
alias runner-android=: # tunnel_test.go runs it
` + e.script)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v: %s", e.route, err, errs.String())
		}
		statuses := regexp.MustCompile(`status (\d+)`).FindAllStringSubmatch(out.String(), -1)
		if len(statuses) != strings.Count(e.script, "curl ") {
			t.Errorf("%s: %d answers to\n%s", e.route, len(statuses), e.script)
		}
		for _, s := range statuses {
			if ok := s[1][0] == '2' || s[1] == "101"; !ok {
				t.Errorf("%s: status %s\n%s\n%s", e.route, s[1], e.script, lastLines(out.String()))
			}
		}
	}
	for _, id := range []string{"dev-1", "dev-2"} { // the second is made from a snapshot of the first
		r.want(200, "POST", "/sandboxes/"+id+"/destroy", nil)
	}
	h.wantClean()
}

// prepare makes the files that the examples of the toolbox use, here and in the device, and the command
// whose id it returns.
func prepare(t *testing.T, r *runner, dir string, e example) (command string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("needle\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(e.script, "$T/files") {
		r.exec("dev-1", `mkdir -p /sdcard/Download/old /data/local/tmp/x && cd /sdcard && echo needle >a.txt && cp a.txt b.txt && cp a.txt Download`)
	}
	if strings.Contains(e.script, "app.apk") || strings.Contains(e.script, "com.example.hello") {
		apk := makeAPK(t, "--package", "com.example.hello", "--permission", "android.permission.CAMERA")
		if err := os.WriteFile(filepath.Join(dir, "app.apk"), apk, 0o600); err != nil {
			t.Fatal(err)
		}
		r.want(200, "POST", "/sandboxes/dev-1/android/install", map[string]any{"apk": apk})
	}
	if !strings.Contains(e.script, "$C") {
		return ""
	}
	answer := r.want(202, "POST", "/sandboxes/dev-1/toolbox/process/session/s/exec", `{"command":"sleep 1","runAsync":true}`)
	var started struct {
		Command string `json:"cmdId"`
	}
	if err := json.Unmarshal(answer.body, &started); err != nil || started.Command == "" {
		t.Fatalf("%v: %s", err, answer.body)
	}
	return started.Command
}

// film makes the recording whose id it returns, for the examples that use one.
func film(t *testing.T, r *runner, e example) (id string) {
	t.Helper()
	if !strings.Contains(e.script, "$V") {
		return ""
	}
	r.want(201, "POST", "/sandboxes/dev-1/android/record/start", nil)
	var ended struct{ ID string }
	if err := json.Unmarshal(r.want(200, "POST", "/sandboxes/dev-1/android/record/stop", nil).body, &ended); err != nil || ended.ID == "" {
		t.Fatal(err)
	}
	return ended.ID
}

func lastLines(s string) string {
	if len(s) > 600 {
		s = s[len(s)-600:]
	}
	return fmt.Sprintf("%q", s)
}
