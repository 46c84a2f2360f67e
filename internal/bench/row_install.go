package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// The app that is installed, in pairs.
const (
	appBytes   = 50 << 20
	appPairs   = 8
	appPackage = "com.example.bench"
)

// measureInstall installs an app over HTTP, in turns with adb install of the same on the same device. Each
// replaces the one before.
func measureInstall(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		file, err := l.app(ctx, appBytes)
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		growth, stop := r.watchGrowth(ctx)
		var took pairs
		err = takeTurns(l.count(appPairs),
			func() error { return timed(&took.ours, func() error { return r.install(ctx, d, file, info.Size()) }) },
			func() error {
				return timed(&took.baseline, func() error { return a.run(ctx, "install", "-r", file) })
			})
		stop()
		if err != nil {
			return err
		}
		figures = []figure{
			compared("install, bytes/s against adb install", bytesOf, took.rates(info.Size()), atLeast(1.0, 1.2)),
			absolute("resident memory grew by", bytesOf, float64(growth.Load()), atMost(32<<20, 32<<20)),
		}
		notes = []string{fmt.Sprintf("%d pairs of %d MiB over loopback, the APK as the body", len(took.ours), info.Size()>>20)}
		return nil
	})
	return figures, notes, err
}

// app makes an APK of this size that the simulated device takes.
func (l *lab) app(ctx context.Context, size int64) (string, error) {
	file := l.path("app.apk")
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "cvd-sim"), "apk", "--package", appPackage, "--size", fmt.Sprint(size), file)
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cvd-sim apk: %w: %.300s", err, said)
	}
	return file, nil
}

// install sends an APK as the body.
func (r *runner) install(ctx context.Context, d device, file string, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	req, err := r.request(ctx, http.MethodPost, r.toolbox(d, "/android/install", nil), f)
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/vnd.android.package-archive")
	resp, err := r.send(req)
	if err != nil {
		return err
	}
	var said struct {
		Package string `json:"package"`
	}
	err = errors.Join(json.NewDecoder(resp.Body).Decode(&said), resp.Body.Close())
	if err == nil && said.Package != appPackage {
		err = fmt.Errorf("%q was installed", said.Package)
	}
	return err
}
