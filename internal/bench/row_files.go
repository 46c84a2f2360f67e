package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// The transfers: one file of this size, both ways, in pairs.
const (
	transferBytes = 256 << 20
	transferPairs = 8
	transferPiece = 256 << 10
	inGuest       = "/data/local/tmp/"
)

// measureTransfer uploads and downloads a file over HTTP, in turns with adb push and pull of the same
// on the same device.
func measureTransfer(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		size := int64(transferBytes / l.divisor)
		file, err := l.noise("transfer", size)
		if err != nil {
			return err
		}
		growth, stop := r.watchGrowth(ctx)
		var up, down pairs
		err = errors.Join(
			takeTurns(l.count(transferPairs),
				func() error { return timed(&up.ours, func() error { return r.upload(ctx, d, file, "ours") }) },
				func() error {
					return timed(&up.baseline, func() error { return a.run(ctx, "push", file, inGuest+"theirs") })
				}),
			takeTurns(l.count(transferPairs),
				func() error { return timed(&down.ours, func() error { return r.download(ctx, d, "ours", size) }) },
				func() error {
					return timed(&down.baseline, func() error { return a.run(ctx, "pull", inGuest+"ours", l.path("pulled")) })
				}))
		stop()
		if err != nil {
			return err
		}
		figures = []figure{
			compared("upload, bytes/s against adb push", bytesOf, up.rates(size), atLeast(1.0, 1.3)),
			compared("download, bytes/s against adb pull", bytesOf, down.rates(size), atLeast(0.9, 1.0)),
			absolute("resident memory grew by", bytesOf, float64(growth.Load()), atMost(32<<20, 32<<20)),
		}
		notes = []string{fmt.Sprintf("%d pairs each way of %d MiB over loopback", len(up.ours), size>>20)}
		return nil
	})
	return figures, notes, err
}

// timed adds how long do took.
func timed(into *[]float64, do func() error) error {
	began := time.Now()
	err := do()
	*into = append(*into, time.Since(began).Seconds())
	return err
}

// rates turns times into bytes a second.
func (p pairs) rates(size int64) pairs {
	for _, side := range [][]float64{p.ours, p.baseline} {
		for i, t := range side {
			side[i] = float64(size) / t
		}
	}
	return p
}

// noise makes a file whose content nobody can compress or leave out.
func (l *lab) noise(name string, size int64) (string, error) {
	path := l.path(name)
	random, err := os.Open("/dev/urandom")
	if err != nil {
		return "", err
	}
	defer random.Close()
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.CopyN(f, random, size)
	return path, errors.Join(err, f.Close())
}

// watchGrowth follows the runner's resident memory until stop is called: how far it rose above what it was.
func (r *runner) watchGrowth(ctx context.Context) (growth *atomic.Int64, stop func()) {
	growth = &atomic.Int64{}
	before, err := residentOf(r.pid())
	if err != nil {
		before = 0
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if now, err := residentOf(r.pid()); err == nil && now-before > growth.Load() {
					growth.Store(now - before)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return growth, func() { cancel(); <-done }
}

// run forks adb for the device.
func (a *adb) run(ctx context.Context, args ...string) error {
	cmd := a.command(ctx, append([]string{"-s", a.serial}, args...)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("adb %v: %w: %.300s", args, err, said)
		}
		return err
	}
	return nil
}

func (r *runner) toolbox(d device, path string, query url.Values) string {
	return "http://" + r.addr + "/sandboxes/" + d.ID + "/toolbox" + path + "?" + query.Encode()
}

// request is one with the token.
func (r *runner) request(ctx context.Context, method, address string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, err
}

// read asks for something.
func (r *runner) read(ctx context.Context, address string) (*http.Response, error) {
	req, err := r.request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return r.send(req)
}

// send returns the answer, whose body is still to be read.
func (r *runner) send(req *http.Request) (*http.Response, error) {
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s %s", req.Method, req.URL, resp.Status, said)
	}
	return resp, nil
}

// upload sends a file as the toolbox's form, with its length said in advance, as curl and the SDKs do.
func (r *runner) upload(ctx context.Context, d device, file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var around bytes.Buffer
	form := multipart.NewWriter(&around)
	if _, err := form.CreateFormFile("file", name); err != nil {
		return err
	}
	head := bytes.Clone(around.Bytes())
	around.Reset()
	if err := form.Close(); err != nil {
		return err
	}
	req, err := r.request(ctx, http.MethodPost, r.toolbox(d, "/files/upload", url.Values{"path": {inGuest + name}}),
		io.MultiReader(bytes.NewReader(head), f, &around))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(head)) + info.Size() + int64(around.Len())
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := r.send(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// download reads a file and throws it away.
func (r *runner) download(ctx context.Context, d device, name string, size int64) error {
	resp, err := r.read(ctx, r.toolbox(d, "/files/download", url.Values{"path": {inGuest + name}}))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, transferPiece))
	if err == nil && n != size {
		err = fmt.Errorf("download of %s: %d bytes, want %d", name, n, size)
	}
	return err
}

// listed is how many files the directory of the listing has.
const listed = 10_000

// measureListing lists a directory of 10,000 files over HTTP, in turns with adb shell ls -l.
func measureListing(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		n := l.count(listed)
		fill := fmt.Sprintf("mkdir -p %[1]smany && cd %[1]smany && i=0; while [ $i -lt %[2]d ]; do : > file-$i; i=$((i+1)); done", inGuest, n)
		if err := a.run(ctx, "shell", fill); err != nil {
			return err
		}
		var took pairs
		address := r.toolbox(d, "/files", url.Values{"path": {inGuest + "many"}})
		err := takeTurns(5,
			func() error {
				return timed(&took.ours, func() error {
					resp, err := r.read(ctx, address)
					if err != nil {
						return err
					}
					defer resp.Body.Close()
					_, err = io.Copy(io.Discard, resp.Body)
					return err
				})
			},
			func() error {
				return timed(&took.baseline, func() error { return a.run(ctx, "shell", "ls -l "+inGuest+"many") })
			})
		if err != nil {
			return err
		}
		figures = []figure{compared(fmt.Sprintf("listing of %d files", n), seconds, took, atMost(1.5, 1.0))}
		return nil
	})
	return figures, notes, err
}
