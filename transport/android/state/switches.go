package state

import (
	"net/http"
	"strconv"

	"github.com/daytonaio/runner-android/transport"
)

// enabledDTO is a switch.
type enabledDTO struct {
	Enabled bool `json:"enabled"`
}

const airplaneQuestion = "settings get global airplane_mode_on"

func (d *Door) airplane(c *transport.Ctx) error {
	answer, err := d.ask(c, airplaneQuestion)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, enabledDTO{lineOf(answer, 0) == "1"})
}

// setAirplane switches the radios off or on. ADB stays, which goes by none of them.
func (d *Door) setAirplane(c *transport.Ctx) error {
	var r struct{ Enabled *bool }
	if err := c.Decode(&r); err != nil {
		return err
	}
	if r.Enabled == nil {
		return transport.InvalidBodyf("enabled is required: true or false")
	}
	verb := map[bool]string{true: "enable", false: "disable"}[*r.Enabled]
	said, answer, err := d.change(c, "airplane: the shell can switch it since Android 11",
		[]string{"cmd connectivity airplane-mode " + verb}, []string{airplaneQuestion})
	if err != nil {
		return err
	}
	if dto := (enabledDTO{lineOf(answer, 0) == "1"}); dto.Enabled == *r.Enabled {
		return c.JSON(http.StatusOK, dto)
	}
	return untaken("airplane mode", said)
}

// animationsDTO is how much longer than usual animations take; 0 is none.
type animationsDTO struct {
	Enabled    bool    `json:"enabled"` // there is one at least
	Window     float64 `json:"window"`
	Transition float64 `json:"transition"`
	Animator   float64 `json:"animator"`
}

// scales are the settings, in the order of the fields of animationsDTO.
var scales = []string{"window_animation_scale", "transition_animation_scale", "animator_duration_scale"}

// maxScale is the slowest that the developer options offer.
const maxScale = 10

func scaleQuestions() (questions []string) {
	for _, scale := range scales {
		questions = append(questions, "settings get global "+scale)
	}
	return questions
}

func parseAnimations(answer string) animationsDTO {
	var of [3]float64
	for i := range of {
		of[i] = 1 // what an unset one is
		if n, err := strconv.ParseFloat(lineOf(answer, i), 64); err == nil && n >= 0 && n <= 1000 {
			of[i] = n
		}
	}
	return animationsDTO{of[0] > 0 || of[1] > 0 || of[2] > 0, of[0], of[1], of[2]}
}

func (d *Door) animations(c *transport.Ctx) error {
	answer, err := d.ask(c, scaleQuestions()...)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, parseAnimations(answer))
}

// setAnimations sets all three scales. Apps that run may notice only when they start the next time.
func (d *Door) setAnimations(c *transport.Ctx) error {
	var r struct {
		Enabled *bool
		Scale   *float64
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	var scale float64
	switch {
	case (r.Enabled == nil) == (r.Scale == nil):
		return transport.InvalidBodyf("either enabled or scale is required")
	case r.Scale != nil:
		scale = *r.Scale
	case *r.Enabled:
		scale = 1
	}
	if scale < 0 || scale > maxScale {
		return transport.InvalidBodyf("scale must be from 0 to %d", maxScale)
	}
	text := strconv.FormatFloat(scale, 'f', -1, 64)
	var lines []string
	for _, name := range scales {
		lines = append(lines, "settings put global "+name+" "+text)
	}
	said, answer, err := d.change(c, "the device has no settings command", lines, scaleQuestions())
	if err != nil {
		return err
	}
	dto := parseAnimations(answer)
	if dto.Window != scale || dto.Transition != scale || dto.Animator != scale {
		return untaken("the scales", said)
	}
	return c.JSON(http.StatusOK, dto)
}
