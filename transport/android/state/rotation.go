package state

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// rotationDTO is how the screen may turn, in degrees.
type rotationDTO struct {
	Rotation int  `json:"rotation"` // where it is held, unless Auto
	Auto     bool `json:"auto"`     // it follows the sensor
	Current  *int `json:"current,omitempty"`
}

const (
	autoRotation = "accelerometer_rotation"
	userRotation = "user_rotation"
)

var rotationQuestions = []string{
	"settings get system " + autoRotation, "settings get system " + userRotation,
	"dumpsys window displays 2>/dev/null | grep -e otation=",
}

func parseRotation(answer string) rotationDTO {
	dto := rotationDTO{Auto: lineOf(answer, 0) == "1", Rotation: number(lineOf(answer, 1)) % 4 * 90}
	if degrees, ok := parseTurn(answer); ok {
		dto.Current = &degrees
	}
	return dto
}

func (d *Door) rotation(c *transport.Ctx) error {
	answer, err := d.ask(c, rotationQuestions...)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, parseRotation(answer))
}

// rotate holds the screen in one of four ways, or lets it follow the sensor. An app that wants one way only keeps
// the screen so: current says how it is.
func (d *Door) rotate(c *transport.Ctx) error {
	var r struct {
		Rotation json.RawMessage `json:"rotation"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	degrees, err := strconv.Atoi(string(r.Rotation))
	auto := string(r.Rotation) == `"auto"`
	if !auto && (err != nil || degrees < 0 || degrees > 270 || degrees%90 != 0) {
		return transport.InvalidBody(fault.Invalidf(`rotation must be 0, 90, 180, 270 or "auto"`))
	}
	lines := []string{"settings put system " + autoRotation + " 1"}
	if !auto {
		lines = []string{"settings put system " + autoRotation + " 0", "settings put system " + userRotation + " " + strconv.Itoa(degrees/90)}
	}
	said, answer, err := d.change(c, "the device has no settings command", lines, rotationQuestions)
	if err != nil {
		return err
	}
	dto := parseRotation(answer)
	if dto.Auto != auto || !auto && dto.Rotation != degrees {
		return untaken("the rotation", said)
	}
	return c.JSON(http.StatusOK, dto)
}
