// Command runner-android turns a Linux host into a fleet of Android devices for Daytona.
//
//	runner-android [serve]    run until SIGINT or SIGTERM (the default)
//	runner-android adb-forward SANDBOX    bring a device's ADB to this machine
//	runner-android version    print the build and exit
//
// Settings come from the environment: see configs/runner.env. Exit codes: 0 after a signal, 1
// when it could not serve, 2 when a setting or an argument is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/obs"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // a service manager must not try again: see configs/runner-android.service
)

const usage = `usage: runner-android [serve | adb-forward | version | help]

serve (the default) runs until SIGINT or SIGTERM. Settings come from the environment;
configs/runner.env documents each of them.
adb-forward brings a device's ADB to this machine; see runner-android adb-forward --help.
`

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main with everything passed in.
func run(args, environ []string, stdout, stderr io.Writer) int {
	verb := "serve"
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "adb-forward":
		return adbForward(args[1:], environ, stdout, stderr)
	case len(args) > 1:
	case verb == "serve":
		return serve(environ, stderr)
	case verb == "version" || verb == "--version":
		fmt.Fprintln(stdout, obs.ThisBuild())
		return exitOK
	case verb == "help" || verb == "--help" || verb == "-h":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	fmt.Fprintf(stderr, "runner-android: unknown arguments %q\n\n%s", strings.Join(args, " "), usage)
	return exitUsage
}

func serve(environ []string, stderr io.Writer) int {
	cfg, err := configs.Load(environ)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	log := obs.NewLogger(cfg.LogLevel, stderr)
	defer func() { _ = log.Sync() }() // a terminal or pipe cannot be synced
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	app, err := Build(ctx, cfg, log)
	if err == nil {
		err = app.Run(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Error("runner ended", zap.Error(err))
		return exitFailed
	}
	log.Info("runner stopped; devices keep running")
	return exitOK
}
