package ports

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// listScript says which sockets there are. A kernel without IPv6 has no tcp6.
	listScript = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null"
	// maxList bounds its output: some 50,000 sockets.
	maxList = 8 << 20
	// queryTime bounds what is answered at once by a device that is well.
	queryTime = 15 * time.Second
	// lowest and highest are the ports that Daytona's daemon answers for.
	lowest, highest = 3000, 9999
)

type portsResponse struct {
	Ports []int `json:"ports"`
}

type inUseResponse struct {
	IsInUse bool `json:"isInUse"`
}

func (d *Door) list(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(held.Context, queryTime, fault.Timeoutf("the device did not list its ports within %s", queryTime))
	defer cancel()
	res, err := d.guest.Run(ctx, held.Serial, guestshell.Script{Text: []byte(listScript + "\n"), MaxOutput: maxList})
	switch {
	case err != nil:
		return guestcommand.CauseOf(ctx, err)
	case len(res.Output) == 0:
		return fault.Unavailablef("the guest does not let its shell read /proc/net/tcp")
	}
	return c.JSON(http.StatusOK, portsResponse{listening(res.Output)})
}

// listening reads /proc/net/tcp and tcp6, one behind the other: the ports of sockets that listen, each
// once, in order. What it does not understand it passes over. Never nil.
//
//	sl  local_address rem_address   st tx_queue ...
//	 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 ...
func listening(table []byte) []int {
	const listen = "0A"
	ports := []int{}
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) < 4 || string(fields[3]) != listen {
			continue
		}
		_, hex, found := bytes.Cut(fields[1], []byte(":"))
		port, err := strconv.ParseUint(string(hex), 16, 16)
		if found && err == nil && port > 0 {
			ports = append(ports, int(port))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func (d *Door) inUse(c *transport.Ctx) error {
	port, err := portOf(c)
	if err != nil {
		return err
	}
	if port < lowest || port > highest {
		return fault.Invalidf("port %d is not between %d and %d", port, lowest, highest)
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	conn, err := d.dial(held.Context, held.Serial, port)
	if errors.Is(err, adb.ErrRefused) {
		return c.JSON(http.StatusOK, inUseResponse{false})
	}
	if err != nil {
		return guestcommand.CauseOf(held.Context, err)
	}
	_ = conn.Close()
	return c.JSON(http.StatusOK, inUseResponse{true})
}

// portOf is the path's "{port}"; Invalid when there is no such port.
func portOf(c *transport.Ctx) (int, error) {
	text, err := c.Param("port")
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || text[0] == '0' {
		return 0, fault.Invalidf("%q in the path is no port", text)
	}
	return int(port), nil
}
