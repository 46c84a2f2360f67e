package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/daytona"
	"github.com/daytonaio/runner-android/internal/sim/ingress"
)

// daytonaProxy runs the double of Daytona's proxy alone.
func daytonaProxy(args []string) int {
	var o ingress.Options
	var faults []string
	flags := flag.NewFlagSet("cvd-sim proxy", flag.ContinueOnError)
	address := flags.String("listen", "", "loopback address to serve on ("+ingress.UsualAddress+", or a free port where that is taken)")
	flags.StringVar(&o.APIURL, "api", "http://127.0.0.1:3000/api", "the API that says who may pass, and whereto")
	flags.StringVar(&o.Key, "key", daytona.DefaultProxyKey, "the proxy's own API key")
	flags.Func("fault", "manner to begin with: one of "+strings.Join(ingress.Faults(), ", ")+"; may be repeated",
		func(name string) error { faults = append(faults, name); return nil })
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	if flags.NArg() > 0 {
		return usage(fmt.Errorf("cvd-sim proxy: %q is one argument too many", flags.Arg(0)))
	}
	proxy := ingress.New(o)
	for _, name := range faults {
		if err := proxy.AddFault(name, 0); err != nil {
			return usage(fmt.Errorf("cvd-sim proxy: %w", err))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	var listener net.Listener
	var err error
	if *address == "" {
		listener, err = ingress.ListenUsual()
	} else {
		listener, err = ingress.Listen(*address)
	}
	if err != nil {
		return fail(err)
	}
	fmt.Printf("proxy ready  http://%s  for %s\n", listener.Addr(), o.APIURL)
	if err := proxy.Serve(ctx, listener); err != nil {
		return fail(err)
	}
	return 0
}
