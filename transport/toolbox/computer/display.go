package computer

import (
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/window"
)

const (
	// sizeCommand says how large the screen is, and how it is turned.
	sizeCommand = "wm size </dev/null; dumpsys window displays </dev/null 2>/dev/null"
	// windowsCommand lists the windows, the topmost first.
	windowsCommand = "dumpsys window windows </dev/null"
)

// displayDTO is a screen in an answer.
type displayDTO struct {
	ID       int  `json:"id"`
	X        int  `json:"x"`
	Y        int  `json:"y"`
	Width    int  `json:"width"`
	Height   int  `json:"height"`
	IsActive bool `json:"isActive"`
}

// windowDTO is a window in an answer.
type windowDTO struct {
	ID       int    `json:"id"`
	Title    string `json:"title"`
	X        int    `json:"x"`
	Y        int    `json:"y"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	IsActive bool   `json:"isActive"`
}

func (d *Door) displays(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	said, err := d.query(held, sizeCommand)
	if err != nil {
		return err
	}
	width, height, ok := window.Size(said)
	if !ok {
		return fault.Unavailablef("the device does not say how large its screen is")
	}
	return c.JSON(http.StatusOK, map[string][]displayDTO{"displays": {{Width: width, Height: height, IsActive: true}}})
}

func (d *Door) windows(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	said, err := d.query(held, windowsCommand)
	if err != nil {
		return err
	}
	list := []windowDTO{}
	for _, w := range window.List(said) {
		list = append(list, windowDTO{w.ID, w.Title, w.X, w.Y, w.Width, w.Height, w.Active})
	}
	return c.JSON(http.StatusOK, map[string][]windowDTO{"windows": list})
}
