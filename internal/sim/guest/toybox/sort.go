package toybox

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func sortLines(c *Call) int {
	o, ok := c.parse("nruffbk:t:o:sz")
	if !ok {
		return 1
	}
	var list []string
	size := 0
	out := c.buffered()
	status := c.inputs(o.args, func(_ string, r io.Reader) error {
		return c.lines(r, out, func(line []byte) bool {
			list = append(list, string(line))
			size += len(line)
			return size < 256<<20
		})
	})
	if status != 0 {
		status = 2
	}
	field := 0
	if o.flags['k'] {
		field, _ = strconv.Atoi(strings.TrimRight(strings.Split(o.value['k'], ",")[0], "nrb"))
	}
	numeric := o.flags['n'] || strings.Contains(o.value['k'], "n")
	key := func(line string) string {
		if field > 0 {
			parts := strings.Fields(line)
			if sep := o.value['t']; sep != "" {
				parts = strings.Split(line, sep)
			}
			line = strings.Join(parts[min(field-1, len(parts)):], " ")
		}
		if o.flags['f'] {
			line = strings.ToUpper(line)
		}
		return line
	}
	order := func(a, b string) int {
		if numeric {
			return cmp.Compare(leadingNumber(key(a)), leadingNumber(key(b)))
		}
		return strings.Compare(key(a), key(b))
	}
	stableSort(list, func(a, b string) int {
		n := order(a, b)
		if n == 0 && !o.flags['s'] && !o.flags['u'] {
			n = strings.Compare(a, b)
		}
		if o.flags['r'] {
			return -n
		}
		return n
	})
	if o.flags['u'] {
		list = slices.CompactFunc(list, func(a, b string) bool { return order(a, b) == 0 })
	}
	var w io.Writer = out
	if o.flags['o'] {
		f, err := c.View.Open(c.abs(o.value['o']), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			return c.failPath(o.value['o'], err)
		}
		defer f.Close()
		w = f
	}
	for _, line := range list {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return 1
		}
	}
	out.Flush()
	return status
}

func leadingNumber(text string) float64 {
	text = strings.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || end == 0 && text[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(text[:end], 64)
	return n
}

func uniq(c *Call) int {
	o, ok := c.parse("cdui")
	if !ok {
		return 1
	}
	out := c.buffered()
	defer out.Flush()
	var last string
	count := 0
	emit := func() {
		if count == 0 || o.flags['d'] && count < 2 || o.flags['u'] && count > 1 {
			return
		}
		if o.flags['c'] {
			fmt.Fprintf(out, "%7d ", count)
		}
		fmt.Fprintln(out, last)
	}
	status := c.inputs(o.args[:min(1, len(o.args))], func(_ string, r io.Reader) error {
		return c.lines(r, out, func(line []byte) bool {
			if count > 0 && (string(line) == last || o.flags['i'] && strings.EqualFold(string(line), last)) {
				count++
				return true
			}
			emit()
			last, count = string(line), 1
			return true
		})
	})
	emit()
	return status
}
