package main

import (
	"context"
	"flag"
	"fmt"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/daytona"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
)

// daytonaAPI runs the double of Daytona's control plane alone.
func daytonaAPI(args []string) int {
	var o daytona.Options
	flags := flag.NewFlagSet("cvd-sim daytona", flag.ContinueOnError)
	address := flags.String("listen", "127.0.0.1:3000", "loopback address to serve on")
	flags.StringVar(&o.Token, "token", simhost.DefaultToken, "the runner's bearer token")
	flags.StringVar(&o.UserKey, "user-key", daytona.DefaultUserKey, "API key of the SDK's routes")
	flags.StringVar(&o.ProxyURL, "proxy-url", daytona.DefaultProxyURL, "where Daytona's proxy is")
	flags.StringVar(&o.ProxyKey, "proxy-key", daytona.DefaultProxyKey, "API key of Daytona's proxy")
	flags.Float64Var(&o.Scale, "time-scale", 1, "how much faster the API's own time goes")
	flags.BoolVar(&o.NoBackups, "no-backups", false, "never ask for a backup unasked")
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	if flags.NArg() > 0 {
		return usage(fmt.Errorf("cvd-sim daytona: %q is one argument too many", flags.Arg(0)))
	}
	if !(o.Scale > 0) {
		return usage(fmt.Errorf("cvd-sim daytona: --time-scale is %v: want a number above 0", o.Scale))
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	listener, err := daytona.Listen(*address)
	if err != nil {
		return fail(err)
	}
	fmt.Printf("daytona ready  DAYTONA_API_URL=%s  orders at http://%s/sim/jobs\n", daytona.URL(listener), listener.Addr())
	if err := daytona.New(o).Serve(ctx, listener); err != nil {
		return fail(err)
	}
	return 0
}
