package toybox

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// maxArguments bounds one xargs command line, in bytes.
const maxArguments = 128 << 10

func xargs(c *Call) int {
	o, ok := c.parse("+0n:rtP:E:s:pxo")
	if !ok {
		return 1
	}
	command := o.args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	limit := 1 << 30
	if o.flags['n'] {
		limit, _ = strconv.Atoi(o.value['n'])
	}
	items, err := c.items(o)
	if err != nil {
		return c.fail("%s", vfs.Reason(err))
	}
	worst := 0
	run := func(args []string) {
		if status := c.Sys.Run(c, args, Keep); status != 0 {
			worst = 123
			if status == 126 || status == 127 {
				worst = status
			}
		}
	}
	for first := true; len(items) > 0 || first && !o.flags['r'] && len(items) == 0; first = false {
		n, size := 0, 0
		for n < len(items) && n < max(limit, 1) && (n == 0 || size+len(items[n]) < maxArguments) {
			size += len(items[n]) + 1
			n++
		}
		run(slices.Concat(command, items[:n]))
		items = items[n:]
		if c.Ctx.Err() != nil {
			return 1
		}
	}
	return worst
}

// items reads what xargs hands on: NUL-separated with -0, lines with -I, else words.
func (c *Call) items(o options) ([]string, error) {
	text, err := c.readAll(c.In, 64<<20)
	if err != nil {
		return nil, err
	}
	switch {
	case o.flags['0']:
		return slices.DeleteFunc(strings.Split(text, "\x00"), func(s string) bool { return s == "" }), nil
	case o.flags['I']:
		return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" }), nil
	}
	return strings.Fields(text), nil
}

func (c *Call) readAll(r io.Reader, limit int64) (string, error) {
	var b strings.Builder
	err := c.copy(&limited{w: &b, left: limit}, r)
	return b.String(), err
}

// limited fails like a full memory once more than left bytes were written.
type limited struct {
	w    *strings.Builder
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, syscall.ENOMEM
	}
	return l.w.Write(p)
}
