package runnerapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// pull begins and does not wait; GET /snapshots/info tells how it ended.
func (d *door) pull(c *transport.Ctx) error {
	var dto wire.PullSnapshotDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	source, ref, err := dto.Names()
	if err != nil {
		return transport.InvalidBody(err)
	}
	if _, err := transport.Ask[messages.Done](c.Context(), d.actors, messages.BeginPullSnapshot{Source: source, Ref: ref}); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, wire.PullStarted)
}

func (d *door) build(c *transport.Ctx) error {
	var dto wire.BuildSnapshotDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	if err := dto.Check(); err != nil {
		return err
	}
	return fault.Unsupportedf("%s", wire.NoBuild)
}

// tag gives an image one more name.
func (d *door) tag(c *transport.Ctx) error {
	var dto wire.TagImageDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	if err := dto.Check(); err != nil {
		return err
	}
	ctx, cancel := c.Within(d.Waits.Inspect, "tag image "+dto.SourceImage)
	defer cancel()
	_, err := transport.Ask[sandbox.Image](ctx, d.actors, messages.PullSnapshot{Source: dto.SourceImage, Ref: dto.TargetImage})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.ImageTagged)
}

func (d *door) inspect(c *transport.Ctx) error {
	var dto wire.InspectSnapshotDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	if dto.Snapshot == "" {
		return transport.InvalidBodyf("snapshot is required")
	}
	ctx, cancel := c.Within(d.Waits.Inspect, "inspect image "+dto.Snapshot)
	defer cancel()
	image, err := transport.Ask[sandbox.Image](ctx, d.actors, messages.InspectSnapshot{Name: dto.Snapshot})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.Inspected(image))
}

// remove forgets a name; the files of base images stay, and an unknown name is forgotten already. With everywhere=true
// the snapshot is removed from the bucket, too, where other runners find it.
func (d *door) remove(c *transport.Ctx) error {
	name, err := c.Required("snapshot")
	if err != nil {
		return err
	}
	everywhere := c.Optional("everywhere")
	if everywhere != "" && everywhere != "true" && everywhere != "false" {
		return fault.Invalidf("everywhere is %.40q: want true or false", everywhere)
	}
	if _, err := transport.Ask[messages.Done](c.Context(), d.actors, messages.RemoveSnapshot{Name: name, Everywhere: everywhere == "true"}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SnapshotRemoved)
}

// exists is never true for ":latest", as with Daytona's runner: what that is may have changed.
func (d *door) exists(c *transport.Ctx) error {
	name, err := c.Required("snapshot")
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, ":latest") {
		return c.JSON(http.StatusOK, wire.ExistsDTO{})
	}
	found, err := transport.Ask[messages.SnapshotPresence](c.Context(), d.actors, messages.HasSnapshot{Name: name})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.ExistsDTO{Exists: found.Exists})
}

func (d *door) snapshotInfo(c *transport.Ctx) error {
	name, err := c.Required("snapshot")
	if err != nil {
		return err
	}
	ctx, cancel := c.Within(d.Waits.Inspect, "inspect image "+name)
	defer cancel()
	found, err := transport.Ask[messages.SnapshotInfo](ctx, d.actors, messages.GetSnapshot{Name: name})
	switch {
	case err != nil:
		return err
	case found.Failure != "":
		return transport.Unprocessablef("%s", found.Failure)
	}
	return c.JSON(http.StatusOK, wire.SnapshotInfo(found.Image))
}

func (d *door) buildLogs(c *transport.Ctx) error {
	if _, err := c.Required("snapshotRef"); err != nil {
		return err
	}
	return fault.NotFoundf("%s", wire.NoBuildLogs)
}

// progress tells how far the work on a snapshot is, or how the last one ended.
func (d *door) progress(c *transport.Ctx) error {
	org, err := c.Param("org")
	if err != nil {
		return err
	}
	name, err := c.Param("name")
	if err != nil {
		return err
	}
	return d.progressOf(c, org+"/"+name)
}

// progressByQuery is progress for the names that no such path can hold: references of a registry.
func (d *door) progressByQuery(c *transport.Ctx) error {
	name, err := c.Required("snapshot")
	if err != nil {
		return err
	}
	return d.progressOf(c, name)
}

func (d *door) progressOf(c *transport.Ctx, name string) error {
	p, err := transport.Ask[messages.SnapshotProgress](c.Context(), d.actors, messages.GetSnapshotProgress{Name: name})
	if err != nil {
		return err
	}
	answer := progressDTO{
		Snapshot: p.Name, Work: p.Work, Source: p.Source, Step: p.Step, Since: p.Since, Done: p.Done, Total: p.Total, Moved: p.Moved,
		Rate: p.Rate, Left: int64(p.Left.Seconds()), State: "running", Error: p.Failure,
	}
	switch {
	case p.Failure != "":
		answer.State = "failed"
	case !p.Ended.IsZero():
		answer.State = "done"
	}
	if !p.Ended.IsZero() {
		answer.Ended = &p.Ended
	}
	return c.JSON(http.StatusOK, answer)
}

// progressDTO answers GET /snapshots/{org}/{name}/progress. It is this runner's own.
type progressDTO struct {
	Snapshot string     `json:"snapshot"`
	Work     string     `json:"work"`
	Source   string     `json:"source"`
	State    string     `json:"state"` // "running", "done", "failed"
	Step     string     `json:"step"`
	Since    time.Time  `json:"since"`
	Ended    *time.Time `json:"ended,omitempty"`
	Done     int64      `json:"doneBytes"`
	Total    int64      `json:"totalBytes"`
	Moved    int64      `json:"networkBytes"`
	Rate     int64      `json:"bytesPerSecond"`
	Left     int64      `json:"secondsLeft"`
	Error    string     `json:"error,omitempty"`
}
