package toybox

import (
	"bufio"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func listApplets() map[string]Applet {
	return map[string]Applet{"ls": ls, "ll": ls, "stat": stat, "df": df, "du": du}
}

func ls(c *Call) int {
	o, ok := c.parse("1aAdlLnhiRrtSFpsZqNCgomxbcuHf", "color", "1")
	if !ok {
		return 1
	}
	o.flags['l'] = o.has("lngo")
	out := c.buffered()
	defer out.Flush()
	l := lister{c: c, o: o, out: out}
	names := o.args
	if len(names) == 0 {
		names = []string{"."}
	}
	look := c.View.Stat
	if o.flags['l'] || o.flags['d'] {
		look = c.View.Lstat
	}
	var dirs []string
	var files []vfs.Info
	names = slices.Sorted(slices.Values(names))
	for _, name := range names {
		info, err := look(c.abs(name))
		if err != nil {
			info, err = c.View.Lstat(c.abs(name))
		}
		switch {
		case err != nil:
			l.status = c.failPath(name, err)
		case info.Mode.IsDir() && !o.flags['d']:
			dirs = append(dirs, name)
		default:
			info.Name = name
			files = append(files, info)
		}
	}
	l.measure(files)
	for _, info := range files {
		l.entry(info)
	}
	slices.Sort(dirs)
	for i, dir := range dirs {
		if len(names) > 1 || o.flags['R'] {
			if i > 0 || len(dirs) < len(names) {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%s:\n", dir)
		}
		l.dir(dir)
	}
	return l.status
}

type lister struct {
	c      *Call
	o      options
	out    *bufio.Writer
	status int
	widths [4]int // of links, user, group and size in a long listing
}

// columns are the texts of a long listing that line up.
func (l *lister) columns(info vfs.Info) [4]string {
	user, group := userName(info.UID), userName(info.GID)
	if l.o.flags['n'] {
		user, group = strconv.Itoa(info.UID), strconv.Itoa(info.GID)
	}
	size := strconv.FormatInt(info.Size, 10)
	if l.o.flags['h'] {
		size = human(info.Size)
	}
	return [4]string{strconv.Itoa(info.Nlink), user, group, size}
}

// measure finds the widths for a listing.
func (l *lister) measure(list []vfs.Info) {
	l.widths = [4]int{}
	for _, info := range list {
		for i, text := range l.columns(info) {
			l.widths[i] = max(l.widths[i], len(text))
		}
	}
}

func (l *lister) dir(name string) {
	list, err := l.c.View.ReadDir(l.c.abs(name))
	if err != nil {
		l.status = l.c.failPath(name, err)
		return
	}
	if l.o.flags['a'] {
		list = append(l.dots(name), list...)
	}
	sortEntries(list, l.o)
	if l.o.flags['l'] {
		var blocks int64
		for _, info := range list {
			blocks += kib(info)
		}
		fmt.Fprintf(l.out, "total %d\n", blocks)
	}
	l.measure(list)
	for _, info := range list {
		if strings.HasPrefix(info.Name, ".") && !l.o.has("aA") {
			continue
		}
		l.entry(info)
	}
	for _, info := range list {
		if l.o.flags['R'] && info.Mode.IsDir() && info.Name != "." && info.Name != ".." && l.c.Ctx.Err() == nil {
			sub := strings.TrimSuffix(name, "/") + "/" + info.Name
			fmt.Fprintf(l.out, "\n%s:\n", sub)
			l.dir(sub)
		}
	}
}

func (l *lister) dots(name string) []vfs.Info {
	var list []vfs.Info
	for _, dot := range []string{".", ".."} {
		if info, err := l.c.View.Stat(l.c.abs(name) + "/" + dot); err == nil {
			info.Name = dot
			list = append(list, info)
		}
	}
	return list
}

func (l *lister) entry(info vfs.Info) {
	name := info.Name
	if l.o.flags['F'] || l.o.flags['p'] {
		if info.Mode.IsDir() {
			name += "/"
		}
	}
	if l.o.flags['i'] {
		fmt.Fprintf(l.out, "%d ", info.Inode)
	}
	if !l.o.flags['l'] {
		fmt.Fprintln(l.out, name)
		return
	}
	if info.Mode&fs.ModeSymlink != 0 {
		name += " -> " + info.Target
	}
	text, w := l.columns(info), l.widths
	fmt.Fprintf(l.out, "%s %*s %-*s %-*s %*s %s %s\n", vfs.ModeString(info.Mode), w[0], text[0], w[1], text[1], w[2], text[2],
		w[3], text[3], info.ModTime.UTC().Format("2006-01-02 15:04"), name)
}

func kib(info vfs.Info) int64 { return (info.Size + 4095) / 4096 * 4 }

// human shortens a size as toybox -h does: three digits and a unit.
func human(n int64) string {
	value, unit := float64(n), 0
	for value >= 1000 && unit < 5 {
		value /= 1024
		unit++
	}
	suffix := " KMGTP"[unit : unit+1]
	if unit == 0 {
		return strconv.FormatInt(n, 10)
	}
	if value < 10 {
		return fmt.Sprintf("%.1f%s", value, suffix)
	}
	return fmt.Sprintf("%.0f%s", value, suffix)
}

func stat(c *Call) int {
	o, ok := c.parse("c:fLt", "format", "c")
	if !ok {
		return 1
	}
	if len(o.args) == 0 {
		return c.needs(1)
	}
	status := 0
	for _, arg := range o.args {
		look := c.View.Lstat
		if o.flags['L'] {
			look = c.View.Stat
		}
		info, err := look(c.abs(arg))
		if err != nil {
			status = c.fail("'%s': %s", arg, vfs.Reason(err))
			continue
		}
		if o.flags['f'] {
			total, used := c.View.Usage()
			c.printf("  File: \"%s\"\nBlock Size: 4096\nBlocks: Total: %d\tFree: %d\n", arg, total/4096, (total-used)/4096)
			continue
		}
		format := o.value['c']
		if format == "" {
			format = "  File: %N\n  Size: %s\t Blocks: %b\t IO Blocks: %B\t%F\nDevice: %d\t Inode: %i\t Links: %h\n" +
				"Access: (%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nAccess: %x\nModify: %y\nChange: %z"
		}
		c.printf("%s\n", statFormat(format, arg, info))
	}
	return status
}

const timeFormat = "2006-01-02 15:04:05.000000000 -0700"

// statFormat fills in stat's % directives.
func statFormat(format, name string, info vfs.Info) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if format[i] == '.' && i+1 < len(format) {
			i++ // a precision makes the directive unknown, and empty
			continue
		}
		b.WriteString(statField(format[i], name, info))
	}
	return b.String()
}

func statField(letter byte, name string, info vfs.Info) string {
	when := info.ModTime.UTC()
	switch letter {
	case 'a':
		return strconv.FormatUint(uint64(vfs.UnixMode(info.Mode)&0o7777), 8)
	case 'A':
		return vfs.ModeString(info.Mode)
	case 'b':
		return strconv.FormatInt(kib(info)*2, 10)
	case 'B':
		return "512"
	case 'd', 't', 'T':
		return "0"
	case 'D':
		return "0h"
	case 'f':
		return strconv.FormatUint(uint64(vfs.UnixMode(info.Mode)), 16)
	case 'F':
		return typeName(info)
	case 'g':
		return strconv.Itoa(info.GID)
	case 'G':
		return userName(info.GID)
	case 'h':
		return strconv.Itoa(info.Nlink)
	case 'i':
		return strconv.FormatUint(info.Inode, 10)
	case 'm':
		return "/"
	case 'n':
		return name
	case 'N':
		if info.Mode&fs.ModeSymlink != 0 {
			return name + " -> '" + info.Target + "'"
		}
		return name
	case 'o':
		return "4096"
	case 's':
		return strconv.FormatInt(info.Size, 10)
	case 'u':
		return strconv.Itoa(info.UID)
	case 'U':
		return userName(info.UID)
	case 'x', 'y', 'z':
		return when.Format(timeFormat)
	case 'X', 'Y', 'Z':
		return strconv.FormatInt(when.Unix(), 10)
	case '%':
		return "%"
	}
	return "%" + string(letter)
}

func typeName(info vfs.Info) string {
	switch {
	case info.Mode.IsDir():
		return "directory"
	case info.Mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case info.Mode&fs.ModeCharDevice != 0:
		return "character device"
	case info.Mode&fs.ModeNamedPipe != 0:
		return "FIFO (named pipe)"
	case info.Size == 0:
		return "regular empty file"
	}
	return "regular file"
}

func df(c *Call) int {
	o, ok := c.parse("hkPHat:")
	if !ok {
		return 1
	}
	total, used := c.View.Usage()
	show := func(n int64) string { return strconv.FormatInt(n/1024, 10) }
	head := "1K-blocks"
	if o.flags['h'] {
		show, head = human, "Size"
	}
	percent := int64(0)
	if total > 0 {
		percent = (used*100 + total - 1) / total
	}
	for _, arg := range o.args {
		if _, err := c.View.Stat(c.abs(arg)); err != nil {
			c.printf("Filesystem     %s Used Available Use%% Mounted on\n", head)
			return c.fail("'%s': %s", arg, vfs.Reason(err))
		}
	}
	c.printf("%-20s %10s %10s %10s %4s %s\n", "Filesystem", head, "Used", "Available", "Use%", "Mounted on")
	c.printf("%-20s %10s %10s %10s %3d%% %s\n", "/dev/block/dm-5", show(total), show(used), show(total-used), percent, "/data")
	return 0
}

func du(c *Call) int {
	o, ok := c.parse("shkmacd:b")
	if !ok {
		return 1
	}
	depth := 1 << 30
	if o.flags['d'] {
		depth, _ = strconv.Atoi(o.value['d'])
	}
	if o.flags['s'] {
		depth = 0
	}
	out := c.buffered()
	defer out.Flush()
	show := func(k int64, name string) {
		text := strconv.FormatInt(k, 10)
		switch {
		case o.flags['h']:
			text = human(k * 1024)
		case o.flags['m']:
			text = strconv.FormatInt((k+1023)/1024, 10)
		case o.flags['b']:
			text = strconv.FormatInt(k*1024, 10)
		}
		fmt.Fprintf(out, "%s\t%s\n", text, name)
	}
	var sum func(name string, level int) (int64, error)
	sum = func(name string, level int) (int64, error) {
		info, err := c.View.Lstat(c.abs(name))
		if err != nil {
			return 0, err
		}
		total := kib(info)
		if info.Mode.IsDir() {
			list, err := c.View.ReadDir(c.abs(name))
			if err != nil {
				c.failPath(name, err)
			}
			for _, entry := range list {
				if c.Ctx.Err() != nil {
					return 0, syscall.EINTR
				}
				n, err := sum(strings.TrimSuffix(name, "/")+"/"+entry.Name, level+1)
				if err != nil {
					return 0, err
				}
				total += n
			}
		}
		if level <= depth && (level == 0 || info.Mode.IsDir() || o.flags['a']) {
			show(total, name)
		}
		return total, nil
	}
	if len(o.args) == 0 {
		o.args = []string{"."}
	}
	status := 0
	for _, arg := range o.args {
		if _, err := sum(arg, 0); err != nil {
			status = c.failPath(arg, err)
		}
	}
	return status
}

func sortEntries(list []vfs.Info, o options) {
	less := func(a, b vfs.Info) int { return 0 }
	switch {
	case o.flags['t']:
		less = func(a, b vfs.Info) int { return b.ModTime.Compare(a.ModTime) }
	case o.flags['S']:
		less = func(a, b vfs.Info) int { return int(min(max(b.Size-a.Size, -1), 1)) }
	}
	stableSort(list, func(a, b vfs.Info) int {
		n := less(a, b)
		if n == 0 {
			n = strings.Compare(a.Name, b.Name)
		}
		if o.flags['r'] {
			n = -n
		}
		return n
	})
}

func age(now, then time.Time) time.Duration { return now.Sub(then) }
