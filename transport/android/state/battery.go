package state

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/transport"
)

// batteryDTO is what the battery service reports.
type batteryDTO struct {
	Level       int     `json:"level"`
	Status      string  `json:"status"`
	Plugged     string  `json:"plugged"`
	Health      string  `json:"health,omitempty"`
	Present     bool    `json:"present"`
	Temperature float64 `json:"temperatureCelsius"`
	Voltage     int     `json:"millivolts"`
	Simulated   bool    `json:"simulated"` // it reports what it was told
}

// Names of android.os.BatteryManager's numbers.
var (
	statuses = map[string]int{"unknown": 1, "charging": 2, "discharging": 3, "notCharging": 4, "full": 5}
	healths  = map[string]int{"unknown": 1, "good": 2, "overheat": 3, "dead": 4, "overVoltage": 5, "failure": 6, "cold": 7}
	plugs    = []string{"ac", "usb", "wireless"}
)

// nameOf is the name of a number; "unknown" for one that has none.
func nameOf(names map[string]int, n int) string {
	for name, number := range names {
		if number == n {
			return name
		}
	}
	return "unknown"
}

const batteryQuestion = "dumpsys battery"

var batteryLine = regexp.MustCompile(`(?m)^  ([A-Za-z ]{1,40}): (\S{1,40})\s*$`)

// parseBattery reads a dump of the battery service; ok is that there is one.
func parseBattery(said string) (dto batteryDTO, ok bool) {
	values := map[string]string{}
	for _, m := range batteryLine.FindAllStringSubmatch(said, -1) {
		if _, seen := values[m[1]]; !seen {
			values[m[1]] = m[2]
		}
	}
	if _, ok = values["level"]; !ok {
		return dto, false
	}
	dto = batteryDTO{
		Level: number(values["level"]), Status: nameOf(statuses, number(values["status"])), Plugged: "none",
		Health: nameOf(healths, number(values["health"])), Present: values["present"] == "true",
		Temperature: float64(number(values["temperature"])) / 10, Voltage: number(values["voltage"]),
		Simulated: strings.Contains(said, "UPDATES STOPPED"),
	}
	if scale := number(values["scale"]); scale > 0 && scale != 100 {
		dto.Level = dto.Level * 100 / scale
	}
	for _, plug := range []string{"AC", "USB", "Wireless", "Dock"} {
		if values[plug+" powered"] == "true" {
			dto.Plugged = strings.ToLower(plug)
			break
		}
	}
	return dto, true
}

func (d *Door) battery(c *transport.Ctx) error {
	answer, err := d.ask(c, batteryQuestion)
	if err != nil {
		return err
	}
	dto, ok := parseBattery(answer)
	if !ok {
		return untaken("the question for its battery", answer)
	}
	return c.JSON(http.StatusOK, dto)
}

// batteryChange is what the battery service is to report; nil stays.
type batteryChange struct {
	Level           *int
	Status, Plugged *string
	Reset           bool
}

// lines are the commands; Invalid says what cannot be.
func (r batteryChange) lines() (lines []string, err error) {
	if r.Reset {
		if r.Level != nil || r.Status != nil || r.Plugged != nil {
			return nil, transport.InvalidBodyf("reset stands alone: it makes the battery report the truth")
		}
		return []string{"dumpsys battery reset"}, nil
	}
	if r.Plugged != nil {
		if *r.Plugged != "none" && !slices.Contains(plugs, *r.Plugged) {
			return nil, transport.InvalidBodyf("plugged must be none or one of %s", strings.Join(plugs, ", "))
		}
		lines = append(lines, "dumpsys battery unplug")
		if *r.Plugged != "none" {
			lines = append(lines, "dumpsys battery set "+*r.Plugged+" 1")
		}
	}
	if r.Status != nil {
		n, ok := statuses[*r.Status]
		if !ok {
			return nil, transport.InvalidBodyf("status must be one of %s", strings.Join(slices.Sorted(maps.Keys(statuses)), ", "))
		}
		lines = append(lines, fmt.Sprintf("dumpsys battery set status %d", n))
	}
	if r.Level != nil {
		if *r.Level < 0 || *r.Level > 100 {
			return nil, transport.InvalidBodyf("level must be from 0 to 100")
		}
		lines = append(lines, fmt.Sprintf("dumpsys battery set level %d", *r.Level))
	}
	if len(lines) == 0 {
		return nil, transport.InvalidBodyf("level, status, plugged or reset is required")
	}
	return lines, nil
}

// holds reports whether the battery says what it was told.
func (r batteryChange) holds(dto batteryDTO) bool {
	return (!r.Reset || !dto.Simulated) && (r.Level == nil || *r.Level == dto.Level) &&
		(r.Status == nil || *r.Status == dto.Status) && (r.Plugged == nil || *r.Plugged == dto.Plugged)
}

func (d *Door) setBattery(c *transport.Ctx) error {
	var r batteryChange
	if err := c.Decode(&r); err != nil {
		return err
	}
	lines, err := r.lines()
	if err != nil {
		return err
	}
	said, answer, err := d.change(c, "battery: the device's battery takes no orders", lines, []string{batteryQuestion})
	if err != nil {
		return err
	}
	dto, ok := parseBattery(answer)
	if !ok || !r.holds(dto) {
		return untaken("the state of its battery", said)
	}
	return c.JSON(http.StatusOK, dto)
}
