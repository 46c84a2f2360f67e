package record

import (
	"net/http"
	"regexp"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
)

var sizeText = regexp.MustCompile(`^(\d{1,5})x(\d{1,5})$`)

// request is the body of start.
type request struct {
	Label            string
	TimeLimitSeconds *int
	BitRate          *int
	Size             string
}

// about makes an order of it; Invalid says what cannot be.
func (r request) about() (about, error) {
	a := about{Label: r.Label, TimeLimit: maxSeconds, Size: r.Size}
	if r.Label != "" && !label.MatchString(r.Label) {
		return a, transport.InvalidBodyf("label has 1 to 100 letters, digits, spaces and . _ -, and no dot in front")
	}
	if r.TimeLimitSeconds != nil {
		if a.TimeLimit = *r.TimeLimitSeconds; a.TimeLimit < 1 || a.TimeLimit > maxSeconds {
			return a, transport.InvalidBodyf("timeLimitSeconds must be from 1 to %d", maxSeconds)
		}
	}
	if r.BitRate != nil {
		if a.BitRate = *r.BitRate; a.BitRate < leastRate || a.BitRate > mostRate {
			return a, transport.InvalidBodyf("bitRate must be from %d to %d bits per second", leastRate, mostRate)
		}
	}
	if r.Size != "" {
		m := sizeText.FindStringSubmatch(r.Size)
		if len(m) != 3 || !isSide(m[1]) || !isSide(m[2]) {
			return a, transport.InvalidBodyf("size must be WIDTHxHEIGHT, both even and from %d to %d", leastSide, mostSide)
		}
	}
	return a, nil
}

// isSide reports whether digits are a width or height that encoders take.
func isSide(digits string) bool {
	n, err := strconv.Atoi(digits)
	return err == nil && n%2 == 0 && n >= leastSide && n <= mostSide
}

func (d *Door) start(c *transport.Ctx) error {
	var r request
	if len(c.Body()) > 0 {
		if err := c.Decode(&r); err != nil {
			return err
		}
	}
	order, err := r.about()
	if err != nil {
		return err
	}
	return d.alone(c, func(u *android.Use) error {
		made, err := d.order(u, order)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, made)
	})
}

// stop ends the one that is named, or the one that is made.
func (d *Door) stop(c *transport.Ctx) error {
	var r struct{ ID string }
	if len(c.Body()) > 0 {
		if err := c.Decode(&r); err != nil {
			return err
		}
	}
	return d.alone(c, func(u *android.Use) error {
		if r.ID == "" {
			all, err := d.all(u)
			if err != nil {
				return err
			}
			active := running(all)
			if active == nil {
				return fault.Conflictf("the screen is not being recorded")
			}
			r.ID = active.ID
		}
		ended, err := d.finish(u, r.ID)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, ended)
	})
}

func running(all []Recording) *Recording {
	for i := range all {
		if all[i].Status == Running {
			return &all[i]
		}
	}
	return nil
}

// listDTO is what a device has filmed.
type listDTO struct {
	Active     *Recording  `json:"active,omitempty"`
	Recordings []Recording `json:"recordings"`
}

func (d *Door) list(c *transport.Ctx) error {
	return d.with(c, func(u *android.Use) error {
		all, err := d.all(u)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, listDTO{running(all), all})
	})
}

func (d *Door) get(c *transport.Ctx) error {
	id, err := c.Param("recording")
	if err != nil {
		return err
	}
	return d.with(c, func(u *android.Use) error {
		r, err := d.find(u, id)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, r)
	})
}

func (d *Door) remove(c *transport.Ctx) error {
	id, err := c.Param("recording")
	if err != nil {
		return err
	}
	return d.alone(c, func(u *android.Use) error {
		if err := d.discard(u, id); err != nil {
			return err
		}
		return c.Empty(http.StatusNoContent)
	})
}
