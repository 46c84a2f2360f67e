package pty

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

const (
	defaultCols, defaultRows = 80, 24
	maxSide                  = 1000
	maxID                    = 256
)

// request says what terminal is wanted.
type request struct {
	ID        string            `json:"id"`
	Cwd       string            `json:"cwd"`
	Envs      map[string]string `json:"envs"`
	Cols      *int              `json:"cols"`
	Rows      *int              `json:"rows"`
	LazyStart bool              `json:"lazyStart"`
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// terminal checks the request; the words of errors are the daemon's where it has any.
func (r request) terminal(d *Door, b *box) (*terminal, error) {
	t := &terminal{
		id: r.ID, cwd: r.Cwd, envs: r.Envs, lazy: r.LazyStart, cols: defaultCols, rows: defaultRows,
		created: time.Now(), door: d, box: b, starting: make(chan struct{}, 1),
	}
	switch {
	case r.ID == "":
		return nil, fault.Invalidf("session ID is required")
	case len(r.ID) > maxID:
		return nil, fault.Invalidf("session ID is longer than %d bytes", maxID)
	case strings.ContainsRune(r.Cwd, 0):
		return nil, fault.Invalidf("cwd must not contain NUL")
	case strings.ContainsAny(r.Envs["TERM"], ",:"):
		return nil, fault.Invalidf("environment variable TERM must not contain commas and colons")
	}
	for name, value := range r.Envs {
		if !envName.MatchString(name) {
			return nil, fault.Invalidf("invalid environment variable name: '%s'", name)
		}
		if strings.ContainsRune(value, 0) {
			return nil, fault.Invalidf("environment variable %s must not contain NUL", name)
		}
	}
	if err := side("cols", r.Cols, &t.cols); err != nil {
		return nil, err
	}
	return t, side("rows", r.Rows, &t.rows)
}

// side checks one side of a terminal; 0 and none mean what is there.
func side(name string, want, into *int) error {
	switch {
	case want == nil || *want == 0:
	case *want < 0:
		return fault.Invalidf("invalid value for %s - must be positive", name)
	case *want > maxSide:
		return fault.Invalidf("invalid value for %s - must be less than %d", name, maxSide)
	default:
		*into = *want
	}
	return nil
}

// info is a terminal as clients see it.
type info struct {
	ID        string            `json:"id"`
	Cwd       string            `json:"cwd"`
	Envs      map[string]string `json:"envs"`
	Cols      int               `json:"cols"`
	Rows      int               `json:"rows"`
	CreatedAt time.Time         `json:"createdAt"`
	Active    bool              `json:"active"`
	LazyStart bool              `json:"lazyStart"`
}

func (t *terminal) info() info {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := info{
		ID: t.id, Cwd: t.cwd, Envs: t.envs, Cols: t.cols, Rows: t.rows,
		CreatedAt: t.created, Active: t.proc != nil && !t.over, LazyStart: t.lazy,
	}
	if out.Envs == nil {
		out.Envs = map[string]string{}
	}
	return out
}

func (d *Door) create(c *transport.Ctx) error {
	var r request
	if err := c.Decode(&r); err != nil {
		return err
	}
	if _, err := r.terminal(d, nil); err != nil {
		return err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	t, err := d.add(held, r)
	if err == nil && !t.lazy {
		if _, err = t.start(held.Context); err != nil {
			t.end(ending{err: err})
		}
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]string{"sessionId": t.id})
}

func (d *Door) add(held lease.Lease, r request) (*terminal, error) {
	b := d.boxes.Of(held)
	t, err := r.terminal(d, b)
	if err != nil {
		return nil, err
	}
	return t, b.add(t, d.MaxTerminals)
}

func (d *Door) list(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	sessions := []info{}
	for _, t := range d.boxes.Of(held).list() {
		sessions = append(sessions, t.info())
	}
	return c.JSON(http.StatusOK, map[string]any{"sessions": sessions})
}

// find is the terminal in the path; it is nil when there is none.
func (d *Door) find(c *transport.Ctx) (id string, t *terminal, err error) {
	if id, err = c.Param("session"); err != nil {
		return "", nil, err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return id, nil, err
	}
	return id, d.boxes.Of(held).find(id), nil
}

func (d *Door) get(c *transport.Ctx) error {
	_, t, err := d.find(c)
	if err == nil && t == nil {
		err = fault.NotFoundf("PTY session not found")
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, t.info())
}

func (d *Door) remove(c *transport.Ctx) error {
	_, t, err := d.find(c)
	if err == nil && t == nil {
		err = fault.NotFoundf("PTY session not found")
	}
	if err != nil {
		return err
	}
	t.end(killed)
	return c.JSON(http.StatusOK, map[string]string{"message": "PTY session deleted"})
}

func (d *Door) resize(c *transport.Ctx) error {
	var r struct{ Cols, Rows *int }
	if err := c.Decode(&r); err != nil {
		return err
	}
	var cols, rows int
	if err := side("cols", r.Cols, &cols); err != nil {
		return err
	}
	if err := side("rows", r.Rows, &rows); err != nil {
		return err
	}
	if cols == 0 || rows == 0 {
		return fault.Invalidf("cols and rows are required")
	}
	id, t, err := d.find(c)
	if err == nil && t == nil {
		err = transport.Gonef("PTY session %s not found", id)
	}
	if err == nil {
		err = t.resize(cols, rows)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, t.info())
}

func (d *Door) connect(c *transport.Ctx) error {
	if !c.WantsSocket() {
		return fault.Invalidf("Bad Request: a WebSocket is wanted here")
	}
	o, err := readOffer(c)
	if err != nil {
		return err
	}
	id, t, err := d.find(c)
	if err == nil && t == nil {
		err = fault.NotFoundf("PTY session %s not found", id)
	}
	return d.serve(c, o, func() (*terminal, error) { return t, err })
}

// createConnect is create and connect in one, for SDKs after v0.190.
func (d *Door) createConnect(c *transport.Ctx) error {
	if !c.WantsSocket() {
		return fault.Invalidf("Bad Request: a WebSocket is wanted here")
	}
	o, err := readOffer(c)
	if err != nil {
		return err
	}
	r := request{ID: c.Optional("id"), Cwd: c.Optional("cwd"), Envs: o.envs, LazyStart: true}
	for name, field := range map[string]**int{"cols": &r.Cols, "rows": &r.Rows} {
		if value := c.Optional(name); value != "" {
			n, e := strconv.Atoi(value)
			if e != nil {
				err = fault.Invalidf("invalid value for %s - %q is no number", name, value)
			}
			*field = &n
		}
	}
	var held lease.Lease
	if err == nil {
		held, err = d.leases.Take(c)
	}
	return d.serve(c, o, func() (*terminal, error) {
		if err != nil {
			return nil, err
		}
		return d.add(held, r)
	})
}
