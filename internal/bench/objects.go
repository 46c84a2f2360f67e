package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/s3store"
)

// objects is a real S3 server with one bucket.
type objects struct {
	*child
	endpoint, bucket string
	key, secret      string
}

// startObjects builds versitygw, or finds it built, and starts it in the lab.
func (l *lab) startObjects(ctx context.Context) (*objects, error) {
	build := exec.CommandContext(ctx, "go", "tool", "-n", "versitygw")
	build.Dir = filepath.Join("tools", "versitygw")
	path, err := build.Output()
	if err != nil {
		return nil, fmt.Errorf("build versitygw: %w", err)
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	o := &objects{endpoint: "http://" + address, bucket: "bench", key: rand.Text(), secret: rand.Text()}
	dir, sidecar := l.path("objects"), l.path("attributes")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, o.bucket), 0o755), os.MkdirAll(sidecar, 0o755)); err != nil {
		return nil, err
	}
	env := append(os.Environ(), "ROOT_ACCESS_KEY_ID="+o.key, "ROOT_SECRET_ACCESS_KEY="+o.secret)
	o.child, err = startChild(ctx, l.path("objects.log"), env, strings.TrimSpace(string(path)),
		"--port", address, "--keep-alive", "--quiet", "--health", "/healthz", "--region", "us-east-1", "posix", "--sidecar", sidecar, dir)
	if err != nil {
		return nil, err
	}
	return o, await(ctx, 20*time.Second, 20*time.Millisecond, "versitygw answers", func() error {
		if err := o.ended(); err != nil {
			return finalError{err}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.endpoint+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Timeout: time.Second}).Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// open returns a client with the runner's settings.
func (o *objects) open() (*s3store.Store, error) {
	return s3store.Open(s3store.Options{Endpoint: o.endpoint, Bucket: o.bucket, AccessKey: o.key, SecretKey: o.secret})
}

// rclone copies between files and the bucket; an absentError where there is none.
func (o *objects) rclone(ctx context.Context, from, to string) error {
	path, err := exec.LookPath("rclone")
	if err != nil {
		return absentError{"there is no rclone (Debian: rclone)"}
	}
	cmd := exec.CommandContext(ctx, path, "copyto", "--s3-no-check-bucket", "--config", "",
		"--expect-continue-timeout", "0", // versitygw does not answer the question, which costs rclone a second for each part
		from, to)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "AWS_") }), // of another server
		"RCLONE_CONFIG_LAB_TYPE=s3", "RCLONE_CONFIG_LAB_PROVIDER=Other", "RCLONE_CONFIG_LAB_ENDPOINT="+o.endpoint,
		"RCLONE_CONFIG_LAB_ACCESS_KEY_ID="+o.key, "RCLONE_CONFIG_LAB_SECRET_ACCESS_KEY="+o.secret, "RCLONE_CONFIG_LAB_REGION=us-east-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rclone: %w: %s", err, out)
	}
	return nil
}

// remote is a key as rclone names it.
func (o *objects) remote(key string) string { return "lab:" + o.bucket + "/" + key }
