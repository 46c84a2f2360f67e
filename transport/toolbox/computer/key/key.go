package key

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Chord is one key, and the modifiers that are held meanwhile.
type Chord struct {
	Codes []string // in the order they are pressed, the key last; never empty
}

// ErrNoCombos says that a device is too old for keys that are held together.
var ErrNoCombos = errors.New("this device cannot hold keys together: input keycombination needs Android 12")

// Command is the chord for the guest's shell. combos says whether the device's input command knows
// keycombination; without it there are copy, cut and paste only, as keys of their own.
func (c Chord) Command(combos bool) (string, error) {
	switch {
	case len(c.Codes) == 1:
		return "input keyevent " + c.Codes[0], nil
	case combos:
		return "input keycombination " + strings.Join(c.Codes, " "), nil
	}
	if own, ok := alone[strings.Join(c.Codes, " ")]; ok {
		return "input keyevent " + own, nil
	}
	return "", ErrNoCombos
}

// alone are chords that have a key of their own: ctrl with c, x and v.
var alone = map[string]string{"113 31": "278", "113 52": "277", "113 50": "279"}

// found is a key that was recognised.
type found struct {
	code   string
	family string // of a modifier
}

// Press is a key with modifiers held. Errors are sentences for the client, in the daemon's words.
func Press(name string, held []string) (Chord, error) {
	k, err := lookup(name)
	if err != nil {
		return Chord{}, err
	}
	context := pressed(name, held)
	m := holding{context: context}
	for _, raw := range held {
		family, err := modifier(raw)
		if err == nil {
			err = m.add(family, raw)
		}
		if err != nil {
			return Chord{}, err
		}
	}
	return m.with(k)
}

// pressed is the call as its caller would write it.
func pressed(name string, held []string) string {
	quoted := make([]string, len(held))
	for i, m := range held {
		quoted[i] = strconv.Quote(m)
	}
	return fmt.Sprintf("press(%q, [%s])", name, strings.Join(quoted, ", "))
}

// Hotkey is a chord as people write it: "ctrl+shift+a". The key comes last.
func Hotkey(keys string) (Chord, error) {
	invalid := func(err error) (Chord, error) { return Chord{}, fmt.Errorf("invalid hotkey %q: %w", keys, err) }
	parts, err := split(keys)
	if err != nil {
		return invalid(err)
	}
	last := len(parts) - 1
	k, err := lookup(parts[last])
	if err != nil {
		return invalid(err)
	}
	m := holding{context: fmt.Sprintf("hotkey(%q)", keys)}
	for _, raw := range parts[:last] {
		family, err := modifier(raw)
		if err != nil {
			if other, isKey := lookup(raw); isKey == nil && other.family == "" {
				err = errors.New("chords may contain at most one non-modifier key")
			}
			return invalid(err)
		}
		if err := m.add(family, raw); err != nil {
			return invalid(err)
		}
	}
	chord, err := m.with(k)
	if err != nil {
		return invalid(err)
	}
	return chord, nil
}

// split takes a hotkey apart.
func split(keys string) ([]string, error) {
	if strings.TrimSpace(keys) == "" {
		return nil, errors.New("empty key token")
	}
	parts := strings.Split(keys, "+")
	for i, part := range parts {
		trimmed := strings.TrimSpace(part)
		switch {
		case part == "":
			return nil, errors.New("empty key token")
		case trimmed == "":
			return nil, errors.New("empty key token after trimming")
		case len(strings.Fields(trimmed)) > 1:
			return nil, errors.New("only a single chord is supported")
		}
		parts[i] = trimmed
	}
	return parts, nil
}

// holding collects modifiers, each once.
type holding struct {
	context  string
	families []string
	raw      []string
}

func (h *holding) add(family, raw string) error {
	if i := slices.Index(h.families, family); i >= 0 {
		if normal(h.raw[i]) == normal(raw) {
			return fmt.Errorf("duplicate modifier %q in %s", family, h.context)
		}
		return h.twice()
	}
	h.families, h.raw = append(h.families, family), append(h.raw, raw)
	return nil
}

func (h *holding) twice() error {
	return fmt.Errorf("duplicate modifier usage after normalization in %s", h.context)
}

func (h *holding) with(k found) (Chord, error) {
	if k.family != "" && slices.Contains(h.families, k.family) {
		return Chord{}, h.twice()
	}
	var c Chord
	for _, family := range h.families {
		c.Codes = append(c.Codes, strconv.Itoa(codes[family]))
	}
	c.Codes = append(c.Codes, k.code)
	return c, nil
}

func normal(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

func modifier(raw string) (family string, err error) {
	name := normal(raw)
	if family, ok := modifiers[name]; ok {
		return family, nil
	}
	sides := ""
	if alias, ok := aliases[name]; ok {
		name = alias
	}
	if _, known := codes[name]; known {
		sides = "; left/right-specific modifier keys are only supported as the main key"
	}
	return "", fmt.Errorf("unsupported modifier %q; supported modifiers: ctrl, alt, shift, cmd%s", raw, sides)
}

var (
	androidName = regexp.MustCompile(`^KEYCODE_[A-Z0-9_]{1,64}$`)
	number      = regexp.MustCompile(`^[1-9][0-9]{1,3}$`)
	highF       = regexp.MustCompile(`^f(1[3-9]|2[0-4])$`)
)

// lookup recognises a key.
func lookup(raw string) (found, error) {
	if better, ok := numpad[strings.ToLower(raw)]; ok {
		return found{}, fmt.Errorf("unsupported key %q; use %q", raw, better)
	}
	if utf8.RuneCountInString(raw) == 1 {
		r, _ := utf8.DecodeRuneInString(raw)
		code, err := character(raw, r)
		return found{code: code}, err
	}
	if err := readable(raw); err != nil {
		return found{}, err
	}
	name := normal(raw)
	if alias, ok := aliases[name]; ok {
		name = alias
	}
	code, known := codes[name]
	switch android := strings.ToUpper(raw); {
	case raw == "HOME":
		return found{code: "3"}, nil
	case known:
		return found{strconv.Itoa(code), families[name]}, nil
	case androidName.MatchString(android):
		return found{code: android}, nil
	case number.MatchString(raw):
		return found{code: raw}, nil
	case highF.MatchString(name):
		return found{}, fmt.Errorf("unsupported key %q; Android has F1 to F12", raw)
	}
	return found{}, unknown(raw)
}

func unknown(raw string) error {
	return fmt.Errorf("unsupported key %q; see supported keyboard key names in the computer-use docs", raw)
}

// readable refuses what can be no name.
func readable(raw string) error {
	switch {
	case raw == "":
		return fmt.Errorf("unsupported key %q: empty key token", raw)
	case strings.IndexFunc(raw, unicode.IsControl) >= 0:
		return useType(raw)
	case strings.IndexFunc(raw, unicode.IsSpace) >= 0:
		return fmt.Errorf(`unsupported key %q; use a named key such as "space", "tab", or "enter"`, raw)
	case strings.IndexFunc(raw, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
		return useType(raw)
	}
	return nil
}

func useType(raw string) error {
	return fmt.Errorf("unsupported key %q; use type(%q) for text input", raw, raw)
}

// character is the key of one character.
func character(raw string, r rune) (string, error) {
	switch {
	case r == ' ':
		return "", fmt.Errorf(`unsupported key %q; use press("space") or type(" ")`, raw)
	case r == '\t':
		return "", fmt.Errorf(`unsupported key %q; use press("tab") or type("\t")`, raw)
	case r == '\n' || r == '\r':
		return "", fmt.Errorf(`unsupported key %q; use press("enter") or type(%q)`, raw, raw)
	case unicode.IsSpace(r):
		return "", fmt.Errorf(`unsupported key %q; use a named key such as "space", "tab", or "enter"`, raw)
	case unicode.IsControl(r), r > unicode.MaxASCII:
		return "", useType(raw)
	case r >= 'a' && r <= 'z':
		return strconv.Itoa(29 + int(r-'a')), nil
	case r >= 'A' && r <= 'Z':
		return strconv.Itoa(29 + int(r-'A')), nil
	case r >= '0' && r <= '9':
		return strconv.Itoa(7 + int(r-'0')), nil
	}
	if code, ok := symbols[r]; ok {
		return strconv.Itoa(code), nil
	}
	if below, ok := shifted[r]; ok {
		return "", fmt.Errorf(`unsupported key %q; use press(%q, ["shift"]) for a shifted key or type(%q) for text`, raw, below, raw)
	}
	return "", unknown(raw)
}
