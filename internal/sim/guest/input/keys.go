package input

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// longPress is how long a key is held for --longpress.
const longPress = 500 * time.Millisecond

// text is the command of that name: of several arguments only the first counts.
func (p *parser) text() ([]Event, error) {
	words, err := p.next()
	if err != nil {
		return nil, err
	}
	text := Decode(words)
	if p.release < firstNew {
		// The script of old passes its arguments on unquoted: a space ends the first one.
		text = Decode(strings.SplitN(strings.TrimLeft(words, " "), " ", 2)[0])
	}
	return []Event{{Kind: Text, Words: text}}, nil
}

// Decode is InputShellCommand.sendText's reading of its argument: %s is a space, and there is no
// way to write %s itself. It goes over the text in place, and so loses the s of %%s.
func Decode(words string) string {
	text := []rune(words)
	escaped := false
	for i := 0; i < len(text); i++ {
		if escaped {
			escaped = false
			if text[i] == 's' {
				text[i] = ' '
				text = append(text[:i-1], text[i:]...)
				i--
			}
		}
		if text[i] == '%' {
			escaped = true
		}
	}
	return string(text)
}

func (p *parser) keyevent() ([]Event, error) {
	var events []Event
	long, double := false, false
	pause := time.Duration(0)
	for len(p.args) > 0 && strings.HasPrefix(p.args[0], "--") {
		option, _ := p.next()
		switch {
		case option == "--longpress":
			long = true
		case p.release < firstNew:
			return nil, &Error{p.command, "IllegalArgumentException", "Unknown option: " + option}
		case option == "--doubletap":
			double = true
		case option == "--async":
		case option == "--delay" || option == "--duration":
			ms, err := p.milliseconds()
			if err != nil {
				return nil, err
			}
			if option == "--delay" {
				pause = ms
			}
		default:
			return nil, &Error{p.command, "IllegalArgumentException", "Unknown option: " + option}
		}
	}
	if len(p.args) == 0 {
		_, err := p.next()
		return nil, err
	}
	for i, name := range p.args {
		if i > 0 && pause > 0 {
			events = append(events, Event{Kind: Wait, Pause: pause})
		}
		code := codeOf(name)
		events = append(events, Event{Kind: Key, Codes: []int{code}, Long: long})
		if double {
			events = append(events, Event{Kind: Key, Codes: []int{code}})
		}
		if long {
			events = append(events, Event{Kind: Wait, Pause: longPress})
		}
	}
	return events, nil
}

func (p *parser) milliseconds() (time.Duration, error) {
	arg, err := p.next()
	if err != nil {
		return 0, err
	}
	ms, err := strconv.Atoi(arg)
	if err != nil || ms < 0 {
		return 0, &Error{p.command, "NumberFormatException", fmt.Sprintf("For input string: %q", arg)}
	}
	return min(time.Duration(ms)*time.Millisecond, maxPause), nil
}

func (p *parser) combination() ([]Event, error) {
	hold := time.Duration(0)
	if len(p.args) > 0 && p.args[0] == "-t" {
		p.args = p.args[1:]
		var err error
		if hold, err = p.milliseconds(); err != nil {
			return nil, err
		}
	}
	if len(p.args) < 2 {
		return nil, &Error{p.command, "IllegalArgumentException", "keycombination requires at least 2 keycodes"}
	}
	e := Event{Kind: Key}
	for _, name := range p.args {
		e.Codes = append(e.Codes, codeOf(name))
	}
	events := []Event{e}
	if hold > 0 {
		events = append(events, Event{Kind: Wait, Pause: hold})
	}
	return events, nil
}

// codeOf reads a key's number or name, with or without KEYCODE_. KeyEvent.keyCodeFromString makes 0
// of a name it does not know.
func codeOf(name string) int {
	if n, err := strconv.Atoi(name); err == nil {
		return n
	}
	return Code(name)
}

// Code is the number of a key's name, 0 for an unknown one.
func Code(name string) int { return codes()[strings.TrimPrefix(name, "KEYCODE_")] }
