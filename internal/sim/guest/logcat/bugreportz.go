package logcat

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

const (
	// reports is where dumpstate leaves its archives.
	reports = "/data/user_de/0/com.android.shell/files/bugreports/"
	// streaming is the release whose bugreportz writes to standard output.
	streaming = 13
	// pace is how long each part takes, beside its making.
	pace = 40 * time.Millisecond
)

const bugreportzUsage = `usage: bugreportz [-hpsv]
  -h: to display this help message
  -p: display progress
  -s: stream content to standard output
  -v: to display the version
  or no arguments to generate a zipped bugreport
`

// bugreportz makes the archive that developers want with a report.
func (d Device) bugreportz(c *toybox.Call) int {
	var progress, stream bool
	for _, arg := range c.Args[1:] {
		switch {
		case arg == "-v":
			version := "1.2"
			if d.Release < streaming {
				version = "1.1"
			}
			fmt.Fprintln(c.Err, version)
			return 0
		case arg == "-p":
			progress = true
		case arg == "-s" && d.Release >= streaming:
			stream = true
		case arg == "-h":
			io.WriteString(c.Err, bugreportzUsage)
			return 0
		default:
			fmt.Fprintf(c.Err, "Invalid option: %s\n%s", arg, bugreportzUsage)
			return 1
		}
	}
	if stream {
		if err := d.report(c, c.Out, "bugreport", nil); err != nil {
			return 1
		}
		return 0
	}
	say := func(format string, a ...any) {
		if progress {
			fmt.Fprintf(c.Out, format+"\n", a...)
		}
	}
	name := "bugreport-" + c.Sys.Property("ro.product.name") + "-" + c.Sys.Property("ro.build.id") + "-" + time.Now().UTC().Format("2006-01-02-15-04-05")
	path := reports + name + ".zip"
	say("BEGIN:%s", path)
	f, err := c.View.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = errors.Join(d.report(c, f, name, func(done, all int) { say("PROGRESS:%d/%d", done, all) }), f.Close())
	}
	if err != nil {
		fmt.Fprintf(c.Out, "FAIL:could not write %s: %v\n", path, err)
		return 1
	}
	fmt.Fprintf(c.Out, "OK:%s\n", path)
	return 0
}

// sections are the parts of the report: what stands above it, and the command that makes it.
var sections = []struct{ title, command string }{
	{"UPTIME", "uptime"},
	{"SYSTEM LOG", "logcat -d -b all -v threadtime -v printable -v uid"},
	{"SYSTEM PROPERTIES", "getprop"},
	{"PROCESSES AND THREADS", "ps -A"},
	{"FILESYSTEMS & FREE SPACE", "df"},
	{"DUMPSYS window", "dumpsys window"},
	{"DUMPSYS activity", "dumpsys activity"},
	{"DUMPSYS power", "dumpsys power"},
	{"DUMPSYS battery", "dumpsys battery"},
	{"DUMPSYS input", "dumpsys input"},
}

// report writes the archive; each is told how much of it there is.
func (d Device) report(c *toybox.Call, w io.Writer, name string, each func(done, all int)) error {
	z := zip.NewWriter(w)
	add := func(file, content string) error {
		out, err := z.Create(file)
		if err == nil {
			_, err = io.WriteString(out, content)
		}
		return err
	}
	if err := errors.Join(add("version.txt", "2.0\n"), add("main_entry.txt", name+".txt\n")); err != nil {
		return err
	}
	out, err := z.Create(name + ".txt")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "========================================================\n== dumpstate: %s\n"+
		"========================================================\n\n", time.Now().UTC().Format(time.DateTime))
	for i, s := range sections {
		if err := rest(c.Ctx); err != nil {
			return err
		}
		var said bytes.Buffer
		inner := *c
		inner.In, inner.Out, inner.Err = strings.NewReader(""), &said, &said
		c.Sys.Run(&inner, strings.Fields(s.command), toybox.Keep)
		if _, err := fmt.Fprintf(out, "------ %s (%s) ------\n%s\n", s.title, s.command, said.Bytes()); err != nil {
			return err
		}
		if err := z.Flush(); err != nil {
			return err
		}
		if each != nil {
			each(i+1, len(sections))
		}
	}
	return errors.Join(add("dumpstate_log.txt", "dumpstate finished\n"), z.Close())
}

// rest passes the time of one part.
func rest(ctx context.Context) error {
	select {
	case <-time.After(pace):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
