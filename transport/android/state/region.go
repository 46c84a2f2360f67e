package state

import (
	"net/http"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // what a host without the table knows of time zones

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	needsLocales = "locale: the language of one app can be set since Android 13"
	noLocale     = "locale: Android lets no shell change the language of the whole device; give a package to change that of one app"
)

var (
	// localeName is a language tag, such as de or zh-Hans-CN.
	localeName = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,7}$`)
	appLocales = regexp.MustCompile(`are \[([^\]]*)\]`)
)

// localeDTO is a language. That of an app is empty while it follows the device's.
type localeDTO struct {
	Package string `json:"package,omitempty"`
	Locale  string `json:"locale"`
}

func appLocalesQuestion(pkg string) string {
	return guestcommand.Line("cmd", "locale", "get-app-locales", pkg, "--user", "current")
}

func parseAppLocale(pkg, answer string) (localeDTO, error) {
	m := appLocales.FindStringSubmatch(answer)
	switch {
	case m != nil:
		first, _, _ := strings.Cut(m[1], ",")
		return localeDTO{pkg, first}, nil
	case strings.Contains(answer, "Unknown package"):
		return localeDTO{}, fault.NotFoundf("package %s is not installed", pkg)
	case lacks(answer):
		return localeDTO{}, fault.Unsupportedf("%s; the device says: %s", needsLocales, clip(answer))
	}
	return localeDTO{}, untaken("the question for the app's language", answer)
}

func (d *Door) locale(c *transport.Ctx) error {
	pkg := c.Optional("package")
	if pkg == "" {
		said, err := d.ask(c, localeQuestion, next, propsCommand)
		if err != nil {
			return err
		}
		setting, props, _ := strings.Cut(said, mark)
		return c.JSON(http.StatusOK, localeDTO{Locale: systemLocale(parseProps(props), setting)})
	}
	pkg, err := name.Package(pkg)
	if err != nil {
		return err
	}
	answer, err := d.ask(c, appLocalesQuestion(pkg))
	if err != nil {
		return err
	}
	dto, err := parseAppLocale(pkg, answer)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, dto)
}

func (d *Door) setLocale(c *transport.Ctx) error {
	var r struct {
		Locale  *string
		Package string
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	if r.Locale == nil || *r.Locale != "" && !localeName.MatchString(*r.Locale) {
		return transport.InvalidBodyf("locale must be a language tag such as de-DE, or empty to follow the device's")
	}
	if r.Package == "" {
		return fault.Unsupportedf(noLocale)
	}
	pkg, err := name.Package(r.Package)
	if err != nil {
		return transport.InvalidBody(err)
	}
	said, answer, err := d.change(c, needsLocales,
		[]string{guestcommand.Line("cmd", "locale", "set-app-locales", pkg, "--user", "current", "--locales", *r.Locale)}, []string{appLocalesQuestion(pkg)})
	if err != nil {
		return err
	}
	dto, err := parseAppLocale(pkg, answer)
	switch {
	case err != nil:
		return err
	case !strings.EqualFold(dto.Locale, *r.Locale):
		return untaken("the language", said)
	}
	return c.JSON(http.StatusOK, dto)
}

// timezoneDTO is the device's time zone.
type timezoneDTO struct {
	Timezone  string `json:"timezone"`
	UTCOffset string `json:"utcOffset,omitempty"` // such as +0200, now
	Automatic bool   `json:"automatic"`           // the device may change it by itself
}

var (
	timezoneName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+/-]{0,63}$`)
	utcOffset         = regexp.MustCompile(`^[+-]\d{4}$`)
	timezoneQuestions = []string{"getprop persist.sys.timezone", "date +%z", "settings get global auto_time_zone"}
)

func parseTimezone(answer string) timezoneDTO {
	dto := timezoneDTO{Timezone: lineOf(answer, 0), Automatic: lineOf(answer, 2) == "1"}
	if offset := lineOf(answer, 1); utcOffset.MatchString(offset) {
		dto.UTCOffset = offset
	}
	return dto
}

func (d *Door) timezone(c *transport.Ctx) error {
	answer, err := d.ask(c, timezoneQuestions...)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, parseTimezone(answer))
}

// setTimezone sets it, and keeps the device from finding one by itself. A name that Android does not know would
// be GMT to it, so it is looked up first.
func (d *Door) setTimezone(c *transport.Ctx) error {
	var r struct{ Timezone string }
	if err := c.Decode(&r); err != nil {
		return err
	}
	if _, err := time.LoadLocation(r.Timezone); err != nil || r.Timezone == "Local" || !timezoneName.MatchString(r.Timezone) {
		return transport.InvalidBodyf("timezone must be a name of the IANA table, such as Europe/Berlin")
	}
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return err
	}
	defer u.End()
	manual := "settings put global auto_time_zone 0"
	said, answer, err := change(u, "", []string{manual, guestcommand.Line("cmd", "alarm", "set-timezone", r.Timezone)}, timezoneQuestions)
	if fault.Is(err, fault.Unsupported) { // without that command the service itself is called: setTimeZone(String)
		said, answer, err = change(u, "timezone: the device has no command for it",
			[]string{guestcommand.Line("service", "call", "alarm", "3", "s16", r.Timezone)}, timezoneQuestions)
	}
	if err != nil {
		return err
	}
	dto := parseTimezone(answer)
	if dto.Timezone != r.Timezone {
		return untaken("the time zone", said)
	}
	return c.JSON(http.StatusOK, dto)
}
