package main

import (
	"context"
	"net"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps"
)

// appRoutes are the routes for the apps of devices. Uploads wait where the runner's own data is, which is on a disk.
func appRoutes(cfg configs.Config, kit *android.Kit, pool *adb.Pool) []transport.Route {
	return apps.New(kit, services{pool}, shells{pool}, apps.Options{
		SpoolDir: cfg.Host.InstancesPath, AllowFetch: cfg.Install.URLNetworks.Prefixes(),
	}).Routes()
}

// services lends the ADB connections for services that no shell runs.
type services struct{ pool *adb.Pool }

var _ apps.Guest = services{}

// ABBExec implements apps.Guest.
func (g services) ABBExec(ctx context.Context, serial string, args []string) (net.Conn, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	stream, err := dev.ABBExec(ctx, args)
	if err != nil {
		return nil, err // and no typed nil
	}
	return stream, nil
}

// Exec implements apps.Guest.
func (g services) Exec(ctx context.Context, serial, command string) (net.Conn, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	stream, err := dev.Exec(ctx, command)
	if err != nil {
		return nil, err
	}
	return stream, nil
}
