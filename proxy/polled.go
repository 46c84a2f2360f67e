package proxy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// maxPolled bounds the messages of a polled connection that one answer has.
const maxPolled = 4 << 20

// openPolled opens a polled connection to this sandbox's device, whose id alone the body may name.
func (d *Door) openPolled(c *transport.Ctx, held use, shown *display) error {
	var asks struct {
		Device string `json:"device_id"`
	}
	if err := c.Decode(&asks); err != nil {
		return err
	}
	if asks.Device != shown.device() {
		return transport.NotFound(c)
	}
	if !shown.opens.Allow() {
		return fault.Exhaustedf("connections to the device are opened too fast: try again in a second")
	}
	ctx, cancel := context.WithTimeout(held.Context, d.File)
	defer cancel()
	resp, err := d.operator.Open(ctx, asks.Device)
	if err != nil || resp.StatusCode != http.StatusOK {
		return relay(c, resp, err, maxPolled)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPolled))
	if err != nil {
		return fault.Unavailablef("the operator broke off its answer: %v", err)
	}
	var opened struct {
		Connection string `json:"connection_id"`
	}
	if err := json.Unmarshal(body, &opened); err != nil || opened.Connection == "" {
		return fault.Unavailablef("the operator opened a connection and did not name it")
	}
	shown.remember(opened.Connection)
	if isGuest(held.until) {
		context.AfterFunc(held.until, func() { d.endPolled(opened.Connection) })
	}
	return c.Bytes(http.StatusOK, "application/json", body)
}

// endPolled ends the video of a connection whose viewer has no right to it any more; see [askAnew].
func (d *Door) endPolled(conn string) {
	ctx, cancel := context.WithTimeout(context.Background(), d.Look)
	defer cancel()
	resp, err := d.operator.Forward(ctx, conn, []byte(`{"payload":`+string(askAnew)+`}`))
	if err != nil {
		d.Log.Debug("the video of a link that has ended was not ended", zap.Error(err))
		return
	}
	_ = resp.Body.Close()
}

// sendPolled hands a message to the device.
func (d *Door) sendPolled(c *transport.Ctx, held use, shown *display, conn string) error {
	if !shown.owns(conn) {
		return transport.NotFound(c)
	}
	if len(c.Body()) > maxSignal {
		return fault.New(fault.TooLarge, "a message of the signalling may have %d bytes", maxSignal)
	}
	if !json.Valid(c.Body()) {
		return transport.InvalidBodyf("want a JSON object with a payload")
	}
	ctx, cancel := context.WithTimeout(held.Context, d.File)
	defer cancel()
	resp, err := d.operator.Forward(ctx, conn, c.Body())
	return relay(c, resp, err, maxSignal)
}

// readPolled brings the device's messages.
func (d *Door) readPolled(c *transport.Ctx, held use, shown *display, conn string) error {
	if !shown.owns(conn) {
		return transport.NotFound(c)
	}
	start, err := number(c, "start", 0)
	if err != nil {
		return err
	}
	count, err := number(c, "count", -1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(held.Context, d.File)
	defer cancel()
	resp, err := d.operator.Messages(ctx, conn, start, count)
	return relay(c, resp, err, maxPolled)
}

// number is a parameter of the query. An operator drops the connection of a negative start.
func number(c *transport.Ctx, name string, otherwise int) (int, error) {
	text := c.Optional(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < otherwise {
		return 0, fault.Invalidf("Invalid value for %s field", name)
	}
	return n, nil
}
