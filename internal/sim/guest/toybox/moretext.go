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

// od knows -c, -b, -x and -t o, x, u, d with sizes 1 to 8; without any it prints octal words.
func od(c *Call) int {
	o, ok := c.parse("A:N:bcdosxt:vj:w:")
	if !ok {
		return 1
	}
	kind, size := byte('o'), 2
	switch {
	case o.flags['c']:
		kind, size = 'c', 1
	case o.flags['b']:
		kind, size = 'o', 1
	case o.flags['x']:
		kind = 'x'
	case o.flags['t'] && o.value['t'] != "":
		kind, size = o.value['t'][0], 1
		if n, err := strconv.Atoi(strings.TrimLeft(o.value['t'][1:], "z")); err == nil {
			size = n
		} else if kind != 'c' && kind != 'a' {
			size = 4
		}
	}
	if size < 1 || size > 8 || strings.IndexByte("oxucda", kind) < 0 {
		return c.fail("bad -t '%s'", o.value['t'])
	}
	base := map[string]string{"x": "%07x", "d": "%07d", "n": ""}
	offset, known := base[o.value['A']]
	if !known {
		offset = "%07o"
	}
	limit := int64(1 << 60)
	if o.flags['N'] {
		limit, ok = parseSize(o.value['N'])
	}
	skip := int64(0)
	if o.flags['j'] && ok {
		skip, ok = parseSize(o.value['j'])
	}
	if !ok {
		return c.fail("bad number")
	}
	out := c.buffered()
	defer out.Flush()
	at := skip
	pos := func() {
		if offset != "" {
			fmt.Fprintf(out, offset, at)
		}
	}
	status := c.inputs(o.args, func(_ string, r io.Reader) error {
		if _, err := io.CopyN(io.Discard, r, skip); err != nil && err != io.EOF {
			return err
		}
		r = io.LimitReader(r, limit)
		buf := make([]byte, 16)
		for c.Ctx.Err() == nil {
			n, err := io.ReadFull(r, buf)
			if n == 0 {
				break
			}
			pos()
			clear(buf[n:])
			for i := 0; i < n; i += size {
				out.WriteString(odField(buf[i:min(i+size, 16)], kind, size))
			}
			out.WriteByte('\n')
			at += int64(n)
			if err != nil {
				break
			}
		}
		return nil
	})
	if offset != "" {
		pos()
		out.WriteByte('\n')
	}
	return status
}

func odField(p []byte, kind byte, size int) string {
	var n uint64
	for i := len(p) - 1; i >= 0; i-- {
		n = n<<8 | uint64(p[i])
	}
	switch kind {
	case 'c', 'a':
		switch b := p[0]; {
		case b == 0:
			return `  \0`
		case b >= 7 && b <= 13:
			return `  \` + "abtnvfr"[b-7:b-6]
		case b < 0x20 || b > 0x7e:
			return fmt.Sprintf(" %03o", b)
		default:
			return "   " + string(rune(b))
		}
	case 'x':
		return fmt.Sprintf(" %0*x", 2*size, n)
	case 'o':
		return fmt.Sprintf(" %0*o", []int{0, 3, 6, 8, 11, 14, 16, 19, 22}[size], n)
	case 'd':
		shift := 64 - 8*size
		return fmt.Sprintf(" %*d", []int{0, 4, 6, 8, 11, 13, 16, 18, 20}[size], int64(n<<shift)>>shift)
	}
	return fmt.Sprintf(" %*d", []int{0, 3, 5, 8, 10, 13, 15, 17, 20}[size], n)
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

func split(c *Call) int {
	o, ok := c.parse("a:b:l:n:")
	if !ok {
		return 1
	}
	name, prefix := "-", "x"
	if len(o.args) > 0 {
		name = o.args[0]
	}
	if len(o.args) > 1 {
		prefix = o.args[1]
	}
	r, err := c.open(name)
	if err != nil {
		return c.failPath(name, err)
	}
	defer r.Close()
	lines, size := int64(1000), int64(0)
	if o.flags['l'] {
		lines, ok = parseSize(o.value['l'])
	}
	if o.flags['b'] {
		size, ok = parseSize(o.value['b'])
	}
	if !ok || lines < 1 {
		return c.fail("bad size")
	}
	var f vfs.File
	part, left := 0, int64(0)
	put := func(p []byte, cost int64) error {
		if left <= 0 {
			if f != nil {
				f.Close()
			}
			suffix := string([]byte{byte('a' + part/26%26), byte('a' + part%26)})
			if f, err = c.View.Open(c.abs(prefix+suffix), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
				f = nil
				return err
			}
			part++
			if left = lines; size > 0 {
				left = size
			}
		}
		left -= cost
		_, err := f.Write(p)
		return err
	}
	if size > 0 {
		err = c.copy(writerFunc(func(p []byte) (int, error) {
			for rest := p; len(rest) > 0; {
				n := int64(len(rest))
				if left > 0 {
					n = min(n, left)
				} else {
					n = min(n, size)
				}
				if err := put(rest[:n], n); err != nil {
					return 0, err
				}
				rest = rest[n:]
			}
			return len(p), nil
		}), r)
	} else {
		var perr error
		err = c.wholeLines(r, bufio.NewWriter(io.Discard), func(line []byte) bool {
			perr = put(line, 1)
			return perr == nil
		})
		if perr != nil {
			err = perr
		}
	}
	if f != nil {
		f.Close()
	}
	if err != nil {
		return c.failPath(prefix, err)
	}
	return 0
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
