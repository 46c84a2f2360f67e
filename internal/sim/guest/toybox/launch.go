package toybox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

func runApplets() map[string]Applet {
	return map[string]Applet{
		"env": env, "timeout": timeout, "nohup": nohup, "setsid": setsid, "su": su, "time": timeApplet, "nice": nice,
	}
}

func env(c *Call) int {
	o, ok := c.parse("+iu:0")
	if !ok {
		return 125
	}
	vars := slices.Clone(c.Env)
	if o.flags['i'] {
		vars = nil
	}
	drop := func(name string) {
		vars = slices.DeleteFunc(vars, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	}
	if o.flags['u'] {
		drop(o.value['u'])
	}
	args := o.args
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, _, _ := strings.Cut(args[0], "=")
		drop(name)
		vars = append(vars, args[0])
		args = args[1:]
	}
	child := *c
	child.Env = vars
	if len(args) > 0 {
		return c.Sys.Run(&child, args, Keep)
	}
	for _, kv := range vars {
		c.printf("%s\n", kv)
	}
	return 0
}

func timeout(c *Call) int {
	o, ok := c.parse("+k:s:iv", "signal", "s", "preserve-status", "v", "foreground", "i")
	if !ok {
		return 125
	}
	if len(o.args) < 2 {
		c.needs(2)
		return 125
	}
	limit, good := parseDuration(o.args[0])
	sig := SIGTERM
	if o.flags['s'] {
		sig, ok = SignalNumber(o.value['s'])
	}
	if !good || !ok {
		c.fail("bad arguments")
		return 125
	}
	ctx, cancel := c.Ctx, context.CancelFunc(func() {})
	if limit > 0 {
		ctx, cancel = context.WithTimeout(c.Ctx, limit)
	}
	defer cancel()
	how := Keep
	how.Ctx, how.Signal = ctx, sig
	status := c.Sys.Run(c, o.args[1:], how)
	if ctx.Err() == context.DeadlineExceeded && !o.flags['v'] {
		if sig == SIGKILL {
			return 128 + SIGKILL
		}
		return 124
	}
	return status
}

func nohup(c *Call) int {
	if len(c.Args) < 2 {
		return c.needs(1)
	}
	how := Keep
	how.IgnoreHUP = true
	return c.Sys.Run(c, c.Args[1:], how)
}

func setsid(c *Call) int {
	o, ok := c.parse("+cdw")
	if !ok || len(o.args) == 0 {
		return 1
	}
	how := Keep
	how.NewGroup = true
	return c.Sys.Run(c, o.args, how)
}

func nice(c *Call) int {
	o, ok := c.parse("+n:")
	if !ok || len(o.args) == 0 {
		return 1
	}
	return c.Sys.Run(c, o.args, Keep)
}

// su takes UID [COMMAND…] as Android's does, and -c for those who know another one.
func su(c *Call) int {
	args := c.Args[1:]
	uid := 0
	if len(args) > 0 && args[0] != "-c" {
		id, ok := userID(args[0])
		if !ok {
			return c.fail("invalid uid/gid '%s'", args[0])
		}
		uid, args = id, args[1:]
	}
	switch {
	case len(args) > 1 && args[0] == "-c":
		args = []string{"sh", "-c", args[1]}
	case len(args) == 0:
		args = []string{"sh"}
	}
	how := Keep
	how.UID = uid
	return c.Sys.Run(c, args, how)
}

func timeApplet(c *Call) int {
	start := time.Now()
	status := c.Sys.Run(c, c.Args[1:], Keep)
	fmt.Fprintf(c.Err, "real %.3f\nuser 0.000\nsys  0.000\n", time.Since(start).Seconds())
	return status
}
