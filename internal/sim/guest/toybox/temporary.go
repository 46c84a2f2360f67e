package toybox

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func compare(c *Call) int {
	o, ok := c.parse("s")
	if !ok || len(o.args) != 2 {
		return 2
	}
	var in [2]io.ReadCloser
	for i, name := range o.args {
		r, err := c.open(name)
		if err != nil {
			c.failPath(name, err)
			return 2
		}
		defer r.Close() //nolint:gocritic // there are two, and both are needed to the end
		in[i] = r
	}
	var a, b [64 << 10]byte
	lines := 1
	for at := int64(0); c.Ctx.Err() == nil; {
		n, _ := io.ReadFull(in[0], a[:])
		m, _ := io.ReadFull(in[1], b[:])
		for i := range min(n, m) {
			if a[i] != b[i] {
				if !o.flags['s'] {
					c.printf("%s %s differ: char %d, line %d\n", o.args[0], o.args[1], at+int64(i)+1, lines)
				}
				return 1
			}
			if a[i] == '\n' {
				lines++
			}
		}
		switch {
		case n != m:
			if !o.flags['s'] {
				fmt.Fprintf(c.Err, "cmp: EOF on %s after byte %d, line %d\n", o.args[map[bool]int{true: 0, false: 1}[n < m]],
					at+int64(min(n, m)), lines-1)
			}
			return 1
		case n == 0:
			return 0
		}
		at += int64(n)
	}
	return 2
}

func mktemp(c *Call) int {
	o, ok := c.parse("dqutp:")
	if !ok {
		return 1
	}
	template := "tmp.XXXXXXXXXX"
	if len(o.args) > 0 {
		template = o.args[0]
	}
	if !strings.Contains(template, "/") {
		dir := o.value['p']
		if dir == "" {
			dir = c.getenv("TMPDIR")
		}
		if dir == "" {
			dir = "/data/local/tmp"
		}
		template = dir + "/" + template
	}
	stem := strings.TrimRight(template, "X")
	if len(template)-len(stem) < 2 {
		return c.fail("Need more X's in '%s'", template)
	}
	for range 100 {
		name := stem + strconv.FormatUint(randomUint()%1_000_000_007, 36) + "x"
		var err error
		if o.flags['d'] {
			err = c.View.Mkdir(c.abs(name), 0o700)
		} else {
			var f vfs.File
			if f, err = c.View.Open(c.abs(name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
				f.Close()
			}
		}
		if err == nil {
			c.printf("%s\n", name)
			return 0
		}
		if vfs.Errno(err) != syscall.EEXIST {
			return c.fail("Failed to create %s: %s", name, vfs.Reason(err))
		}
	}
	return c.fail("no free name like %s", template)
}
