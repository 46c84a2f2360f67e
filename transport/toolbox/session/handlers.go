package session

import (
	"context"
	"net/http"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// entrypointID is the daemon's name for what an image starts; Android's images start nothing so.
const entrypointID = "entrypoint"

// maxID is the longest name of a session.
const maxID = 256

// sessionJSON and commandJSON are what clients see.
type sessionJSON struct {
	ID       string        `json:"sessionId"`
	Commands []commandJSON `json:"commands"`
}

type commandJSON struct {
	ID       string `json:"id"`
	Command  string `json:"command"`
	ExitCode *int   `json:"exitCode,omitempty"` // absent while it runs
}

func (s *session) json() sessionJSON {
	out := sessionJSON{ID: s.id, Commands: []commandJSON{}}
	for _, cmd := range s.list() {
		out.Commands = append(out.Commands, cmd.json())
	}
	return out
}

func (c *command) json() commandJSON {
	out := commandJSON{ID: c.id, Command: c.text}
	if exit, over, _ := c.ended(); over {
		out.ExitCode = &exit
	}
	return out
}

func (d *Door) create(c *transport.Ctx) error {
	var r struct {
		ID string `json:"sessionId"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	switch {
	case r.ID == "":
		return transport.InvalidBodyf("Key: 'CreateSessionRequest.SessionId' Error:Field validation for 'SessionId' failed on the 'required' tag")
	case len(r.ID) > maxID:
		return transport.InvalidBodyf("sessionId is longer than %d bytes", maxID)
	case r.ID == entrypointID:
		return fault.Invalidf("provided session ID is reserved and cannot be created/overridden")
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	b := d.boxes.Of(held)
	if err := b.reserve(r.ID, d.MaxSessions); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(held.Context, d.StartTime,
		fault.Timeoutf("the session's shell did not begin within %s", d.StartTime))
	defer cancel()
	s, err := d.open(ctx, b, r.ID)
	if ended := b.put(r.ID, s); err == nil && ended != nil {
		err = ended
		s.end(ended)
		_ = s.proc.Close()
	}
	if err != nil {
		return err
	}
	return c.Empty(http.StatusCreated)
}

func (d *Door) list(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	out := []sessionJSON{}
	for _, s := range d.boxes.Of(held).list() {
		out = append(out, s.json())
	}
	return c.JSON(http.StatusOK, out)
}

func (d *Door) entrypoint(c *transport.Ctx) error {
	if _, err := d.leases.Take(c); err != nil {
		return err
	}
	return fault.NotFoundf("session not found")
}

// find is the session in the path.
func (d *Door) find(c *transport.Ctx) (*session, lease.Lease, error) {
	id, err := c.Param("session")
	if err != nil {
		return nil, lease.Lease{}, err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return nil, held, err
	}
	s, err := d.boxes.Of(held).get(id)
	return s, held, err
}

// findCommand is the command in the path.
func (d *Door) findCommand(c *transport.Ctx) (*session, *command, error) {
	s, _, err := d.find(c)
	if err != nil {
		return nil, nil, err
	}
	id, err := c.Param("command")
	if err != nil {
		return nil, nil, err
	}
	cmd, err := s.command(id)
	return s, cmd, err
}

func (d *Door) get(c *transport.Ctx) error {
	s, _, err := d.find(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, s.json())
}

func (d *Door) remove(c *transport.Ctx) error {
	s, held, err := d.find(c)
	if err != nil {
		return err
	}
	if s, err = d.boxes.Of(held).take(s.id); err != nil {
		return err
	}
	d.close(held.Context, s)
	return c.Empty(http.StatusNoContent)
}

func (d *Door) command(c *transport.Ctx) error {
	_, cmd, err := d.findCommand(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, cmd.json())
}

func (d *Door) input(c *transport.Ctx) error {
	var r struct {
		Data string `json:"data"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	s, cmd, err := d.findCommand(c)
	if err != nil {
		return err
	}
	if exit, over, _ := cmd.ended(); over {
		return transport.Gonef("command has already completed with exit code %d", exit)
	}
	if !cmd.async {
		return fault.Conflictf("the command has no input: run it with runAsync")
	}
	if !strings.HasSuffix(r.Data, "\n") {
		r.Data += "\n"
	}
	if err := cmd.input.send([]byte(r.Data)); err != nil {
		return err
	}
	if cmd.echo {
		cmd.log.lines(stdout, r.Data)
	}
	s.door.trim(s)
	return c.Empty(http.StatusNoContent)
}
