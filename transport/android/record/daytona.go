package record

import (
	"errors"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
)

// recordingDTO is a recording with Daytona's fields and no others.
type recordingDTO struct {
	ID              string   `json:"id"`
	FileName        string   `json:"fileName"`
	FilePath        string   `json:"filePath"`
	StartTime       string   `json:"startTime"`
	EndTime         string   `json:"endTime,omitempty"`
	Status          State    `json:"status"`
	DurationSeconds *float64 `json:"durationSeconds,omitempty"`
	SizeBytes       *int64   `json:"sizeBytes,omitempty"`
}

func inDaytonasWords(r Recording) recordingDTO {
	dto := recordingDTO{
		ID: r.ID, FileName: r.FileName, FilePath: r.FilePath, StartTime: r.StartTime.Format(time.RFC3339), Status: r.Status,
		DurationSeconds: r.DurationSeconds, SizeBytes: r.SizeBytes,
	}
	if r.EndTime != nil {
		dto.EndTime = r.EndTime.Format(time.RFC3339)
	}
	return dto
}

// namedDTO is an error with a name, as the daemon has two of.
type namedDTO struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// asDaemon answers the mistakes of callers in the daemon's other shape. What fails otherwise looks as everywhere.
func asDaemon(h transport.Handler) transport.Handler {
	return func(c *transport.Ctx) error {
		switch err := h(c); {
		case errors.Is(err, errNone):
			return transport.Plain(err)
		case errors.Is(err, errActive):
			return transport.Plainf("%s", err.Error())
		default:
			return err
		}
	}
}

func (d *Door) computerStart(c *transport.Ctx) error {
	var r struct{ Label string }
	if len(c.Body()) > 0 {
		if transport.DecodeJSON(c.Body(), &r) != nil {
			return transport.Plainf("invalid request")
		}
	}
	if r.Label != "" && !label.MatchString(r.Label) {
		return c.JSON(http.StatusBadRequest, namedDTO{"invalid_label", "label has 1 to 100 letters, digits, spaces and . _ -, and no dot in front"})
	}
	return d.alone(c, func(u *android.Use) error {
		made, err := d.order(u, about{Label: r.Label, TimeLimit: maxSeconds})
		if fault.Is(err, fault.Unsupported) {
			return c.JSON(http.StatusBadRequest, namedDTO{"ffmpeg_not_found", err.Error()})
		}
		if err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, inDaytonasWords(made))
	})
}

func (d *Door) computerStop(c *transport.Ctx) error {
	var r struct{ ID string }
	if transport.DecodeJSON(c.Body(), &r) != nil || r.ID == "" {
		return transport.Plainf("invalid request: id is required")
	}
	return d.alone(c, func(u *android.Use) error {
		ended, err := d.finish(u, r.ID)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, inDaytonasWords(ended))
	})
}

func (d *Door) computerList(c *transport.Ctx) error {
	return d.with(c, func(u *android.Use) error {
		all, err := d.all(u)
		if err != nil {
			return err
		}
		list := []recordingDTO{}
		for _, r := range all {
			list = append(list, inDaytonasWords(r))
		}
		return c.JSON(http.StatusOK, map[string][]recordingDTO{"recordings": list})
	})
}

func (d *Door) computerGet(c *transport.Ctx) error {
	id, err := c.Param("recording")
	if err != nil {
		return err
	}
	return d.with(c, func(u *android.Use) error {
		r, err := d.find(u, id)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, inDaytonasWords(r))
	})
}
