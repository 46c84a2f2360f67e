package toybox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

func sedApplets() map[string]Applet { return map[string]Applet{"sed": sed} }

// address selects lines: by number, by pattern, or the last one.
type address struct {
	line int // 0 for the others
	last bool
	re   *regexp.Regexp
}

// sedCommand is one command of a script.
type sedCommand struct {
	from, to *address
	not      bool
	letter   byte
	re       *regexp.Regexp
	text     string // replacement, or text to add
	table    map[byte]byte
	nth      int
	global   bool
	print    bool
	label    string
	jump     int // of {: behind its }
	active   bool
}

// sedScript reads commands.
type sedScript struct {
	text     string
	at       int
	extended bool
	commands []*sedCommand
	open     []*sedCommand
	last     *regexp.Regexp
}

func sed(c *Call) int {
	o, ok := c.parse("e:f:iEnrszV", "expression", "e", "in-place", "i", "quiet", "n", "silent", "n", "regexp-extended", "E")
	if !ok {
		return 1
	}
	args := o.args
	script := o.value['e']
	if path := o.value['f']; o.flags['f'] {
		var b strings.Builder
		r, err := c.open(path)
		if err != nil {
			return c.failPath(path, err)
		}
		_, err = io.Copy(&b, io.LimitReader(r, maxLine))
		r.Close()
		if err != nil {
			return c.failPath(path, err)
		}
		script = strings.Trim(script+"\n"+b.String(), "\n")
	} else if !o.flags['e'] {
		if len(args) == 0 {
			return c.fail("no pattern")
		}
		script, args = args[0], args[1:]
	}
	s := &sedScript{text: script, extended: o.has("Er")}
	if err := s.parse(); err != nil {
		return c.fail("%v", err)
	}
	e := &editor{c: c, s: s, quiet: o.flags['n'] || strings.HasPrefix(script, "#n\n")}
	if !o.flags['i'] {
		e.out = c.buffered()
		defer e.out.Flush()
		return e.run(args, c.inputs)
	}
	status := 0
	for _, name := range args {
		if err := e.inPlace(name, o.value['i']); err != nil {
			status = c.failPath(name, err)
		}
	}
	return status
}

func (s *sedScript) bad(what string) error {
	return fmt.Errorf("bad pattern '%s'@%d (%s)", s.text, s.at+1, what)
}

// rest is the text that is not read yet; peek its first letter, 0 at the end.
func (s *sedScript) rest() string { return s.text[s.at:] }

func (s *sedScript) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *sedScript) skip(letters string) {
	for s.at < len(s.text) && strings.IndexByte(letters, s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *sedScript) parse() error {
	for {
		s.skip(" \t\n;")
		if s.at >= len(s.text) {
			break
		}
		if s.peek() == '#' {
			end := strings.IndexByte(s.rest(), '\n')
			if end < 0 {
				break
			}
			s.at += end
			continue
		}
		if err := s.command(); err != nil {
			return err
		}
	}
	if len(s.open) > 0 {
		return s.bad("{")
	}
	return nil
}

func (s *sedScript) command() error {
	cmd := &sedCommand{}
	var err error
	if cmd.from, err = s.address(); err != nil {
		return err
	}
	s.skip(" \t")
	if cmd.from != nil && s.peek() == ',' {
		s.at++
		s.skip(" \t")
		if cmd.to, err = s.address(); err != nil {
			return err
		}
		if cmd.to == nil {
			return s.bad(",")
		}
	}
	s.skip(" \t")
	for s.peek() == '!' {
		cmd.not = true
		s.at++
		s.skip(" \t")
	}
	cmd.letter = s.peek()
	if cmd.letter == 0 || strings.IndexByte("{}sydpPDgGhHxnNqQ=aicbt:lw", cmd.letter) < 0 {
		return s.bad(string(cmd.letter))
	}
	s.at++
	s.commands = append(s.commands, cmd)
	switch cmd.letter {
	case '{':
		s.open = append(s.open, cmd)
		return nil
	case '}':
		if len(s.open) == 0 {
			return s.bad("}")
		}
		s.open[len(s.open)-1].jump = len(s.commands)
		s.open = s.open[:len(s.open)-1]
	case 's':
		err = s.substitution(cmd)
	case 'y':
		err = s.transliteration(cmd)
	case 'a', 'i', 'c':
		cmd.text = s.added()
		return nil
	case 'b', 't', ':':
		s.skip(" \t")
		end := strings.IndexAny(s.rest(), ";\n")
		if end < 0 {
			end = len(s.rest())
		}
		cmd.label = strings.TrimSpace(s.rest()[:end])
		s.at += end
		return nil
	default:
	}
	if err != nil {
		return err
	}
	s.skip(" \t")
	if next := s.peek(); next != 0 && strings.IndexByte(";\n}#", next) < 0 {
		return s.bad(string(next))
	}
	return nil
}

func (s *sedScript) address() (*address, error) {
	switch first := s.peek(); {
	case first >= '0' && first <= '9':
		start := s.at
		s.skip("0123456789")
		n, err := strconv.Atoi(s.text[start:s.at])
		return &address{line: n}, err
	case first == '$':
		s.at++
		return &address{last: true}, nil
	case first == '/' || first == '\\' && s.at+1 < len(s.text):
		if first == '\\' {
			s.at++
		}
		text, err := s.delimited(s.peek())
		if err != nil {
			return nil, err
		}
		re, err := s.regexp(text, "")
		return &address{re: re}, err
	}
	return nil, nil //nolint:nilnil // no address is what most commands have
}

// delimited reads what stands between two delimiters; the first is at hand, the second is left.
func (s *sedScript) delimited(delimiter byte) (string, error) {
	s.at++
	var b strings.Builder
	class := false
	for ; s.at < len(s.text); s.at++ {
		ch := s.text[s.at]
		switch {
		case ch == '\\' && s.at+1 < len(s.text):
			s.at++
			if s.text[s.at] != delimiter {
				b.WriteByte('\\')
			}
			b.WriteByte(s.text[s.at])
			continue
		case ch == '[':
			class = true
		case ch == ']':
			class = false
		case ch == delimiter && !class:
			s.at++
			return b.String(), nil
		}
		b.WriteByte(ch)
	}
	return "", s.bad("unterminated")
}

func (s *sedScript) regexp(text, flags string) (*regexp.Regexp, error) {
	if text == "" && s.last != nil {
		return s.last, nil
	}
	text = strings.ReplaceAll(text, `\n`, "\n")
	if !s.extended {
		text = fromBasic(text)
	}
	re, err := regexp.Compile(flags + text)
	if err != nil {
		return nil, fmt.Errorf("bad regex '%s'", text)
	}
	s.last = re
	return re, nil
}

func (s *sedScript) substitution(cmd *sedCommand) error {
	delimiter := s.peek()
	if delimiter == 0 || delimiter == '\n' || delimiter == '\\' {
		return s.bad("s")
	}
	pattern, err := s.delimited(delimiter)
	if err != nil {
		return err
	}
	s.at-- // the delimiter in the middle serves both
	if cmd.text, err = s.delimited(delimiter); err != nil {
		return err
	}
	flags := ""
	for done := false; !done; {
		switch letter := s.peek(); {
		case letter == 'g':
			cmd.global = true
		case letter == 'p':
			cmd.print = true
		case letter == 'i' || letter == 'I':
			flags = "(?i)"
		case letter >= '1' && letter <= '9':
			cmd.nth = cmd.nth*10 + int(letter-'0')
		default:
			done = true
			continue
		}
		s.at++
	}
	cmd.re, err = s.regexp(pattern, flags)
	return err
}

func (s *sedScript) transliteration(cmd *sedCommand) error {
	delimiter := s.peek()
	from, err := s.delimited(delimiter)
	if err != nil {
		return err
	}
	s.at--
	to, err := s.delimited(delimiter)
	if err != nil {
		return err
	}
	if len(from) != len(to) {
		return s.bad("y")
	}
	cmd.table = map[byte]byte{}
	for i := range len(from) {
		cmd.table[from[i]] = to[i]
	}
	return nil
}

// added reads the text of a, i and c: on the same line, or behind a backslash at its end.
func (s *sedScript) added() string {
	s.skip(" \t")
	if strings.HasPrefix(s.rest(), "\\\n") {
		s.at += 2
	}
	var b strings.Builder
	for ; s.at < len(s.text) && s.text[s.at] != '\n'; s.at++ {
		if s.text[s.at] == '\\' && s.at+1 < len(s.text) {
			s.at++
		}
		b.WriteByte(s.text[s.at])
	}
	return b.String()
}

// inPlace edits file name; suffix, if there is one, keeps the old file.
func (e *editor) inPlace(name, suffix string) error {
	v, p := e.c.View, e.c.abs(name)
	info, err := v.Stat(p)
	if err != nil {
		return err
	}
	r, err := v.Open(p, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	tmp := p + ".sed"
	f, err := v.Open(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	e.out = bufio.NewWriter(f)
	e.run(nil, func(_ []string, each func(string, io.Reader) error) int {
		err = each(name, r)
		return 0
	})
	if ferr := e.out.Flush(); err == nil {
		err = ferr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && suffix != "" {
		err = v.Rename(p, p+suffix)
	}
	if err != nil {
		v.Remove(tmp)
		return err
	}
	v.Chmod(tmp, info.Mode)
	if v.UID == 0 {
		v.Chown(tmp, info.UID, info.GID)
	}
	return v.Rename(tmp, p)
}
