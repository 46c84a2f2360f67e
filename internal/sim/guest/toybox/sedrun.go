package toybox

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// editor runs a script of sed over lines.
type editor struct {
	c     *Call
	s     *sedScript
	out   *bufio.Writer
	quiet bool

	line      int
	space     string // the pattern space, without its end
	end       string // "\n", or "" for a last line without one
	hold      string
	after     []string // what a has to add
	next      func() (string, bool)
	following string // the line read ahead, to know the last one
	more      bool
	replaced  bool
	quit      bool
}

// run edits all files as one.
func (e *editor) run(names []string, inputs func([]string, func(string, io.Reader) error) int) int {
	lines, stop, done := make(chan string), make(chan struct{}), make(chan int, 1)
	go func() {
		status := inputs(names, func(_ string, r io.Reader) error {
			return e.c.wholeLines(r, bufio.NewWriter(io.Discard), func(line []byte) bool {
				select {
				case lines <- string(line):
					return true
				case <-stop:
					return false
				}
			})
		})
		close(lines)
		done <- status
	}()
	e.next = func() (string, bool) {
		if len(lines) == 0 {
			e.out.Flush() // a reader downstream sees what there is before the next line comes
		}
		line, ok := <-lines
		return line, ok
	}
	e.line, e.quit, e.hold, e.after = 0, false, "", nil
	e.following, e.more = e.next()
	for e.advance() {
		e.cycle()
		if e.quit || e.c.Ctx.Err() != nil {
			break
		}
	}
	close(stop)
	if e.quit {
		return 0 // the reader ends with its input, which the process closes
	}
	return <-done
}

// advance makes the line read ahead the pattern space.
func (e *editor) advance() bool {
	if !e.more {
		return false
	}
	var ended bool
	e.end = ""
	if e.space, ended = strings.CutSuffix(e.following, "\n"); ended {
		e.end = "\n"
	}
	e.line++
	e.following, e.more = e.next()
	return true
}

func (e *editor) print(text string) { e.out.WriteString(text + "\n") }

// finish is the end of a cycle.
func (e *editor) finish() {
	if !e.quiet {
		e.out.WriteString(e.space + e.end)
	}
	for _, text := range e.after {
		e.print(text)
	}
	e.after = nil
}

// maxSteps bounds the commands that one line may take: a loop of b would never end.
const maxSteps = 1_000_000

func (e *editor) cycle() {
	e.replaced = false
	for i, steps := 0, 0; i < len(e.s.commands); i++ {
		if steps++; steps > maxSteps || e.c.Ctx.Err() != nil {
			e.quit = true
			return
		}
		cmd := e.s.commands[i]
		if e.selected(cmd) == cmd.not {
			if cmd.letter == '{' {
				i = cmd.jump - 1
			}
			continue
		}
		switch cmd.letter {
		case 'd':
			for _, text := range e.after {
				e.print(text)
			}
			e.after = nil
			return
		case 'D':
			_, rest, found := strings.Cut(e.space, "\n")
			if !found {
				return
			}
			e.space = rest
			i = -1
		case 'b':
			i = e.label(cmd.label)
		case 't':
			if e.replaced {
				e.replaced = false
				i = e.label(cmd.label)
			}
		case 'q', 'Q':
			e.quit = true
			if cmd.letter == 'q' {
				e.finish()
			}
			return
		case 'n':
			if !e.more {
				if !e.quiet {
					e.out.WriteString(e.space + e.end)
				}
				e.quit = true
				return
			}
			e.finish()
			e.advance()
		case 'N':
			before := e.space
			if !e.more {
				e.finish()
				e.quit = true
				return
			}
			e.advance()
			e.space = before + "\n" + e.space
		case 'c':
			if cmd.to == nil || !cmd.active {
				e.print(cmd.text)
			}
			return
		default:
			e.simple(cmd)
		}
	}
	e.finish()
}

// simple runs the commands that do not change what runs next.
func (e *editor) simple(cmd *sedCommand) {
	switch cmd.letter {
	case 'p':
		e.print(e.space)
	case 'P':
		first, _, _ := strings.Cut(e.space, "\n")
		e.print(first)
	case '=':
		e.print(strconv.Itoa(e.line))
	case 'a':
		e.after = append(e.after, cmd.text)
	case 'i':
		e.print(cmd.text)
	case 'g':
		e.space = e.hold
	case 'G':
		e.space += "\n" + e.hold
	case 'h':
		e.hold = e.space
	case 'H':
		e.hold += "\n" + e.space
	case 'x':
		e.space, e.hold = e.hold, e.space
	case 'l':
		quoted := strconv.Quote(e.space)
		e.print(quoted[1:len(quoted)-1] + "$")
	case 'y':
		text := []byte(e.space)
		for i, b := range text {
			if to, ok := cmd.table[b]; ok {
				text[i] = to
			}
		}
		e.space = string(text)
	case 's':
		e.substitute(cmd)
	}
	if len(e.space)+len(e.hold) > 2*maxLine {
		e.quit = true
		e.space, e.hold = "", ""
	}
}

// label is the place before a label, or behind the last command.
func (e *editor) label(name string) int {
	for i, cmd := range e.s.commands {
		if cmd.letter == ':' && cmd.label == name && name != "" {
			return i
		}
	}
	return len(e.s.commands)
}

func (e *editor) selected(cmd *sedCommand) bool {
	switch {
	case cmd.from == nil:
		return true
	case cmd.to == nil:
		return e.matches(cmd.from)
	case cmd.active:
		over := cmd.to.line > 0 && e.line >= cmd.to.line || cmd.to.line == 0 && e.matches(cmd.to)
		cmd.active = !over
		return cmd.to.line == 0 || e.line <= cmd.to.line
	case e.matches(cmd.from):
		cmd.active = cmd.to.line == 0 || cmd.to.line > e.line
		if cmd.to.last && !e.more {
			cmd.active = false
		}
		return true
	}
	return false
}

func (e *editor) matches(a *address) bool {
	switch {
	case a.last:
		return !e.more
	case a.re != nil:
		return a.re.MatchString(e.space)
	}
	return a.line == e.line
}

func (e *editor) substitute(cmd *sedCommand) {
	var b strings.Builder
	at, nth, done := 0, 0, false
	for _, m := range cmd.re.FindAllStringSubmatchIndex(e.space, -1) {
		nth++
		if nth < cmd.nth || done {
			continue
		}
		b.WriteString(e.space[at:m[0]])
		b.WriteString(filled(cmd.text, e.space, m))
		at = m[1]
		done = !cmd.global
		e.replaced = true
	}
	if at == 0 && b.Len() == 0 && (nth == 0 || nth < max(cmd.nth, 1)) {
		return
	}
	e.space = b.String() + e.space[at:]
	if cmd.print {
		e.print(e.space)
	}
}

// filled is a replacement with & and \1 to \9 filled in.
func filled(text, from string, m []int) string {
	group := func(n int) string {
		if 2*n+1 < len(m) && m[2*n] >= 0 {
			return from[m[2*n]:m[2*n+1]]
		}
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '&':
			b.WriteString(group(0))
		case text[i] == '\\' && i+1 < len(text):
			i++
			switch letter := text[i]; {
			case letter >= '0' && letter <= '9':
				b.WriteString(group(int(letter - '0')))
			case letter == 'n' || letter == 't':
				b.WriteString(escape(letter))
			default:
				b.WriteByte(letter)
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
