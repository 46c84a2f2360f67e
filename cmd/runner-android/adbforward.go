package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/forward"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const forwardUsage = `usage: runner-android adb-forward [OPTIONS] SANDBOX

Brings a device's ADB to this machine: it listens on a local port, and each connection becomes a tunnel to the device.
Ends on SIGINT or SIGTERM. Nothing but the token is needed, and no adb on the runner's side.

  --api URL           the runner; default http://127.0.0.1:3107, or the port in API_PORT
  --toolbox-url URL   go through Daytona's proxy instead: its toolbox URL, without the sandbox
  --token-env NAME    the variable that holds the token; default DAYTONA_RUNNER_TOKEN or API_TOKEN, and with
                      --toolbox-url DAYTONA_API_KEY
  --listen ADDR       where to listen; default 127.0.0.1:0, any free port of this machine alone
  --tcp PORT          forward this TCP port of the guest instead of ADB
`

// firstLimit is how long the first look at the tunnel may take.
const firstLimit = 40 * time.Second

// forwardCall is what the command line asks for.
type forwardCall struct {
	target forward.Target
	listen string
	tcp    int
}

// adbForward runs until a signal; see forwardUsage.
func adbForward(args, environ []string, stdout, stderr io.Writer) int {
	call, err := parseForward(args, environ)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, forwardUsage)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "runner-android adb-forward: %v\n\n%s", err, forwardUsage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := call.run(ctx, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "runner-android adb-forward: %v\n", err)
		return exitFailed
	}
	return exitOK
}

func parseForward(args, environ []string) (*forwardCall, error) {
	call := &forwardCall{}
	env := func(name string) string {
		for _, kv := range environ {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value
			}
		}
		return ""
	}
	port := env("API_PORT")
	if port == "" {
		port = "3107"
	}
	flags := flag.NewFlagSet("adb-forward", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	api := flags.String("api", "http://127.0.0.1:"+port, "")
	toolbox := flags.String("toolbox-url", "", "")
	tokenEnv := flags.String("token-env", "", "")
	flags.StringVar(&call.listen, "listen", "127.0.0.1:0", "")
	flags.IntVar(&call.tcp, "tcp", 0, "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		return nil, errors.New("one sandbox is wanted, behind the options")
	}
	id, err := sandbox.ParseID(flags.Arg(0))
	if err != nil {
		return nil, err
	}
	if call.tcp < 0 || call.tcp > 65535 {
		return nil, fmt.Errorf("--tcp %d is no port", call.tcp)
	}
	names := []string{"DAYTONA_RUNNER_TOKEN", "API_TOKEN"}
	base := strings.TrimSuffix(*api, "/") + "/sandboxes/" + url.PathEscape(string(id))
	if *toolbox != "" {
		names = []string{"DAYTONA_API_KEY"}
		base = strings.TrimSuffix(*toolbox, "/") + "/" + url.PathEscape(string(id))
	}
	if *tokenEnv != "" {
		names = []string{*tokenEnv}
	}
	for _, name := range names {
		if call.target.Token == "" {
			call.target.Token = env(name)
		}
	}
	if call.target.Token == "" {
		return nil, fmt.Errorf("no token: set %s, or name another variable with --token-env", strings.Join(names, " or "))
	}
	call.target.URL = base + "/adb/tunnel"
	if call.tcp != 0 {
		call.target.URL = base + "/tcp/" + strconv.Itoa(call.tcp)
	}
	return call, call.target.Check()
}

// run listens when one tunnel could be opened: who cannot be served hears it at once.
func (f *forwardCall) run(ctx context.Context, stdout, stderr io.Writer) error {
	within, cancel := context.WithTimeoutCause(ctx, firstLimit, fault.Timeoutf("no answer within %s", firstLimit))
	first, err := f.target.Dial(within)
	cancel()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return explain(err)
	}
	_ = first.Close()
	listener, err := forward.Listen(ctx, f.listen)
	if err != nil {
		return err
	}
	address := reachedAt(listener.Addr())
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() { //nolint:forcetypeassert // it is TCP's
		fmt.Fprintf(stderr, "anybody who reaches %s can use the device\n", listener.Addr())
	}
	if f.tcp == 0 {
		fmt.Fprintf(stdout, "adb connect %s\n", address)
	} else {
		fmt.Fprintf(stdout, "forwarding %s to port %d of the guest\n", address, f.tcp)
	}
	var mu sync.Mutex
	return forward.Serve(ctx, listener, f.target, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(stderr, "runner-android adb-forward: %v\n", explain(err))
	})
}

// reachedAt is how a client on this machine says the address.
func reachedAt(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && (ip.IsUnspecified() || host == "127.0.0.1") {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}

// explain adds what to do about an error.
func explain(err error) error {
	switch {
	case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.Forbidden):
		return fmt.Errorf("%w; is it the right token? --token-env names its variable", err)
	case fault.Is(err, fault.NotFound):
		return fmt.Errorf("%w; is the sandbox on this runner, and the URL right?", err)
	}
	return err
}
