package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runner is one life of the product.
type runner struct {
	t    *testing.T
	host *simHost
	url  string
	cmd  *exec.Cmd
	log  *lockedBuffer
	gone chan struct{}
}

// startRunner starts the product on the host and waits until it answers. Extra settings are
// NAME=value.
func startRunner(h *simHost, settings ...string) *runner {
	h.t.Helper()
	r := &runner{t: h.t, host: h, url: "http://127.0.0.1:" + h.get("API_PORT"), log: &lockedBuffer{}, gone: make(chan struct{})}
	r.cmd = runnerCommand(h, settings...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.gone)
	}()
	h.t.Cleanup(func() {
		r.kill()
		for _, defect := range []string{"unlawful transition", "actor panicked", "work panicked", "actor did not answer"} {
			if strings.Contains(r.log.String(), defect) {
				h.t.Errorf("the log has %q", defect)
			}
		}
		if h.t.Failed() {
			h.t.Logf("the runner said:\n%s", r.log)
		}
	})
	eventually(h.t, 10*time.Second, "the runner answers", func() error {
		select {
		case <-r.gone:
			h.t.Fatalf("the runner ended: %s", r.log)
		default:
		}
		resp, err := client.Get(r.url + "/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return r
}

// runnerCommand is the product with the host's environment and some settings of its own.
func runnerCommand(h *simHost, settings ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binaries, "runner-android"))
	cmd.Env = append(append([]string{}, h.env...), settings...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	return cmd
}

// kill ends the runner as a crash does.
func (r *runner) kill() {
	_ = r.cmd.Process.Kill()
	<-r.gone
}

// terminate asks the runner to stop and returns its exit code.
func (r *runner) terminate() int {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.gone:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the runner did not stop within 30 s")
	}
	return r.cmd.ProcessState.ExitCode()
}

// reply is an HTTP answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request with the token; body may be nil, a string, or a value for JSON.
func (r *runner) do(method, path string, body any) (reply, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return reply{}, err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, r.url+path, in)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

// want sends a request and fails unless the status is the wanted one.
func (r *runner) want(status int, method, path string, body any) reply {
	r.t.Helper()
	got, err := r.do(method, path, body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.status != status {
		r.t.Fatalf("%s %s: %d %s; want %d", method, path, got.status, got.body, status)
	}
	return got
}

// sandboxInfo is what GET /sandboxes/{id} says.
type sandboxInfo struct {
	State       string            `json:"state"`
	Reason      string            `json:"reason"`
	InstanceNum int               `json:"instanceNum"`
	ADBPort     int               `json:"adbPort"`
	ADBSerial   string            `json:"adbSerial"`
	Evidence    []json.RawMessage `json:"evidence"`
	Metadata    map[string]string `json:"metadata"`
}

func (r *runner) info(id string) sandboxInfo {
	r.t.Helper()
	var info sandboxInfo
	if err := json.Unmarshal(r.want(http.StatusOK, "GET", "/sandboxes/"+id, nil).body, &info); err != nil {
		r.t.Fatal(err)
	}
	return info
}

func (r *runner) wantState(id, state string) sandboxInfo {
	r.t.Helper()
	var info sandboxInfo
	eventually(r.t, 30*time.Second, id+" is "+state, func() error {
		if info = r.info(id); info.State != state {
			return fmt.Errorf("it is %s (%s)", info.State, info.Reason)
		}
		return nil
	})
	return info
}
