package toybox

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func basicApplets() map[string]Applet {
	return map[string]Applet{
		"true":  func(*Call) int { return 0 },
		"false": func(*Call) int { return 1 },
		"echo":  echo, "print": echo, "printf": printf, "test": testApplet, "[": testApplet,
		"sleep": sleep, "sync": syncApplet, "date": date, "uname": uname, "basename": basename,
		"dirname": dirname, "pwd": pwd, "printenv": printenv, "nproc": plain(0, nproc), "uptime": uptime,
		"hostname": plain(0, hostname), "logname": plain(0, func(c *Call, _ []string) int { return whoami(c) }), "clear": func(c *Call) int { c.printf("\x1b[2J\x1b[H"); return 0 },
	}
}

// echo interprets backslashes unless -E is given, as Android's shell (mksh) does.
func echo(c *Call) int {
	args := c.Args[1:]
	newline, escapes := true, true
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neEr") == "" {
		for _, letter := range args[0][1:] {
			switch letter {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			default:
				escapes = false
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var stop bool
		if text, stop = Unescape(text); stop {
			newline = false
		}
	}
	if newline {
		text += "\n"
	}
	if _, err := c.Out.Write([]byte(text)); err != nil {
		return 1
	}
	return 0
}

// Unescape replaces echo's backslash sequences; stop reports a \c, which ends the output.
func Unescape(text string) (out string, stop bool) {
	if strings.IndexByte(text, '\\') < 0 {
		return text, false
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch letter := text[i]; letter {
		case 'c':
			return b.String(), true
		case 'e', 'E':
			b.WriteByte(0x1b)
		case '0', 'x':
			base, digits := 8, "01234567"
			if letter == 'x' {
				base, digits = 16, "0123456789abcdefABCDEF"
			}
			end := i + 1
			for end < len(text) && end < i+4 && strings.IndexByte(digits, text[end]) >= 0 && (base == 8 || end < i+3) {
				end++
			}
			n, _ := strconv.ParseUint("0"+text[i+1:end], base, 16)
			b.WriteByte(byte(n))
			i = end - 1
		default:
			b.WriteString(escape(letter))
		}
	}
	return b.String(), false
}

func sleep(c *Call) int {
	var total time.Duration
	for _, arg := range c.Args[1:] {
		d, ok := parseDuration(arg)
		if !ok {
			return c.fail("Not a number '%s'", arg)
		}
		total += d
	}
	if len(c.Args) < 2 {
		return c.needs(1)
	}
	t := time.NewTimer(total)
	defer t.Stop()
	select {
	case <-t.C:
		return 0
	case <-c.Ctx.Done():
		return 1
	}
}

// parseDuration reads seconds, or a number with s, m, h or d.
func parseDuration(text string) (time.Duration, bool) {
	unit := time.Second
	number := strings.TrimRight(text, "smhd")
	switch text[len(number):] {
	case "", "s":
	case "m":
		unit = time.Minute
	case "h":
		unit = time.Hour
	case "d":
		unit = 24 * time.Hour
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

func syncApplet(c *Call) int {
	if err := c.View.Sync(); err != nil {
		return c.fail("%s", vfs.Reason(err))
	}
	return 0
}

func date(c *Call) int {
	o, ok := c.parse("ud:r:I")
	if !ok {
		return 1
	}
	zone := time.UTC
	if !o.flags['u'] {
		zone = Zone(c.Sys.Property("persist.sys.timezone"))
	}
	now := c.Sys.Now().In(zone)
	if o.flags['d'] {
		var err error
		if now, err = parseDate(o.value['d']); err != nil {
			return c.fail("bad date %s", o.value['d'])
		}
		now = now.In(zone)
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	if len(o.args) > 0 {
		var isFormat bool
		if format, isFormat = strings.CutPrefix(o.args[0], "+"); !isFormat {
			return c.fail("cannot set date: Operation not permitted")
		}
	}
	c.printf("%s\n", strftime(format, now))
	return 0
}

func strftime(format string, t time.Time) string {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'H': "15", 'I': "03",
		'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'Z': "MST", 'z': "-0700",
		'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'N': "000000000", 'h': "Jan",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch letter := format[i]; letter {
		case 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case 'N':
			fmt.Fprintf(&b, "%09d", t.Nanosecond())
		case 'j':
			fmt.Fprintf(&b, "%03d", t.YearDay())
		case 'u':
			b.WriteString(strconv.Itoa((int(t.Weekday())+6)%7 + 1))
		case 'n':
			b.WriteByte('\n')
		case '%':
			b.WriteByte('%')
		default:
			b.WriteString(t.Format(layouts[letter]))
		}
	}
	return b.String()
}

func uname(c *Call) int {
	o, ok := c.parse("asnrvmpo")
	if !ok {
		return 1
	}
	fields := map[byte]string{
		's': "Linux", 'n': "localhost", 'r': c.Sys.Property("ro.kernel.version"),
		'v': "#1 SMP PREEMPT Thu Jan 1 00:00:00 UTC 2026", 'm': "x86_64", 'o': "Toybox",
	}
	var out []string
	for _, letter := range []byte("snrvmo") {
		if o.flags[letter] || o.flags['a'] || letter == 's' && len(o.flags) == 0 {
			out = append(out, fields[letter])
		}
	}
	c.printf("%s\n", strings.Join(out, " "))
	return 0
}

func hostname(c *Call, _ []string) int {
	c.printf("localhost\n")
	return 0
}

func basename(c *Call) int {
	o, ok := c.parse("as:")
	if !ok || len(o.args) == 0 {
		return c.needs(1)
	}
	suffix := o.value['s']
	if len(o.args) == 2 && !o.has("as") {
		suffix, o.args = o.args[1], o.args[:1]
	}
	for _, arg := range o.args {
		name := path.Base(arg)
		if name != suffix {
			name = strings.TrimSuffix(name, suffix)
		}
		c.printf("%s\n", name)
	}
	return 0
}

func dirname(c *Call) int {
	if len(c.Args) < 2 {
		return c.needs(1)
	}
	for _, arg := range c.Args[1:] {
		c.printf("%s\n", path.Dir(strings.TrimRight(arg, "/")+map[bool]string{true: "/.", false: ""}[strings.Trim(arg, "/") == "" && arg != ""]))
	}
	return 0
}

func pwd(c *Call) int {
	o, ok := c.parse("LP")
	if !ok {
		return 1
	}
	dir := c.Dir
	if o.flags['P'] {
		real, err := c.View.RealPath(dir)
		if err != nil {
			return c.fail("%s", vfs.Reason(err))
		}
		dir = real
	}
	c.printf("%s\n", dir)
	return 0
}

func printenv(c *Call) int {
	if len(c.Args) > 1 {
		status := 0
		for _, name := range c.Args[1:] {
			if !slices.ContainsFunc(c.Env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") }) {
				status = 1
				continue
			}
			c.printf("%s\n", c.getenv(name))
		}
		return status
	}
	for _, kv := range c.Env {
		c.printf("%s\n", kv)
	}
	return 0
}

func nproc(c *Call, _ []string) int {
	c.printf("%d\n", c.Sys.CPUs())
	return 0
}

func uptime(c *Call) int {
	up := age(c.Sys.Now(), c.Sys.Booted())
	c.printf(" %s up %d min,  0 users,  load average: 0.00, 0.00, 0.00\n",
		c.Sys.Now().UTC().Format("15:04:05"), int(up.Minutes()))
	return 0
}

func which(c *Call) int {
	o, ok := c.parse("a")
	if !ok {
		return 1
	}
	status := 0
	for _, name := range o.args {
		found := false
		for dir := range strings.SplitSeq(c.getenv("PATH"), ":") {
			file := strings.TrimSuffix(dir, "/") + "/" + name
			info, err := c.View.Stat(file)
			if err == nil && info.Mode.IsRegular() && c.View.Access(file, 1) == nil && (!found || o.flags['a']) {
				c.printf("%s\n", file)
				found = true
			}
		}
		if !found {
			status = 1
		}
	}
	return status
}
