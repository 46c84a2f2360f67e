package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// verb is a verb of the program that serves.
type verb struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string // the first address in line
	line string // what it said when it was ready
}

// program is this test as cvd-sim; see TestMain.
func program(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = append([]string{"cvd-sim"}, args...)
	return cmd
}

// serve starts a verb and returns when it serves.
func serve(t *testing.T, args ...string) verb {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := program(ctx, t, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return verb{t, cmd, regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line), line}
}

// get asks with a token, if there is one.
func (v verb) get(path, token string) (status int, body string) {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodGet, v.url+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// end tells it to end, which is no failure.
func (v verb) end() {
	v.t.Helper()
	began := time.Now()
	if err := v.cmd.Process.Signal(unix.SIGTERM); err != nil {
		v.t.Fatal(err)
	}
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("after SIGTERM: %v, %s", err, time.Since(began))
	}
}

func TestDaytonaVerbServesUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	v := serve(t, "daytona", "--listen", "127.0.0.1:0", "--token", "secret", "--time-scale", "60")
	if !strings.HasPrefix(v.line, "daytona ready  DAYTONA_API_URL="+v.url+"/api ") || v.url == "" {
		t.Errorf("the line is %q", v.line)
	}
	for token, want := range map[string]int{"secret": http.StatusOK, "demo-token": http.StatusUnauthorized} {
		if status, body := v.get("/api/jobs", token); status != want {
			t.Errorf("%s: %d %s", token, status, body)
		}
	}
	v.end()
}

func TestProxyVerbServesUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	v := serve(t, "proxy", "--listen", "127.0.0.1:0", "--api", "http://127.0.0.1:1/api", "--key", "k", "--fault", "double_post")
	if v.line != "proxy ready  "+v.url+"  for http://127.0.0.1:1/api\n" || v.url == "" {
		t.Errorf("the line is %q", v.line)
	}
	for path, want := range map[string]string{"/health": `{"status":"ok"}`, "/sim/faults": `"fault":"double_post"`, "/toolbox/dev1/version": `"statusCode":401`} {
		if status, body := v.get(path, ""); !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	v.end()
}

func TestVerbsRefuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"an address that others reach", []string{"daytona", "--listen", "0.0.0.0:0"}, "choose a loopback address"},
		{"time that stands still", []string{"daytona", "--time-scale", "0"}, "want a number above 0"},
		{"a word that daytona does not know", []string{"daytona", "now"}, "one argument too many"},
		{"a proxy's address that others reach", []string{"proxy", "--listen", "0.0.0.0:0"}, "choose a loopback address"},
		{"a fault that it does not know", []string{"proxy", "--fault", "explode"}, "there are old_toolbox"},
		{"a word that proxy does not know", []string{"proxy", "now"}, "one argument too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if out, err := program(t.Context(), t, tt.args...).CombinedOutput(); err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
