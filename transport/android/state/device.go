package state

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/window"
)

// deviceDTO is what a device is. What it does not say is empty, or left out.
type deviceDTO struct {
	Model          string      `json:"model"`
	Manufacturer   string      `json:"manufacturer"`
	Brand          string      `json:"brand"`
	Device         string      `json:"device"`
	AndroidVersion string      `json:"androidVersion"`
	SDK            int         `json:"sdk"`
	BuildID        string      `json:"buildId"`
	Fingerprint    string      `json:"fingerprint"`
	ABI            string      `json:"abi"`
	SecurityPatch  string      `json:"securityPatch"`
	Serial         string      `json:"serial,omitempty"`
	Screen         screenDTO   `json:"screen"`
	Locale         string      `json:"locale"`
	Timezone       string      `json:"timezone"`
	Battery        *batteryDTO `json:"battery,omitempty"`
	BootCompleted  bool        `json:"bootCompleted"`
	UptimeSeconds  float64     `json:"uptimeSeconds"`
	Activity       string      `json:"currentActivity,omitempty"`
}

// screenDTO is the screen as it is turned now: the coordinates of taps.
type screenDTO struct {
	Width    int `json:"width"`
	Height   int `json:"height"`
	Density  int `json:"density"`
	Rotation int `json:"rotation"`
}

const (
	screenQuestion = "wm size; wm density; dumpsys window displays 2>/dev/null | grep -e cur= -e otation="
	focusQuestion  = "dumpsys activity activities 2>/dev/null | grep -e ResumedActivity"
	localeQuestion = "settings get system system_locales"
)

var (
	density   = regexp.MustCompile(`(?m)^(Override|Physical) density: (\d{1,5})`)
	turned    = regexp.MustCompile(`m(?:Current)?Rotation=(?:ROTATION_)?(\d{1,3})\b`)
	resumed   = regexp.MustCompile(`ResumedActivity[:=] ?ActivityRecord\{[^ {}]+ u\d+ ([^ {}]+)`)
	pieceMark = regexp.MustCompile(`(?m)^` + mark + `\r?\n`)
)

// device asks everything at once: a question by itself costs ten times what its answer does.
func (d *Door) device(c *transport.Ctx) error {
	said, err := d.ask(c, propsCommand, next, screenQuestion, next, "dumpsys battery", next, "cat /proc/uptime", next, localeQuestion, next, focusQuestion)
	if err != nil {
		return err
	}
	pieces := pieceMark.Split(said, -1)
	for len(pieces) < 6 {
		pieces = append(pieces, "")
	}
	props := parseProps(pieces[0])
	dto := deviceDTO{
		Model: props["ro.product.model"], Manufacturer: props["ro.product.manufacturer"], Brand: props["ro.product.brand"],
		Device: props["ro.product.device"], AndroidVersion: props["ro.build.version.release"], SDK: number(props["ro.build.version.sdk"]),
		BuildID: props["ro.build.id"], Fingerprint: props["ro.build.fingerprint"], ABI: props["ro.product.cpu.abi"],
		SecurityPatch: props["ro.build.version.security_patch"], Serial: props["ro.serialno"], Timezone: props["persist.sys.timezone"],
		BootCompleted: props["sys.boot_completed"] == "1", Screen: parseScreen(pieces[1]), Locale: systemLocale(props, pieces[4]),
	}
	if battery, ok := parseBattery(pieces[2]); ok {
		dto.Battery = &battery
	}
	up, _, _ := strings.Cut(lineOf(pieces[3], 0), " ")
	dto.UptimeSeconds, _ = strconv.ParseFloat(up, 64)
	if m := resumed.FindStringSubmatch(pieces[5]); m != nil {
		dto.Activity = m[1]
	}
	return c.JSON(http.StatusOK, dto)
}

func parseScreen(said string) screenDTO {
	var s screenDTO
	s.Width, s.Height, _ = window.Size([]byte(said))
	for _, m := range density.FindAllStringSubmatch(said, -1) {
		if m[1] == "Override" || s.Density == 0 {
			s.Density = number(m[2])
		}
	}
	s.Rotation, _ = parseTurn(said)
	return s
}

// parseTurn finds how the screen is turned, in degrees: releases say it in quarters, or in degrees.
func parseTurn(said string) (degrees int, ok bool) {
	m := turned.FindStringSubmatch(said)
	if m == nil {
		return 0, false
	}
	n := number(m[1])
	if n < 4 {
		n *= 90
	}
	return n, n == 0 || n == 90 || n == 180 || n == 270
}

// systemLocale is the language of the whole device.
func systemLocale(props map[string]string, setting string) string {
	for _, value := range []string{lineOf(setting, 0), props["persist.sys.locale"], props["ro.product.locale"]} {
		first, _, _ := strings.Cut(value, ",")
		if localeName.MatchString(first) {
			return first
		}
	}
	return ""
}

// number reads a number that is not there as 0.
func number(text string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(text))
	return n
}
