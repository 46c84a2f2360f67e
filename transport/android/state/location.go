package state

import (
	"math"
	"net/http"
	"regexp"
	"strconv"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// placeDTO is where the device believes to be.
type placeDTO struct {
	Enabled   bool     `json:"enabled"` // location is switched on: without it apps are told nothing
	Latitude  *float64 `json:"latitude,omitempty"`
	Longitude *float64 `json:"longitude,omitempty"`
	Accuracy  *float64 `json:"accuracy,omitempty"` // meters
	Mock      bool     `json:"mock"`               // somebody has said so, and no satellite
}

// needsLocation is why older devices cannot be told where they are.
const needsLocation = "location: the device cannot be told that by its shell, which can since Android 12"

var (
	locationQuestions = []string{"settings get secure location_mode", "dumpsys location 2>/dev/null | grep -e 'Location\\[gps '"}

	gpsFix   = regexp.MustCompile(`Location\[gps (-?\d{1,3}\.\d+),(-?\d{1,3}\.\d+)([^\]]*)`)
	accuracy = regexp.MustCompile(`\bh?[aA]cc=(\d+(?:\.\d+)?)`)
	mocked   = regexp.MustCompile(`\bmock\b|\bmock=true`)
)

func parsePlace(answer string) placeDTO {
	mode := lineOf(answer, 0)
	dto := placeDTO{Enabled: mode != "" && mode != "0"}
	m := gpsFix.FindStringSubmatch(answer)
	if m == nil {
		return dto
	}
	dto.Latitude, dto.Longitude = decimal(m[1]), decimal(m[2])
	if a := accuracy.FindStringSubmatch(m[3]); a != nil {
		dto.Accuracy = decimal(a[1])
	}
	dto.Mock = mocked.MatchString(m[3])
	return dto
}

// decimal reads digits that a pattern has bounded.
func decimal(text string) *float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &n
}

func (d *Door) location(c *transport.Ctx) error {
	answer, err := d.ask(c, locationQuestions...)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, parsePlace(answer))
}

// locate puts a test provider in the place of the satellites, and has it say the place once.
func (d *Door) locate(c *transport.Ctx) error {
	var r struct{ Latitude, Longitude, Altitude, Accuracy *float64 }
	if err := c.Decode(&r); err != nil {
		return err
	}
	switch {
	case r.Latitude == nil || r.Longitude == nil:
		return transport.InvalidBodyf("latitude and longitude are required")
	case math.Abs(*r.Latitude) > 90:
		return transport.InvalidBodyf("latitude must be from -90 to 90")
	case math.Abs(*r.Longitude) > 180:
		return transport.InvalidBodyf("longitude must be from -180 to 180")
	case r.Accuracy != nil && (*r.Accuracy <= 0 || *r.Accuracy > 100_000):
		return transport.InvalidBodyf("accuracy must be above 0 and at most 100000 meters")
	case r.Altitude != nil && math.Abs(*r.Altitude) > 100_000:
		return transport.InvalidBodyf("altitude must be from -100000 to 100000 meters")
	}
	fixed := func(n float64) string { return strconv.FormatFloat(n, 'f', 7, 64) }
	set := []string{"cmd", "location", "providers", "set-test-provider-location", "gps", "--location", fixed(*r.Latitude) + "," + fixed(*r.Longitude)}
	if r.Accuracy != nil {
		set = append(set, "--accuracy", strconv.FormatFloat(*r.Accuracy, 'f', -1, 64))
	}
	needs := needsLocation
	if r.Altitude != nil {
		set = append(set, "--altitude", strconv.FormatFloat(*r.Altitude, 'f', -1, 64))
		needs = "location: the device cannot be told an altitude; leave it out"
	}
	said, answer, err := d.change(c, needs, []string{
		// The shell may do this on no device by itself, and may allow it to itself on all.
		"appops set com.android.shell android:mock_location allow",
		"cmd location providers add-test-provider gps", "cmd location providers set-test-provider-enabled gps true", guestcommand.Line(set...),
	}, locationQuestions)
	if err != nil {
		return err
	}
	dto := parsePlace(answer)
	if dto.Latitude == nil || math.Abs(*dto.Latitude-*r.Latitude) > 1e-5 || math.Abs(*dto.Longitude-*r.Longitude) > 1e-5 {
		return untaken("the place", said)
	}
	return c.JSON(http.StatusOK, dto)
}

// unlocate takes the test provider away. It is done as well when there is none.
func (d *Door) unlocate(c *transport.Ctx) error {
	_, _, err := d.change(c, needsLocation, []string{"cmd location providers remove-test-provider gps"}, nil)
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}
