package toybox

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

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
		if _, err := io.CopyN(io.Discard, r, skip); err != nil && !errors.Is(err, io.EOF) {
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
