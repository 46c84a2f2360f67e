package logcat

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// Device is what the commands work on.
type Device struct {
	Log     *logd.Log
	Release int // the Android version, such as 15
}

// Applets are the commands by name.
func Applets(d Device) map[string]toybox.Applet {
	return map[string]toybox.Applet{"logcat": d.logcat, "log": d.log, "logflood": d.flood, "bugreportz": d.bugreportz}
}

const usage = `Usage: logcat [options] [filterspecs]

General options:
  -b, --buffer=<buffer>       Request alternate ring buffer(s):
                                main system radio events crash default all
                              Additionally, 'kernel' for userdebug and eng builds.
                              Default -b main,system,crash,kernel.
  -c, --clear                 Clear (flush) the entire log and exit.
  -d                          Dump the log and then exit (don't block).
  --pid=<pid>                 Only print logs from the given pid.
  --uid=<uids>                Only display log messages from UIDs present in the comma separated list <uids>.
  -B, --binary                Output the log in binary.
  -D, --dividers              Print dividers between each log buffer.
  -e, --regex=<expr>          Only print lines where the log message matches <expr>.
  -g, --buffer-size           Get the size of the ring buffers within logd.
  -G <size>                   Set size of a ring buffer in logd. May suffix with K or M.
  -m, --max-count=<count>     Quit after printing <count> lines.
  -s                          Set default filter to silent.
  -t <count|time>             Print only the most recent <count> lines, or lines since <time> (implies -d).
  -T <count|time>             Print only the most recent <count> lines, or lines since <time> (does not imply -d).
  -v, --format=<format>       Sets log print format.
`

// logcat prints the log.
func (d Device) logcat(c *toybox.Call) int {
	o, err := parse(c.Args[1:], environment(c, "ANDROID_LOG_TAGS"))
	switch {
	case err != nil:
		fmt.Fprintf(c.Err, "logcat: %v\n", err)
		return 1
	case o.help:
		io.WriteString(c.Out, usage)
		return 0
	case o.clear:
		d.Log.Clear(o.set)
		return 0
	case o.resize > 0:
		if !d.Log.Resize(o.set, o.resize) {
			fmt.Fprintf(c.Err, "logcat: failed to set the '%s' log size\n", o.set)
			return 1
		}
		return 0
	case o.sizes:
		d.sizes(c.Out, o.set)
		return 0
	}
	p := &printer{options: o, out: bufio.NewWriterSize(c.Out, 32<<10), booted: c.Sys.Booted()}
	return d.follow(c, p)
}

func environment(c *toybox.Call, name string) string {
	for _, kv := range c.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

func (d Device) sizes(w io.Writer, set logd.Set) {
	for _, b := range set.Each() {
		limit, used := d.Log.Size(b)
		fmt.Fprintf(w, "%s: ring buffer is %d KiB (%d KiB consumed, %d KiB readable), max entry is 5120 B, max payload is 4068 B\n",
			b, limit>>10, used>>10, used>>10)
	}
}

// atOnce is how many entries are read at a time.
const atOnce = 512

// follow prints what is there, and unless that is all that was asked for, what comes.
func (d Device) follow(c *toybox.Call, p *printer) int {
	end := d.Log.Last()
	at := d.tailOf(p.options)
	for {
		var entries []logd.Entry
		entries, at = d.Log.Read(p.set, at, atOnce)
		for i := range entries {
			if done, err := p.print(&entries[i]); err != nil || done {
				_ = p.out.Flush()
				return 0
			}
		}
		if c.Ctx.Err() != nil {
			return 1
		}
		if p.stop && at >= end {
			_ = p.out.Flush() // a reader that is gone is told by SIGPIPE
			return 0
		}
		if len(entries) == atOnce {
			continue
		}
		if p.out.Flush() != nil || d.Log.Wait(c.Ctx, at) != nil {
			return 1
		}
	}
}

// tailOf is the position behind which the last entries are that were asked for.
func (d Device) tailOf(o *options) uint64 {
	if o.tail == 0 {
		return 0
	}
	var ends []uint64
	for at := uint64(0); ; {
		entries, next := d.Log.Read(o.set, at, 1)
		if len(entries) == 0 {
			break
		}
		if o.filter.reads(&entries[0], o.since) {
			if ends = append(ends, at); len(ends) > o.tail {
				ends = slices.Delete(ends, 0, 1)
			}
		}
		at = next
	}
	if len(ends) == 0 {
		return 0
	}
	return ends[0]
}

// printer prints entries.
type printer struct {
	*options
	out     *bufio.Writer
	booted  time.Time
	buf     []byte
	last    logd.Buffer
	started logd.Set
	printed int
}

// print prints an entry that is wanted; done is true after the last one.
func (p *printer) print(e *logd.Entry) (done bool, err error) {
	if !p.filter.reads(e, p.since) || !p.filter.of(e) {
		return false, nil
	}
	if p.binary {
		p.buf = logd.AppendRecord(p.buf[:0], e)
		_, err = p.out.Write(p.buf)
		return false, err
	}
	p.divide(e.Buffer)
	if !p.filter.prints(e) {
		return false, nil
	}
	p.buf = p.layout.append(p.buf[:0], e, p.booted)
	_, err = p.out.Write(p.buf)
	p.printed++
	return p.most > 0 && p.printed >= p.most, err
}

// divide says that another buffer speaks: the first time it does, and each time when dividers are wanted.
func (p *printer) divide(b logd.Buffer) {
	begun := p.started.Has(b)
	if begun && (p.last == b || !p.dividers) {
		p.last = b
		return
	}
	what := "beginning of"
	if begun {
		what = "switch to"
	}
	fmt.Fprintf(p.out, "--------- %s %s\n", what, b)
	p.last, p.started = b, p.started|1<<b
}
