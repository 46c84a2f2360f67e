package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runner is one life of the product on the lab's host.
type runner struct {
	*child
	addr   string
	client *http.Client
}

// settings are what a host large enough for every row measures. The sandboxes are simulated,
// so the real machine's size says nothing.
func settings() []string {
	return []string{
		"API_TOKEN=" + token, "CVD_BOOT_CONCURRENCY=6",
		"CVD_HOST_MEMORY_MB=262144", "CVD_HOST_CPUS=64", "CVD_HOST_DISK_GB=4096",
	}
}

// startRunner starts the product and waits until it answers. The caller stops it.
func (l *lab) startRunner(ctx context.Context) (*runner, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	env := slices.Concat(l.env, settings(), l.extra, []string{"API_PORT=" + port})
	c, err := startChild(ctx, l.path("runner.log"), env, filepath.Join(l.bin, "runner-android"))
	if err != nil {
		return nil, err
	}
	if err := awaitAnswer(ctx, c, addr); err != nil {
		return nil, errors.Join(err, c.stop(10*time.Second))
	}
	// No keep-alive: the server may close an idle connection just when a POST goes out on it.
	// Large pieces, as adb's: with Go's 4 KiB a transfer would measure this client.
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, ReadBufferSize: transferPiece, WriteBufferSize: transferPiece,
	}}
	return &runner{c, addr, client}, nil
}

// withRunner calls use with a runner that nothing was asked of yet, and stops it.
func (l *lab) withRunner(ctx context.Context, use func(*runner) error) (err error) {
	r, err := l.startRunner(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop(20*time.Second)) }()
	if err := use(r); err != nil {
		return fmt.Errorf("%w; the runner's last lines:\n%s", err, r.tail())
	}
	return nil
}

// withDevice calls use with a runner and one started sandbox, and removes both.
func (l *lab) withDevice(ctx context.Context, use func(*runner, device) error) error {
	return l.withRunner(ctx, func(r *runner) (err error) {
		const id = "bench"
		if err := r.create(ctx, id); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.destroy(context.WithoutCancel(ctx), id)) }()
		d, err := r.device(ctx, id)
		if err != nil {
			return err
		}
		return use(r, d)
	})
}

// withDevices calls use with a runner and n started sandboxes, and removes them all.
func (l *lab) withDevices(ctx context.Context, n int, use func(*runner) error) error {
	return l.withRunner(ctx, func(r *runner) (err error) {
		defer func() {
			gone := forEach(n, func(i int) error { return r.destroy(context.WithoutCancel(ctx), sandboxName(i)) })
			err = errors.Join(err, gone)
		}()
		if err := forEach(n, func(i int) error { return r.create(ctx, sandboxName(i)) }); err != nil {
			return err
		}
		return use(r)
	})
}

// call sends a request with the token and returns the body of the answer wanted.
func (r *runner) call(ctx context.Context, want int, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: %s %.500s; want %d", method, path, resp.Status, answer, want)
	}
	return answer, err
}

// create makes a sandbox and returns when Android has booted in it.
func (r *runner) create(ctx context.Context, id string) error {
	body := fmt.Sprintf(`{"id":%q,"userId":"bench","osUser":"bench","snapshot":"android-LATEST",`+
		`"cpuQuota":1,"memoryQuota":2,"storageQuota":8}`, id)
	_, err := r.call(ctx, http.StatusCreated, http.MethodPost, "/sandboxes", body)
	return err
}

func (r *runner) destroy(ctx context.Context, id string) error {
	_, err := r.call(ctx, http.StatusOK, http.MethodPost, "/sandboxes/"+id+"/destroy", "{}")
	return err
}

// device is what GET /sandboxes/{id} says about a started one.
type device struct {
	ID      string `json:"-"`
	State   string `json:"state"`
	ADBPort int    `json:"adbPort"`
	size    int    // of the whole answer
}

func (r *runner) device(ctx context.Context, id string) (device, error) {
	body, err := r.call(ctx, http.StatusOK, http.MethodGet, "/sandboxes/"+id, "")
	if err != nil {
		return device{}, err
	}
	d := device{ID: id, size: len(body)}
	if err := json.Unmarshal(body, &d); err != nil {
		return device{}, fmt.Errorf("GET /sandboxes/%s: %w", id, err)
	}
	if d.State != "started" || d.ADBPort == 0 {
		return device{}, fmt.Errorf("GET /sandboxes/%s: want started with an ADB port, got %s", id, body)
	}
	return d, nil
}

// execTarget is a command that does nothing in the guest.
func (r *runner) execTarget(d device) target {
	return r.commandTarget(d.ID, `{"command":"true"}`)
}

func (r *runner) commandTarget(id, body string) target {
	return target{r.addr, rawRequest(http.MethodPost, "/sandboxes/"+id+"/toolbox/process/execute", body), wantExitZero}
}

func wantExitZero(body []byte) error {
	var answer struct {
		ExitCode *int `json:"exitCode"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("answer to execute: %w", err)
	}
	if answer.ExitCode == nil || *answer.ExitCode != 0 {
		return fmt.Errorf("the command answered %s", body)
	}
	return nil
}
