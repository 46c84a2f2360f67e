package intent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options handles the options that are a command's own. It gets the option and a way to take its
// argument, and reports whether it knew it.
type Options func(option string, next func() (string, error)) (known bool, err error)

// UsageError is what Java throws on bad arguments.
type UsageError struct{ Class, Text string }

// Error is the exception's text.
func (e *UsageError) Error() string { return e.Text }

func usage(format string, a ...any) error {
	return &UsageError{"IllegalArgumentException", fmt.Sprintf(format, a...)}
}

// parser reads arguments one after another.
type parser struct {
	args []string
	last string // the argument taken last
	in   Intent
	said bool // something of an intent was said by options
}

// Parse reads an intent from a command's arguments and returns those behind it. What is said with a
// bare argument (a URI, a component, a package) only fills in what the options leave open. An error
// is a *UsageError.
func Parse(args []string, own Options) (in Intent, rest []string, err error) {
	p := &parser{args: args}
	for len(p.args) > 0 && len(p.args[0]) > 1 && p.args[0][0] == '-' {
		option, _ := p.next()
		known, err := p.option(option)
		if err == nil && !known && own != nil {
			known, err = own(option, p.next)
		}
		if err != nil {
			return Intent{}, nil, err
		}
		if !known {
			return Intent{}, nil, usage("Unknown option: %s", option)
		}
	}
	if err := p.base(); err != nil {
		return Intent{}, nil, err
	}
	return p.in, p.args, nil
}

func (p *parser) next() (string, error) {
	if len(p.args) == 0 {
		return "", usage("Argument expected after %q", p.last)
	}
	p.last, p.args = p.args[0], p.args[1:]
	return p.last, nil
}

// option takes an option that every intent knows.
func (p *parser) option(option string) (known bool, err error) {
	text := map[string]*string{"-a": &p.in.Action, "-d": &p.in.Data, "-t": &p.in.Type, "-p": &p.in.Package}[option]
	switch {
	case text != nil:
		*text, err = p.next()
		p.said = true
	case option == "-c":
		var category string
		category, err = p.next()
		p.in.Categories = append(p.in.Categories, category)
		p.said = true
	case option == "-n":
		err = p.component()
		p.said = true
	case option == "-f":
		err = p.flags()
	case isFlag(option):
	default:
		return p.extra(option)
	}
	return true, err
}

func (p *parser) component() error {
	text, err := p.next()
	if err != nil {
		return err
	}
	var ok bool
	if p.in.Component, ok = ParseComponent(text); !ok {
		return usage("Bad component name: %s", text)
	}
	return nil
}

func (p *parser) flags() error {
	text, err := p.next()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return numberFormat(text)
	}
	p.in.Flags |= uint32(n)
	return nil
}

func numberFormat(text string) error {
	return &UsageError{"NumberFormatException", fmt.Sprintf("For input string: %q", text)}
}

// isFlag knows the options that only set one of the intent's flags.
func isFlag(option string) bool {
	for _, prefix := range []string{"--activity-", "--grant-", "--exclude-stopped-packages", "--include-stopped-packages", "--debug-log-resolution",
		"--receiver-registered-only", "--receiver-replace-pending", "--receiver-foreground", "--receiver-no-abort", "--receiver-include-background", "--selector"} {
		if strings.HasPrefix(option, prefix) {
			return true
		}
	}
	return false
}

// extraKinds are the options for extras with a value.
var extraKinds = map[string]string{
	"-e": "String", "--es": "String", "--ez": "Boolean", "--ei": "Integer", "--el": "Long", "--ef": "Float", "--ed": "Double",
	"--eu": "Uri", "--ecn": "ComponentName", "--esn": "null", "--esa": "String[]", "--eia": "Integer[]", "--ela": "Long[]", "--efa": "Float[]",
	"--esal": "String list", "--eial": "Integer list", "--elal": "Long list", "--efal": "Float list",
}

// maxExtras bounds what one intent carries.
const maxExtras = 1000

func (p *parser) extra(option string) (known bool, err error) {
	kind, known := extraKinds[option]
	if !known {
		return false, nil
	}
	e := Extra{Kind: kind}
	if e.Name, err = p.next(); err != nil {
		return true, err
	}
	if kind != "null" {
		if e.Value, err = p.next(); err == nil {
			e.Value, err = checked(kind, e.Value)
		}
	}
	p.in.Extras = slices.DeleteFunc(p.in.Extras, func(old Extra) bool { return old.Name == e.Name })
	if len(p.in.Extras) >= maxExtras {
		return true, usage("too many extras")
	}
	p.in.Extras = append(p.in.Extras, e)
	p.said = true
	return true, err
}

// checked is a value of a kind in its usual spelling.
func checked(kind, text string) (string, error) {
	switch base, isList := strings.CutSuffix(kind, "[]"); {
	case kind == "Boolean":
		switch strings.ToLower(text) {
		case "true", "t", "1":
			return "true", nil
		case "false", "f", "0":
			return "false", nil
		}
		return "", usage("Invalid boolean value: %s", text)
	case isList || strings.HasSuffix(kind, " list"):
		base = strings.TrimSuffix(base, " list")
		for part := range strings.SplitSeq(text, ",") {
			if _, err := checked(base, part); err != nil {
				return "", err
			}
		}
	case kind == "Integer" || kind == "Long":
		bits := map[string]int{"Integer": 32, "Long": 64}[kind]
		if _, err := strconv.ParseInt(text, 0, bits); err != nil {
			return "", numberFormat(text)
		}
	case kind == "Float" || kind == "Double":
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "", numberFormat(text)
		}
	case kind == "ComponentName":
		if _, ok := ParseComponent(text); !ok {
			return "", usage("Bad component name: %s", text)
		}
	}
	return text, nil
}

// base fills in what the bare argument says.
func (p *parser) base() error {
	in := &p.in
	if len(p.args) == 0 {
		switch {
		case !p.said:
			return usage("No intent supplied")
		case in.Action == "" && in.Data == "" && in.Type == "":
			in.Action = Main
			if len(in.Categories) == 0 {
				in.Categories = []string{Launcher}
			}
		}
		return nil
	}
	arg := p.args[0]
	p.args = p.args[1:]
	switch {
	case strings.Contains(arg, ":"):
		if in.Data == "" {
			in.Data = arg
		}
		if in.Action == "" {
			in.Action = View
		}
		return nil
	case strings.Contains(arg, "/"):
		c, ok := ParseComponent(arg)
		if !ok {
			return usage("Bad component name: %s", arg)
		}
		in.Component = c
	case in.Package == "":
		in.Package = arg
	}
	if in.Action == "" {
		in.Action = Main
		if len(in.Categories) == 0 {
			in.Categories = []string{Launcher}
		}
	}
	return nil
}
