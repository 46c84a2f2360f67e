package logcat

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// log writes one message: log [-p PRIORITY] [-t TAG] MESSAGE...
func (d Device) log(c *toybox.Call) int {
	e := logd.Entry{Priority: 'I', Tag: "log", PID: c.View.PID, UID: c.View.UID}
	args := c.Args[1:]
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		letter, value := args[0][1], args[0][2:]
		if letter != 'p' && letter != 't' {
			fmt.Fprintf(c.Err, "log: Unknown option '%c' (see \"log --help\")\n", letter)
			return 1
		}
		args = args[1:]
		if value == "" {
			if len(args) == 0 {
				fmt.Fprintf(c.Err, "log: Missing argument to -%c (see \"log --help\")\n", letter)
				return 1
			}
			value, args = args[0], args[1:]
		}
		if letter == 't' {
			e.Tag = value
			continue
		}
		at := strings.IndexByte("vdiwefs", value[0]|0x20)
		if at < 0 || len(value) != 1 {
			fmt.Fprintf(c.Err, "log: bad -p '%s'\n", value)
			return 1
		}
		e.Priority = "VDIWEFS"[at]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprint(c.Err, "log: Needs 1 argument (see \"log --help\")\n")
		return 1
	}
	e.Text = strings.Join(args, " ")
	d.Log.Add(e)
	return 0
}

// flood writes RATE messages a second, COUNT in all (0: until it is ended): "logflood RATE COUNT".
func (d Device) flood(c *toybox.Call) int {
	var rate, count int
	var errs [2]error
	if len(c.Args) == 3 {
		rate, errs[0] = strconv.Atoi(c.Args[1])
		count, errs[1] = strconv.Atoi(c.Args[2])
	}
	if rate < 1 || rate > 1_000_000 || count < 0 || errs[0] != nil || errs[1] != nil {
		fmt.Fprint(c.Err, "usage: logflood RATE COUNT\n")
		return 1
	}
	const beat = 10 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	begun, padding := time.Now(), strings.Repeat(".", 60)
	for sent := 0; count == 0 || sent < count; {
		due := int(time.Since(begun).Seconds() * float64(rate))
		for ; sent < due && (count == 0 || sent < count); sent++ {
			d.Log.Add(logd.Entry{Priority: 'I', Tag: "Flood", PID: c.View.PID, UID: c.View.UID, Text: fmt.Sprintf("line %d %s", sent, padding)})
		}
		select {
		case <-tick.C:
		case <-c.Ctx.Done():
			return 1
		}
	}
	return 0
}
