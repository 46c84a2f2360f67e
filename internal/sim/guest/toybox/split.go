package toybox

import (
	"bufio"
	"io"
	"os"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

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
