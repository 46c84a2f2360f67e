package toybox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

func grepApplets() map[string]Applet {
	return map[string]Applet{"grep": grep, "egrep": grep, "fgrep": grep}
}

// grepper is one run of grep.
type grepper struct {
	c       *Call
	o       options
	re      *regexp.Regexp
	out     *bufio.Writer
	names   bool
	matched bool
	failed  bool
	status  int // for files that cannot be read
	limit   int
	before  int
	after   int
}

func grep(c *Call) int {
	o, ok := c.parse("ae:f:EFGHIilLnoqrRsvwxchm:ZzA:B:C:", "color", "h", "include", "s")
	if !ok {
		return 2
	}
	args := o.args
	if !o.flags['e'] {
		if len(args) == 0 {
			c.fail("no REGEX")
			return 2
		}
		o.value['e'], args = args[0], args[1:]
	}
	re, err := grepPattern(o, c.name())
	if err != nil {
		c.fail("bad regex '%s': %v", o.value['e'], err)
		return 2
	}
	g := &grepper{c: c, o: o, re: re, out: c.buffered(), limit: 1 << 30}
	defer g.out.Flush()
	if o.flags['m'] {
		g.limit, _ = strconv.Atoi(o.value['m'])
	}
	for letter, to := range map[byte][]*int{'A': {&g.after}, 'B': {&g.before}, 'C': {&g.after, &g.before}} {
		for _, n := range to {
			if o.flags[letter] {
				*n, _ = strconv.Atoi(o.value[letter])
			}
		}
	}
	tree := o.has("rR")
	if tree && len(args) == 0 {
		args = []string{"."}
	}
	g.names = (len(args) > 1 || tree || o.flags['H']) && !o.flags['h']
	if len(args) == 0 {
		args = []string{"-"}
	}
	for _, arg := range args {
		g.file(arg, tree)
		if c.Ctx.Err() != nil || g.matched && o.flags['q'] {
			break
		}
	}
	switch {
	case g.matched && (o.flags['q'] || !g.failed):
		return 0
	case g.failed:
		return g.status
	}
	return 1
}

func grepPattern(o options, name string) (*regexp.Regexp, error) {
	var alternatives []string
	for part := range strings.SplitSeq(o.value['e'], "\n") {
		switch {
		case o.flags['F'] || name == "fgrep":
			part = regexp.QuoteMeta(part)
		case !o.flags['E'] && name != "egrep":
			part = fromBasic(part)
		}
		alternatives = append(alternatives, "(?:"+part+")")
	}
	expr := strings.Join(alternatives, "|")
	if o.flags['w'] {
		expr = `\b(?:` + expr + `)\b`
	}
	if o.flags['x'] {
		expr = `^(?:` + expr + `)$`
	}
	if o.flags['i'] {
		expr = `(?i)` + expr
	}
	return regexp.Compile(expr)
}

// fromBasic turns a basic regular expression into an extended one: the backslash of \( \{ \| \+ \?
// is dropped and the bare characters are quoted.
func fromBasic(text string) string {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case inClass:
			inClass = ch != ']' || text[i-1] == '['
		case ch == '[':
			inClass = true
		case ch == '\\' && i+1 < len(text) && strings.IndexByte("(){}|+?", text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
			continue
		case ch == '\\' && i+1 < len(text):
			b.WriteByte(ch)
			i++
			ch = text[i]
		case strings.IndexByte("(){}|+?", ch) >= 0, ch == '*' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteByte(ch)
	}
	return b.String()
}

func (g *grepper) file(name string, tree bool) {
	if name != "-" && tree {
		info, err := g.c.View.Stat(g.c.abs(name))
		if err == nil && info.Mode.IsDir() {
			list, err := g.c.View.ReadDir(g.c.abs(name))
			if err != nil {
				g.fail(name, err)
			}
			for _, entry := range list {
				if g.c.Ctx.Err() != nil {
					return
				}
				g.file(strings.TrimSuffix(name, "/")+"/"+entry.Name, true)
			}
			return
		}
	}
	r, err := g.c.open(name)
	if err != nil {
		g.fail(name, err)
		return
	}
	defer r.Close()
	if name == "-" {
		name = "(standard input)"
	}
	if err := g.search(name, r); err != nil {
		g.fail(name, err)
	}
}

func (g *grepper) fail(name string, err error) {
	g.failed = true
	g.status = 2
	if errors.Is(err, syscall.EISDIR) {
		g.status = 1
	}
	if !g.o.flags['s'] {
		g.out.Flush()
		g.c.failPath(name, err)
	}
}

func (g *grepper) search(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 32<<10)
	start, _ := in.Peek(512)
	binary := bytes.IndexByte(start, 0) >= 0 && !g.o.flags['a']
	if binary && g.o.flags['I'] {
		return nil
	}
	number, count, shown, left := 0, 0, 0, 0
	var earlier [][]byte
	err := g.c.lines(in, g.out, func(line []byte) bool {
		number++
		if count >= g.limit {
			left--
			if left >= 0 {
				g.show(name, number, line, "-")
			}
			return left > 0
		}
		if g.re.Match(line) == g.o.flags['v'] {
			switch {
			case left > 0:
				left--
				shown = number
				g.show(name, number, line, "-")
			case g.before > 0:
				if earlier = append(earlier, bytes.Clone(line)); len(earlier) > g.before {
					earlier = earlier[1:]
				}
			}
			return true
		}
		count++
		g.matched = true
		if g.o.has("qlL") {
			return false
		}
		if g.o.flags['c'] {
			return count < g.limit
		}
		if binary {
			fmt.Fprintf(g.out, "Binary file %s matches\n", name)
			return false
		}
		if g.before+g.after > 0 && shown > 0 && number-len(earlier) > shown+1 {
			g.out.WriteString("--\n")
		}
		for i, text := range earlier {
			g.show(name, number-len(earlier)+i, text, "-")
		}
		earlier = nil
		g.show(name, number, line, ":")
		shown, left = number, g.after
		return count < g.limit || left > 0
	})
	end := "\n"
	if g.o.flags['Z'] {
		end = "\x00"
	}
	switch {
	case g.o.flags['q']:
	case g.o.flags['l'] && count > 0, g.o.flags['L'] && count == 0:
		g.out.WriteString(name + end)
	case g.o.flags['c']:
		if g.names {
			g.out.WriteString(name + ":")
		}
		fmt.Fprintln(g.out, count)
	}
	return err
}

// show prints a line; mark stands behind what is put before it.
func (g *grepper) show(name string, number int, line []byte, mark string) {
	prefix := ""
	if g.names {
		prefix = name + mark
	}
	if g.o.flags['n'] {
		prefix += strconv.Itoa(number) + mark
	}
	if g.o.flags['o'] && !g.o.flags['v'] {
		for _, m := range g.re.FindAll(line, -1) {
			fmt.Fprintf(g.out, "%s%s\n", prefix, m)
		}
		return
	}
	fmt.Fprintf(g.out, "%s%s\n", prefix, line)
}
