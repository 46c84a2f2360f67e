package toybox

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Signal numbers, as Linux has them on every architecture Android runs on.
const (
	SIGHUP  = 1
	SIGINT  = 2
	SIGQUIT = 3
	SIGKILL = 9
	SIGPIPE = 13
	SIGALRM = 14
	SIGTERM = 15
	SIGCHLD = 17
	SIGCONT = 18
	SIGURG  = 23
	SIGWINC = 28
)

// SignalNames lists signal names from number 1 on.
func SignalNames() []string {
	return strings.Fields("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD " +
		"CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS")
}

// SignalText describes a signal as strsignal(3) does; the common ones only.
func SignalText(sig int) string {
	return map[int]string{SIGHUP: "Hangup", SIGQUIT: "Quit", 6: "Aborted", SIGKILL: "Killed", 10: "User defined signal 1",
		11: "Segmentation fault", 12: "User defined signal 2", SIGALRM: "Alarm clock", SIGTERM: "Terminated"}[sig]
}

// SignalNumber reads a signal's name, with or without SIG, or number.
func SignalNumber(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 0 && n < 65
	}
	at := slices.Index(SignalNames(), strings.TrimPrefix(strings.ToUpper(text), "SIG"))
	return at + 1, at >= 0
}

func processApplets() map[string]Applet {
	return map[string]Applet{"ps": ps, "kill": kill, "pidof": pidof, "pgrep": pgrep, "pkill": pgrep, "killall": killall}
}

func ps(c *Call) int {
	o, ok := c.parse("AefTwlo:p:Z")
	if !ok {
		return 1
	}
	list := c.Sys.Processes()
	if o.flags['p'] {
		list = slices.DeleteFunc(list, func(p Process) bool {
			return !slices.Contains(strings.Split(o.value['p'], ","), strconv.Itoa(p.PID))
		})
	} else if !o.has("Ae") {
		// Only what the caller runs, as without -A on a terminal.
		list = slices.DeleteFunc(list, func(p Process) bool { return p.UID != c.View.UID })
	}
	out := c.buffered()
	defer out.Flush()
	if o.flags['o'] {
		columns := strings.Split(strings.ToUpper(o.value['o']), ",")
		quiet := slices.IndexFunc(columns, func(s string) bool { return strings.HasSuffix(s, "=") }) >= 0
		if !quiet {
			fmt.Fprintln(out, strings.Join(columns, " "))
		}
		for _, p := range list {
			var row []string
			for _, column := range columns {
				row = append(row, psField(p, strings.TrimSuffix(column, "=")))
			}
			fmt.Fprintln(out, strings.Join(row, " "))
		}
		return 0
	}
	fmt.Fprintf(out, "%-12s %5s %5s %8s %6s %-10s %8s S %s\n", "USER", "PID", "PPID", "VSZ", "RSS", "WCHAN", "ADDR", "NAME")
	for _, p := range list {
		fmt.Fprintf(out, "%-12s %5d %5d %8d %6d %-10s %8d S %s\n", userName(p.UID), p.PID, p.PPID, 10800000, 3200, "0", 0, psField(p, "NAME"))
	}
	return 0
}

func psField(p Process, column string) string {
	switch column {
	case "USER":
		return userName(p.UID)
	case "UID":
		return strconv.Itoa(p.UID)
	case "PID":
		return strconv.Itoa(p.PID)
	case "PGID", "PGRP":
		if p.PGID == 0 {
			return strconv.Itoa(p.PID)
		}
		return strconv.Itoa(p.PGID)
	case "PPID":
		return strconv.Itoa(p.PPID)
	case "ARGS", "CMD", "CMDLINE":
		return strings.Join(p.Args, " ")
	case "COMM", "COMMAND", "NAME":
		return p.Name
	case "S", "STAT":
		return "S"
	}
	return "-"
}

func kill(c *Call) int {
	args := c.Args[1:]
	sig := SIGTERM
	if len(args) > 0 && args[0] == "-l" {
		return c.listSignals(args[1:])
	}
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		name := args[0][1:]
		args = args[1:]
		if (name == "s" || name == "n") && len(args) > 0 {
			name, args = args[0], args[1:]
		}
		var ok bool
		if sig, ok = SignalNumber(name); !ok {
			return c.fail("bad signal '%s'", name)
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.needs(1)
	}
	status := 0
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			status = c.fail("%s: arguments must be jobs or process IDs", arg)
			continue
		}
		if err := c.Sys.Signal(c.View, pid, sig); err != nil {
			status = c.fail("%s: %s", arg, vfs.Reason(err))
		}
	}
	return status
}

func (c *Call) listSignals(args []string) int {
	names := SignalNames()
	if len(args) > 0 {
		n, ok := SignalNumber(args[0])
		if n > 128 {
			n -= 128
		}
		if !ok || n < 1 || n > len(names) {
			return c.fail("bad signal '%s'", args[0])
		}
		if args[0] == strconv.Itoa(n) {
			c.printf("%s\n", names[n-1])
		} else {
			c.printf("%d\n", n)
		}
		return 0
	}
	c.printf("%s\n", strings.Join(names, " "))
	return 0
}

func pidof(c *Call) int {
	o, ok := c.parse("so:x")
	if !ok {
		return 1
	}
	var pids []string
	for _, p := range c.Sys.Processes() {
		if slices.Contains(o.args, p.Name) || len(p.Args) > 0 && slices.Contains(o.args, path.Base(p.Args[0])) {
			pids = append(pids, strconv.Itoa(p.PID))
		}
	}
	if len(pids) == 0 {
		return 1
	}
	c.printf("%s\n", strings.Join(pids, " "))
	return 0
}

// pgrep also is pkill: it then signals what it finds.
func pgrep(c *Call) int {
	sig := SIGTERM
	killing := c.name() == "pkill"
	if args := c.Args; killing && len(args) > 1 && len(args[1]) > 1 && args[1][0] == '-' {
		if n, ok := SignalNumber(args[1][1:]); ok {
			sig = n
			c.Args = slices.Concat(args[:1], args[2:])
		}
	}
	o, ok := c.parse("flxnou:P:")
	if !ok || len(o.args) != 1 {
		return 2
	}
	re, err := regexp.Compile(o.args[0])
	if err != nil {
		return c.fail("bad regex '%s'", o.args[0])
	}
	status := 1
	for _, p := range c.Sys.Processes() {
		subject := p.Name
		if o.flags['f'] {
			subject = strings.Join(p.Args, " ")
		}
		if p.PID == c.View.PID || !re.MatchString(subject) || o.flags['x'] && subject != o.args[0] {
			continue
		}
		status = 0
		switch {
		case killing:
			if err := c.Sys.Signal(c.View, p.PID, sig); err != nil {
				status = c.fail("%d: %s", p.PID, vfs.Reason(err))
			}
		case o.flags['l']:
			c.printf("%d %s\n", p.PID, subject)
		default:
			c.printf("%d\n", p.PID)
		}
	}
	return status
}

func killall(c *Call) int {
	args := c.Args[1:]
	sig := SIGTERM
	if len(args) > 1 && args[0][0] == '-' {
		if n, ok := SignalNumber(args[0][1:]); ok {
			sig, args = n, args[1:]
		}
	}
	status := 0
	for _, name := range args {
		hit := false
		for _, p := range c.Sys.Processes() {
			if p.Name == name && c.Sys.Signal(c.View, p.PID, sig) == nil {
				hit = true
			}
		}
		if !hit {
			status = c.fail("%s: No such process", name)
		}
	}
	return status
}
