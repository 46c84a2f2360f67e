package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one field of a Config as text: how to parse it, what it may be, how it prints.
type setting interface {
	Set(text string) error // the field is unchanged on error
	Allowed() string       // completes "must be …"
	String() string
}

// errNotAllowed means that Allowed says all there is to say.
var errNotAllowed = errors.New("not allowed")

type intSetting struct {
	field    *int
	min, max int
	unit     string // " MiB"; may be empty
}

func (s intSetting) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < s.min || n > s.max {
		return errNotAllowed
	}
	*s.field = n
	return nil
}

func (s intSetting) Allowed() string {
	return fmt.Sprintf("a whole number from %d to %d%s", s.min, s.max, s.unit)
}

func (s intSetting) String() string { return strconv.Itoa(*s.field) }

// measuredSetting is a figure of the host, or zero for "measure it".
type measuredSetting struct{ intSetting }

func (s measuredSetting) Allowed() string {
	s.min = 1
	return s.intSetting.Allowed() + ", or 0 to measure the host"
}

type ratioSetting struct {
	field    *float64
	min, max float64
}

func (s ratioSetting) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= s.min && f <= s.max) { // written so that NaN is refused
		return errNotAllowed
	}
	*s.field = f
	return nil
}

func (s ratioSetting) Allowed() string { return fmt.Sprintf("a number from %g to %g", s.min, s.max) }

func (s ratioSetting) String() string { return strconv.FormatFloat(*s.field, 'g', -1, 64) }

type boolSetting struct{ field *bool }

func (s boolSetting) Set(text string) error {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		*s.field = true
	case "false", "0", "no", "off":
		*s.field = false
	default:
		return errNotAllowed
	}
	return nil
}

func (boolSetting) Allowed() string { return "true or false" }

func (s boolSetting) String() string { return strconv.FormatBool(*s.field) }

type durationSetting struct {
	field    *time.Duration
	min, max time.Duration
}

func (s durationSetting) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < s.min || d > s.max {
		return errNotAllowed
	}
	*s.field = d
	return nil
}

func (s durationSetting) Allowed() string {
	return fmt.Sprintf("a duration with its unit (30s, 5m) from %s to %s", brief(s.min), brief(s.max))
}

func (s durationSetting) String() string { return brief(*s.field) }

// brief prints a duration without the zero parts that time.Duration adds: "5m", not "5m0s".
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

type bytesSetting struct {
	field    *int64
	min, max int64
}

func (s bytesSetting) Set(text string) error {
	n, err := parseBytes(text)
	if err != nil || n < s.min || n > s.max {
		return errNotAllowed
	}
	*s.field = n
	return nil
}

func (s bytesSetting) Allowed() string {
	return fmt.Sprintf("a number of bytes, or one with KiB, MiB or GiB, from %s to %s", bytesText(s.min), bytesText(s.max))
}

func (s bytesSetting) String() string { return bytesText(*s.field) }

type levelSetting struct{ field *slog.Level }

var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

func levelName(level slog.Level) string { return strings.ToLower(level.String()) }

func (s levelSetting) Set(text string) error {
	for _, level := range levels {
		if strings.EqualFold(text, levelName(level)) {
			*s.field = level
			return nil
		}
	}
	return errNotAllowed
}

func (levelSetting) Allowed() string { return "debug, info, warn or error" }

func (s levelSetting) String() string { return levelName(*s.field) }

type choiceSetting struct {
	field   *string
	choices []string
}

func (s choiceSetting) Set(text string) error {
	if !slices.Contains(s.choices, text) {
		return errNotAllowed
	}
	*s.field = text
	return nil
}

func (s choiceSetting) Allowed() string { return "one of " + strings.Join(s.choices, ", ") }

func (s choiceSetting) String() string { return *s.field }

type pathSetting struct{ field *string }

func (s pathSetting) Set(text string) error {
	if !filepath.IsAbs(text) || strings.ContainsFunc(text, isControl) {
		return errNotAllowed
	}
	*s.field = filepath.Clean(text)
	return nil
}

func (pathSetting) Allowed() string { return "an absolute path" }

func (s pathSetting) String() string { return *s.field }

type domainSetting struct{ field *string }

var domainPattern = regexp.MustCompile(`^(` + domainLabel + `\.)*` + domainLabel + `$`)

const domainLabel = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

func (s domainSetting) Set(text string) error {
	_, err := netip.ParseAddr(text)
	if err != nil && (len(text) > 253 || !domainPattern.MatchString(text)) {
		return errNotAllowed
	}
	*s.field = text
	return nil
}

func (domainSetting) Allowed() string { return "a host name or an IP address, without scheme and port" }

func (s domainSetting) String() string { return *s.field }

// urlSetting is where an HTTP service is reached. A user's name and password would be printed.
type urlSetting struct{ field *string }

func (s urlSetting) Set(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errNotAllowed
	}
	*s.field = strings.TrimRight(text, "/")
	return nil
}

func (urlSetting) Allowed() string {
	return "a URL such as http://host:3000, without user, query and fragment"
}

func (s urlSetting) String() string { return *s.field }

// headersSetting is a list of HTTP headers, which hold keys.
type headersSetting struct{ field *Secret }

func (s headersSetting) Set(text string) error {
	for _, pair := range strings.Split(text, ",") {
		name, _, found := strings.Cut(pair, "=")
		if !found || strings.TrimSpace(name) == "" || strings.ContainsFunc(pair, isControl) {
			return errNotAllowed
		}
	}
	*s.field = NewSecret(text)
	return nil
}

func (headersSetting) Allowed() string { return "name=value pairs, separated by commas" }

func (s headersSetting) String() string { return s.field.String() }

// networksSetting is a list of networks in CIDR notation.
type networksSetting struct{ field *Networks }

func (s networksSetting) Set(text string) error {
	parts := strings.Split(text, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		network, err := netip.ParsePrefix(parts[i])
		if err != nil || network != network.Masked() {
			return errNotAllowed
		}
	}
	*s.field = Networks(strings.Join(parts, ","))
	return nil
}

func (networksSetting) Allowed() string {
	return "networks such as 10.1.0.0/16, separated by commas, without bits behind the mask"
}

func (s networksSetting) String() string { return string(*s.field) }

type secretSetting struct{ field *Secret }

func (s secretSetting) Set(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errNotAllowed
	}
	*s.field = NewSecret(text)
	return nil
}

// Allowed is what an Authorization header can carry.
func (secretSetting) Allowed() string { return "printable ASCII without spaces" }

func (s secretSetting) String() string { return s.field.String() }

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
