package configs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Problem is one variable that cannot be used as it stands.
type Problem struct {
	Name    string // as it was set; its first name when it was not
	Value   string // quoted, cut when long, "(secret)" for a secret; empty when not set
	Reason  string // "must be …"
	Default string // empty when there is none
}

// String is the problem on one line.
func (p Problem) String() string {
	line := p.Name
	if p.Value != "" {
		line += "=" + p.Value
	}
	line += ": " + p.Reason
	if p.Default != "" {
		line += " (default " + p.Default + ")"
	}
	return line
}

// Error lists everything that is wrong with an environment: first, in the order of runner.env,
// what is wrong by itself, then what does not fit together.
type Error struct{ Problems []Problem }

// Error puts each problem on a line of its own.
func (e *Error) Error() string {
	noun := "1 variable is wrong"
	if n := len(e.Problems); n != 1 {
		noun = fmt.Sprintf("%d variables are wrong", n)
	}
	lines := []string{"read the configuration: " + noun}
	for _, problem := range e.Problems {
		lines = append(lines, "  "+problem.String())
	}
	return strings.Join(lines, "\n")
}

// Load reads settings from environ, whose form is that of os.Environ. Either the Config is valid
// as a whole, or the error is an *Error with every problem there is. Variables that it does not
// know are left alone.
func Load(environ []string) (Config, error) {
	var c Config
	values := parseEnviron(environ)
	var problems []Problem
	for _, v := range variables(&c) {
		if problem, wrong := v.load(values); wrong {
			problems = append(problems, problem)
		}
	}
	c.Limits.StartTimeout = min(c.Limits.BootTimeout, MaxStartTimeout)
	problems = append(problems, c.conflicts(values, problems)...)
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return c, nil
}

// parseEnviron lets the last of two equal names win, as a started process would see it.
func parseEnviron(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, found := strings.Cut(entry, "="); found {
			values[name] = value
		}
	}
	return values
}

func (v variable) load(values map[string]string) (Problem, bool) {
	name, text := v.given(values)
	if text == "" {
		text = v.fallback
	}
	if text == "" {
		if v.required {
			return Problem{Name: name, Reason: v.missing()}, true
		}
		return Problem{}, false
	}
	if err := v.setting.Set(text); err != nil {
		reason := "must be " + v.setting.Allowed()
		if !errors.Is(err, errNotAllowed) {
			reason += ": " + err.Error()
		}
		return v.problem(values, reason), true
	}
	return Problem{}, false
}

// given returns the name under which the variable is set, and what to; the first name and
// nothing when it is not set.
func (v variable) given(values map[string]string) (name, text string) {
	for _, name := range v.names {
		if text := values[name]; text != "" {
			return name, text
		}
	}
	return v.names[0], ""
}

func (v variable) missing() string {
	reason := "is required and not set"
	if len(v.names) > 1 {
		reason += " (" + strings.Join(v.names[1:], ", ") + " is read too)"
	}
	return reason + ": " + v.setting.Allowed()
}

func (v variable) problem(values map[string]string, reason string) Problem {
	name, text := v.given(values)
	problem := Problem{Name: name, Reason: reason, Default: v.fallback}
	switch {
	case text == "":
	case v.secret:
		problem.Value = withheld
	default:
		problem.Value = quoteShort(text)
	}
	return problem
}

// quoteShort shows blanks and control characters for what they are, and at most 80 bytes.
func quoteShort(text string) string {
	const limit = 80
	if len(text) <= limit {
		return strconv.Quote(text)
	}
	return strconv.Quote(text[:limit]) + "…"
}
