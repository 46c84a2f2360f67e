package toybox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func moreTextApplets() map[string]Applet {
	return map[string]Applet{
		"od": od, "tac": tac, "nl": nl, "paste": paste, "comm": comm, "strings": stringsApplet, "file": fileApplet,
		"split": split, "fsync": plain(0, fsync), "tty": ttyApplet, "stty": stty, "factor": plain(1, factor),
	}
}

// maxKept bounds what an applet that needs all of its input keeps.
const maxKept = 256 << 20

func tac(c *Call) int {
	out := c.buffered()
	defer out.Flush()
	return c.inputs(c.Args[1:], func(_ string, r io.Reader) error {
		var all [][]byte
		size := 0
		err := c.wholeLines(r, out, func(line []byte) bool {
			all = append(all, bytes.Clone(line))
			size += len(line)
			return size < maxKept
		})
		for _, line := range slices.Backward(all) {
			out.Write(line)
		}
		return err
	})
}

func nl(c *Call) int {
	o, ok := c.parse("Eb:n:s:v:w:l:")
	if !ok {
		return 1
	}
	out := c.buffered()
	defer out.Flush()
	number := 0
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		return c.lines(r, out, func(line []byte) bool {
			if len(line) == 0 && o.value['b'] != "a" {
				out.WriteString("       \n")
				return true
			}
			number++
			fmt.Fprintf(out, "%6d\t%s\n", number, line)
			return true
		})
	})
}

// wholeFile is all lines of a file, without their ends.
func (c *Call) wholeFile(name string) ([]string, error) {
	r, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var list []string
	size := 0
	err = c.lines(r, bufio.NewWriter(io.Discard), func(line []byte) bool {
		list = append(list, string(line))
		size += len(line) + 16
		return size < maxKept
	})
	return list, err
}

func paste(c *Call) int {
	o, ok := c.parse("d:s")
	if !ok {
		return 1
	}
	between := "\t"
	if o.flags['d'] {
		between, _ = Unescape(o.value['d'])
	}
	if len(o.args) == 0 {
		o.args = []string{"-"}
	}
	var columns [][]string
	longest := 0
	for _, name := range o.args {
		list, err := c.wholeFile(name)
		if err != nil {
			return c.failPath(name, err)
		}
		columns = append(columns, list)
		longest = max(longest, len(list))
	}
	out := c.buffered()
	defer out.Flush()
	if o.flags['s'] {
		for _, list := range columns {
			fmt.Fprintln(out, strings.Join(list, between))
		}
		return 0
	}
	for i := range longest {
		row := make([]string, len(columns))
		for n, list := range columns {
			if i < len(list) {
				row[n] = list[i]
			}
		}
		fmt.Fprintln(out, strings.Join(row, between))
	}
	return 0
}

func comm(c *Call) int {
	o, ok := c.parse("123")
	if !ok {
		return 1
	}
	if len(o.args) != 2 {
		return c.needs(2)
	}
	a, err := c.wholeFile(o.args[0])
	if err != nil {
		return c.failPath(o.args[0], err)
	}
	b, err := c.wholeFile(o.args[1])
	if err != nil {
		return c.failPath(o.args[1], err)
	}
	out := c.buffered()
	defer out.Flush()
	show := func(column byte, line string) {
		if o.flags[column] {
			return
		}
		for before := byte('1'); before < column; before++ {
			if !o.flags[before] {
				out.WriteByte('\t')
			}
		}
		fmt.Fprintln(out, line)
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			show('1', a[0])
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			show('2', b[0])
			b = b[1:]
		default:
			show('3', a[0])
			a, b = a[1:], b[1:]
		}
	}
	return 0
}

func stringsApplet(c *Call) int {
	o, ok := c.parse("afon:t:")
	if !ok {
		return 1
	}
	least := 4
	if o.flags['n'] {
		least, _ = strconv.Atoi(o.value['n'])
	}
	out := c.buffered()
	defer out.Flush()
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		var run []byte
		flush := func() {
			if len(run) >= max(least, 1) {
				fmt.Fprintf(out, "%s\n", run)
			}
			run = run[:0]
		}
		err := c.copy(writerFunc(func(p []byte) (int, error) {
			for _, b := range p {
				if b == '\t' || b >= 0x20 && b < 0x7f {
					run = append(run, b)
				} else {
					flush()
				}
			}
			return len(p), nil
		}), r)
		flush()
		return err
	})
}

func fileApplet(c *Call) int {
	o, ok := c.parse("bhLs")
	if !ok {
		return 1
	}
	if len(o.args) == 0 {
		return c.needs(1)
	}
	width := 0
	for _, name := range o.args {
		width = max(width, len(name)+1)
	}
	for _, name := range o.args {
		if !o.flags['b'] {
			c.printf("%-*s ", width, name+":")
		}
		c.printf("%s\n", c.fileKind(name))
	}
	return 0
}

func (c *Call) fileKind(name string) string {
	info, err := c.View.Lstat(c.abs(name))
	switch {
	case err != nil:
		return "cannot open: " + vfs.Reason(err)
	case info.Target != "":
		return "symbolic link to " + info.Target
	case info.Mode.IsDir():
		return "directory"
	case typeLetter(info) == 'p':
		return "fifo"
	case !info.Mode.IsRegular():
		return "character special"
	case info.Size == 0:
		return "empty"
	}
	f, err := c.View.Open(c.abs(name), os.O_RDONLY, 0)
	if err != nil {
		return "cannot open: " + vfs.Reason(err)
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "ELF shared object, 64-bit LSB x86-64"
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return "PNG image data"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return "Zip archive data"
	case bytes.HasPrefix(head, []byte("#!")):
		first, _, _ := strings.Cut(string(head[2:]), "\n")
		return strings.TrimSpace(first) + " script"
	case bytes.IndexByte(head, 0) >= 0:
		return "data"
	case slices.ContainsFunc(head, func(b byte) bool { return b >= 0x80 }):
		return "UTF-8 text"
	}
	return "ASCII text"
}

func fsync(c *Call, args []string) int {
	status := 0
	for _, name := range args {
		_, err := c.View.Stat(c.abs(name))
		if err == nil {
			err = c.View.Sync()
		}
		if err != nil {
			status = c.failPath(name, err)
		}
	}
	return status
}

func ttyApplet(c *Call) int {
	o, ok := c.parse("s")
	if !ok {
		return 2
	}
	if c.Sys != nil && c.Sys.IsTerminal(c, 0) {
		if !o.flags['s'] {
			c.printf("/dev/pts/0\n")
		}
		return 0
	}
	if !o.flags['s'] {
		c.printf("not a tty\n")
	}
	return 1
}

func factor(c *Call, args []string) int {
	for _, arg := range args {
		n, err := strconv.ParseUint(arg, 0, 64)
		if err != nil {
			return c.fail("%s is not integer", arg)
		}
		c.printf("%d:", n)
		for p := uint64(2); p*p <= n && c.Ctx.Err() == nil; p++ {
			for ; n%p == 0; n /= p {
				c.printf(" %d", p)
			}
		}
		if n > 1 {
			c.printf(" %d", n)
		}
		c.printf("\n")
	}
	return 0
}
