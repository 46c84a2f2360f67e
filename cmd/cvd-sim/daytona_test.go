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

func TestDaytonaVerbServesUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = []string{"cvd-sim", "daytona", "--listen", "127.0.0.1:0", "--token", "secret", "--time-scale", "60"}
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
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line)
	if !strings.HasPrefix(line, "daytona ready  DAYTONA_API_URL="+url+"/api ") || url == "" {
		t.Errorf("the line is %q", line)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for token, want := range map[string]int{"secret": http.StatusOK, "demo-token": http.StatusUnauthorized} {
		req, err := http.NewRequest(http.MethodGet, url+"/api/jobs", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d %s", token, resp.StatusCode, body)
		}
	}
	began := time.Now()
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, %s", err, time.Since(began))
	}
}

func TestDaytonaVerbRefuses(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"an address that others reach", []string{"--listen", "0.0.0.0:0"}, "choose a loopback address"},
		{"time that stands still", []string{"--time-scale", "0"}, "want a number above 0"},
		{"what it does not know", []string{"now"}, "one argument too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Args = append([]string{"cvd-sim", "daytona"}, tt.args...)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestProxyVerbServesUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = []string{"cvd-sim", "proxy", "--listen", "127.0.0.1:0", "--api", "http://127.0.0.1:1/api", "--key", "k", "--fault", "double_post"}
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
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line)
	if line != "proxy ready  "+url+"  for http://127.0.0.1:1/api\n" || url == "" {
		t.Errorf("the line is %q", line)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{"/health": `{"status":"ok"}`, "/sim/faults": `"fault":"double_post"`, "/toolbox/dev1/version": `"statusCode":401`} {
		resp, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestProxyVerbRefuses(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"an address that others reach", []string{"--listen", "0.0.0.0:0"}, "choose a loopback address"},
		{"a fault that it does not know", []string{"--fault", "explode"}, "there are old_toolbox"},
		{"what it does not know", []string{"now"}, "one argument too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Args = append([]string{"cvd-sim", "proxy"}, tt.args...)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
