package session

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

const stdout = adb.Stdout

// execRequest is the body of exec.
type execRequest struct {
	Command  string `json:"command"`
	RunAsync bool   `json:"runAsync"`
	Async    bool   `json:"async"` // the daemon's older word for the same
	NoEcho   bool   `json:"suppressInputEcho"`
}

func (r execRequest) check() error {
	switch {
	case strings.TrimSpace(r.Command) == "":
		return fault.Invalidf("command cannot be empty or whitespace-only")
	case strings.Contains(r.Command, "\x00"):
		return fault.Invalidf("command must not contain NUL")
	}
	return nil
}

// output is a command's log as a client of some dialect wants it.
type output struct {
	dialect        dialect
	text           []byte
	stdout, stderr []byte
}

func (d dialect) output(text []byte) output {
	o := output{dialect: d, text: text}
	switch d {
	case plain:
		o.text = strip(text)
	case marked:
	case parted:
		o.stdout, o.stderr = split(text)
	}
	return o
}

// AppendJSON implements transport.Appender: the answer of logs to those who know three fields.
func (o output) AppendJSON(dst []byte) []byte {
	dst = transport.AppendString(append(dst, `{"output":`...), o.text)
	dst = transport.AppendString(append(dst, `,"stdout":`...), o.stdout)
	dst = transport.AppendString(append(dst, `,"stderr":`...), o.stderr)
	return append(dst, '}')
}

// execResponse is the answer of exec. There must be no other fields: older Go SDKs refuse them.
type execResponse struct {
	id     string
	ended  bool
	output output
	exit   int
}

// AppendJSON implements transport.Appender.
func (r execResponse) AppendJSON(dst []byte) []byte {
	dst = transport.AppendString(append(dst, `{"cmdId":`...), r.id)
	if !r.ended {
		return append(dst, `,"output":null,"stdout":null,"stderr":null,"exitCode":null}`...)
	}
	dst = transport.AppendString(append(dst, `,"output":`...), r.output.text)
	if r.output.dialect == parted {
		dst = transport.AppendString(append(dst, `,"stdout":`...), r.output.stdout)
		dst = transport.AppendString(append(dst, `,"stderr":`...), r.output.stderr)
	} else {
		dst = append(dst, `,"stdout":null,"stderr":null`...)
	}
	return append(strconv.AppendInt(append(dst, `,"exitCode":`...), int64(r.exit), 10), '}')
}

func (d *Door) exec(c *transport.Ctx) error {
	var r execRequest
	if err := c.Decode(&r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	s, held, err := d.find(c)
	if fault.Is(err, fault.NotFound) && held.Serial != "" {
		return transport.DaemonErrorf(fault.NotFound, "failed to execute command: not found: %v", err)
	}
	if err != nil {
		return err
	}
	async := r.Async || r.RunAsync
	cmd, err := s.exec(r.Command, async, !r.NoEcho)
	if err != nil {
		return err
	}
	if async {
		return c.Append(http.StatusAccepted, execResponse{id: cmd.id})
	}
	ctx, cancel := context.WithTimeoutCause(held.Context, d.MaxTime,
		transport.RequestTimeoutf("no end within %s; command %s goes on: ask for it and its logs", d.MaxTime, cmd.id))
	defer cancel()
	select {
	case <-cmd.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	exit, _, err := cmd.ended()
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, execResponse{id: cmd.id, ended: true, exit: exit, output: dialectOf(c).output(cmd.log.all())})
}
