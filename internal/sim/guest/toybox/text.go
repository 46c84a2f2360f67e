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
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func textApplets() map[string]Applet {
	return map[string]Applet{
		"head": head, "tail": tail, "wc": wc, "sort": sortLines, "uniq": uniq, "tr": tr, "cut": cut,
		"tee": tee, "seq": seq, "yes": yes, "rev": rev,
	}
}

func stableSort[E any](list []E, less func(a, b E) int) { slices.SortStableFunc(list, less) }

// oldCount turns the historic -5 into -n 5.
func (c *Call) oldCount() {
	if len(c.Args) > 1 && len(c.Args[1]) > 1 && c.Args[1][0] == '-' && c.Args[1][1] >= '0' && c.Args[1][1] <= '9' {
		c.Args = slices.Concat(c.Args[:1], []string{"-n", c.Args[1][1:]}, c.Args[2:])
	}
}

func head(c *Call) int {
	c.oldCount()
	o, ok := c.parse("c:n:qv")
	if !ok {
		return 1
	}
	lines, bytesToo := int64(10), int64(-1)
	if o.flags['n'] {
		lines, ok = parseSize(o.value['n'])
	}
	if o.flags['c'] {
		bytesToo, ok = parseSize(o.value['c'])
	}
	if !ok {
		return c.fail("bad number")
	}
	out := c.buffered()
	defer out.Flush()
	before := ""
	return c.inputs(o.args, func(name string, r io.Reader) error {
		if len(o.args) > 1 && !o.flags['q'] || o.flags['v'] {
			fmt.Fprintf(out, "%s==> %s <==\n", before, name)
			before = "\n"
		}
		if bytesToo >= 0 {
			err := c.copy(out, io.LimitReader(r, bytesToo))
			return err
		}
		left := lines
		if left == 0 {
			return nil
		}
		return c.wholeLines(r, out, func(line []byte) bool {
			out.Write(line)
			left--
			return left > 0
		})
	})
}

func tail(c *Call) int {
	c.oldCount()
	o, ok := c.parse("c:n:fqv")
	if !ok {
		return 1
	}
	count := "10"
	if o.flags['n'] {
		count = o.value['n']
	} else if o.flags['c'] {
		count = o.value['c']
	}
	from, fromStart := strings.CutPrefix(count, "+")
	n, ok := parseSize(strings.TrimPrefix(from, "-"))
	if !ok {
		return c.fail("bad number '%s'", count)
	}
	out := c.buffered()
	defer out.Flush()
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		switch {
		case o.flags['c'] && fromStart:
			if err := c.copy(io.Discard, io.LimitReader(r, max(n-1, 0))); err != nil {
				return err
			}
			err := c.copy(out, r)
			return err
		case o.flags['c']:
			return c.lastBytes(out, r, n)
		}
		return c.lastLines(out, r, n, fromStart)
	})
}

func (c *Call) lastBytes(out io.Writer, r io.Reader, n int64) error {
	n = min(n, 64<<20)
	var keep []byte
	err := c.copy(writerFunc(func(p []byte) (int, error) {
		if keep = append(keep, p...); int64(len(keep)) > 2*n+(64<<10) {
			keep = append([]byte(nil), keep[int64(len(keep))-n:]...)
		}
		return len(p), nil
	}), r)
	out.Write(keep[max(0, int64(len(keep))-n):])
	return err
}

func (c *Call) lastLines(out *bufio.Writer, r io.Reader, n int64, fromStart bool) error {
	var ring [][]byte
	at := int64(0)
	err := c.wholeLines(r, out, func(line []byte) bool {
		at++
		switch {
		case fromStart && at >= n:
			out.Write(line)
		case !fromStart && n > 0:
			ring = append(ring, bytes.Clone(line))
			if int64(len(ring)) > n {
				ring = ring[1:]
			}
		}
		return true
	})
	for _, line := range ring {
		out.Write(line)
	}
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func wc(c *Call) int {
	o, ok := c.parse("clmw")
	if !ok {
		return 1
	}
	var total [4]int64
	width := 0
	if len(o.args) > 1 {
		width = 7
	}
	show := func(n [4]int64, name string) {
		var cols []string
		for i, letter := range "lwcm" {
			if o.flags[byte(letter)] || !o.has("clmw") && i < 3 {
				cols = append(cols, fmt.Sprintf("%*d", width, n[i]))
			}
		}
		if name != "-" {
			cols = append(cols, name)
		}
		c.printf("%s\n", strings.Join(cols, " "))
	}
	status := c.inputs(o.args, func(name string, r io.Reader) error {
		var n [4]int64
		inWord := false
		err := c.copy(writerFunc(func(p []byte) (int, error) {
			n[2] += int64(len(p))
			for _, b := range p {
				if b == '\n' {
					n[0]++
				}
				space := b == ' ' || b >= '\t' && b <= '\r'
				if !space && !inWord {
					n[1]++
				}
				inWord = !space
				if utf8.RuneStart(b) {
					n[3]++
				}
			}
			return len(p), nil
		}), r)
		if err != nil {
			return err
		}
		for i := range n {
			total[i] += n[i]
		}
		show(n, name)
		return nil
	})
	if len(o.args) > 1 {
		show(total, "total")
	}
	return status
}

// expandSet spells out tr's ranges, classes and escapes.
func expandSet(text string) []byte {
	for name, chars := range map[string]string{"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9",
		"[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9", "[:space:]": " \t\n\r\f\v", "[:blank:]": " \t"} {
		text = strings.ReplaceAll(text, name, chars)
	}
	var set []byte
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b == '\\' && i+1 < len(text) {
			i++
			if text[i] >= '0' && text[i] <= '7' {
				end := i
				for end < len(text) && end < i+3 && text[end] >= '0' && text[end] <= '7' {
					end++
				}
				n, _ := strconv.ParseUint(text[i:end], 8, 16)
				b, i = byte(n), end-1
			} else if e := escape(text[i]); len(e) == 1 {
				b = e[0]
			} else {
				b = text[i]
			}
		}
		if i+2 < len(text) && text[i+1] == '-' && text[i+2] > b {
			for ; b < text[i+2]; b++ {
				set = append(set, b)
			}
			i += 2
		}
		set = append(set, b)
	}
	return set
}

func tr(c *Call) int {
	o, ok := c.parse("cCds")
	if !ok || len(o.args) == 0 {
		return 1
	}
	from := expandSet(o.args[0])
	var to []byte
	if len(o.args) > 1 {
		to = expandSet(o.args[1])
	}
	if o.has("cC") {
		var rest []byte
		for b := range 256 {
			if !slices.Contains(from, byte(b)) {
				rest = append(rest, byte(b))
			}
		}
		from = rest
	}
	var table [256]int
	for i := range table {
		table[i] = i
	}
	squeeze := to
	if len(to) == 0 || o.flags['d'] {
		squeeze = append(slices.Clone(from), to...)
	}
	for i, b := range from {
		switch {
		case o.flags['d']:
			table[b] = -1
		case len(to) > 0:
			table[b] = int(to[min(i, len(to)-1)])
		}
	}
	last := -1
	err := c.copy(writerFunc(func(p []byte) (int, error) {
		out := make([]byte, 0, len(p))
		for _, b := range p {
			n := table[b]
			if n < 0 || o.flags['s'] && n == last && slices.Contains(squeeze, byte(n)) {
				continue
			}
			out = append(out, byte(n))
			last = n
		}
		if _, err := c.Out.Write(out); err != nil {
			return 0, err
		}
		return len(p), nil
	}), c.In)
	if err != nil {
		return 1
	}
	return 0
}

// ranges parses cut's list, such as 1,3-5,7-.
func ranges(text string) ([][2]int, bool) {
	var list [][2]int
	for part := range strings.SplitSeq(text, ",") {
		a, b, isRange := strings.Cut(part, "-")
		r := [2]int{1, 1 << 30}
		var err error
		if a != "" {
			r[0], err = strconv.Atoi(a)
		}
		if !isRange {
			r[1] = r[0]
		} else if b != "" && err == nil {
			r[1], err = strconv.Atoi(b)
		}
		if err != nil || r[0] < 1 || part == "-" {
			return nil, false
		}
		list = append(list, r)
	}
	return list, true
}

func cut(c *Call) int {
	o, ok := c.parse("b:c:d:f:sn")
	if !ok {
		return 1
	}
	spec := o.value['f'] + o.value['c'] + o.value['b']
	if spec == "" {
		return c.fail("Needs -CFfcb (see \"cut --help\")")
	}
	list, good := ranges(spec)
	if !good {
		return c.fail("bad list '%s'", spec)
	}
	chosen := func(i int) bool {
		return slices.ContainsFunc(list, func(r [2]int) bool { return i >= r[0] && i <= r[1] })
	}
	sep := "\t"
	if o.flags['d'] {
		sep = o.value['d']
	}
	out := c.buffered()
	defer out.Flush()
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		return c.lines(r, out, func(line []byte) bool {
			var kept []string
			joiner := ""
			parts := strings.Split(string(line), "")
			if o.flags['f'] {
				parts, joiner = strings.Split(string(line), sep), sep
				if len(parts) == 1 {
					if !o.flags['s'] {
						fmt.Fprintf(out, "%s\n", line)
					}
					return true
				}
			}
			for i, part := range parts {
				if chosen(i + 1) {
					kept = append(kept, part)
				}
			}
			fmt.Fprintln(out, strings.Join(kept, joiner))
			return true
		})
	})
}

func tee(c *Call) int {
	o, ok := c.parse("ai")
	if !ok {
		return 1
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.flags['a'] {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	status := 0
	outs := []io.Writer{c.Out}
	for _, arg := range o.args {
		f, err := c.View.Open(c.abs(arg), flag, 0o666)
		if err != nil {
			status = c.failPath(arg, err)
			continue
		}
		defer f.Close() //nolint:gocritic // all of them are written to until the end
		outs = append(outs, f)
	}
	if err := c.copy(io.MultiWriter(outs...), c.In); err != nil {
		return c.fail("%s", vfs.Reason(err))
	}
	return status
}

func seq(c *Call) int {
	args := c.Args[1:]
	sep := "\n"
	wide := 0
	for len(args) > 1 && (args[0] == "-s" || args[0] == "-w") {
		if args[0] == "-w" {
			wide = 1
		} else {
			sep, args = args[1], args[1:]
		}
		args = args[1:]
	}
	n := [3]float64{1, 1, 1}
	for i, arg := range args {
		v, err := strconv.ParseFloat(arg, 64)
		if err != nil || i > 2 {
			return c.fail("bad number '%s'", arg)
		}
		switch {
		case len(args) == 1:
			n[2] = v
		case len(args) == 2:
			n[i*2] = v
		default:
			n[i] = v
		}
	}
	if len(args) == 0 || n[1] == 0 {
		return c.needs(1)
	}
	if wide > 0 {
		for _, v := range []float64{n[0], n[2]} {
			wide = max(wide, len(strconv.FormatFloat(v, 'f', -1, 64)))
		}
	}
	out := c.buffered()
	for i := 0; ; i++ {
		v := n[0] + float64(i)*n[1]
		if n[1] > 0 && v > n[2] || n[1] < 0 && v < n[2] {
			if i > 0 {
				out.WriteByte('\n')
			}
			out.Flush()
			return 0
		}
		if i > 0 {
			out.WriteString(sep)
		}
		if _, err := fmt.Fprintf(out, "%0*s", wide, strconv.FormatFloat(v, 'f', -1, 64)); err != nil || c.Ctx.Err() != nil {
			return 1
		}
	}
}

func yes(c *Call) int {
	text := "y"
	if len(c.Args) > 1 {
		text = strings.Join(c.Args[1:], " ")
	}
	block := bytes.Repeat([]byte(text+"\n"), max(1, 16<<10/(len(text)+1)))
	for c.Ctx.Err() == nil {
		if _, err := c.Out.Write(block); err != nil {
			break
		}
	}
	return 1
}

func rev(c *Call) int {
	out := c.buffered()
	defer out.Flush()
	return c.inputs(c.Args[1:], func(_ string, r io.Reader) error {
		return c.lines(r, out, func(line []byte) bool {
			runes := []rune(string(line))
			slices.Reverse(runes)
			fmt.Fprintln(out, string(runes))
			return true
		})
	})
}
