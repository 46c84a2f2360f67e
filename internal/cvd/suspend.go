package cvd

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// suspendLimit bounds one command on a VM's control socket, which waits for ever where the VM is stuck.
const suspendLimit = 10 * time.Second

// Suspend makes the processors of a VM stand still; binary is its crosvm, socket its control socket. Its devices go
// on, so that it works where the guest's own suspend does not. Unsupported, with crosvm's words, where crosvm refuses;
// Timeout where it does not answer. After any error the VM may stand still all the same: call Resume.
func (c *Client) Suspend(ctx context.Context, binary, socket string) error {
	return c.control(ctx, binary, "suspend", socket)
}

// Resume lets a VM go on. One that runs already is success, as far as crosvm says so.
func (c *Client) Resume(ctx context.Context, binary, socket string) error {
	return c.control(ctx, binary, "resume", socket)
}

func (c *Client) control(ctx context.Context, binary, verb, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, suspendLimit)
	defer cancel()
	_, err := c.h.Run(ctx, host.Command{Args: []string{binary, verb, socket}})
	var exit *host.ExitError
	if errors.As(err, &exit) {
		return fault.New(fault.Unsupported, "crosvm %s: exit status %d: %s", verb, exit.Code, strings.TrimSpace(string(exit.Stderr)))
	}
	return fault.Op("crosvm "+verb, err)
}

// CrosvmVersion is what a crosvm says of itself, in one line.
func (c *Client) CrosvmVersion(ctx context.Context, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, suspendLimit)
	defer cancel()
	res, err := c.h.Run(ctx, host.Command{Args: []string{binary, "version"}, Out: 4096})
	line, _, _ := strings.Cut(strings.TrimSpace(string(res.Stdout)), "\n")
	return line, fault.Op("crosvm version", err)
}

// CrosvmBinary is the crosvm of a group's host tools, where its configuration does not say.
func CrosvmBinary(hostTools string) string { return path.Join(hostTools, "bin", "crosvm") }
