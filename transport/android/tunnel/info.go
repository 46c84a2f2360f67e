package tunnel

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// info answers {host, port, serial, tunnelCommand}.
func (d *Door) info(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	info, err := transport.Ask[sandbox.Info](c.Context(), d.actors, messages.GetSandbox{ID: id})
	switch {
	case err != nil:
		return err
	case info.State == sandbox.Destroyed:
		return fault.NotFoundf("sandbox %s does not exist on this runner", id)
	case info.ADBPort == 0:
		return fault.Conflictf("sandbox %s is %s and holds no ADB port: is the sandbox started?", id, info.State)
	}
	host := d.Host
	if host == "" {
		host = c.LocalIP().String()
	}
	return c.JSON(http.StatusOK, struct {
		Host          string `json:"host"`
		Port          int    `json:"port"`
		Serial        string `json:"serial"`
		TunnelCommand string `json:"tunnelCommand"`
	}{host, info.ADBPort, info.ADBSerial, command(c, host, id)})
}

// command is a command line for people, who need nothing but the token for it: it reaches the runner as their
// request did, by itself or through Daytona's proxy.
func command(c *transport.Ctx, host string, id sandbox.ID) string {
	hops := strings.Split(c.Header("X-Forwarded-Host"), ",")
	proxy := strings.TrimSpace(hops[len(hops)-1]) // what stands before it, anybody may have said
	if strings.Contains(string(c.Fasthttp().URI().PathOriginal()), "/toolbox/") && address.MatchString(proxy) {
		scheme := "https"
		if isLocal(proxy) {
			scheme = "http"
		}
		return fmt.Sprintf("runner-android adb-forward --toolbox-url %s://%s/toolbox %s", scheme, proxy, id)
	}
	scheme := "http"
	if c.Fasthttp().IsTLS() {
		scheme = "https"
	}
	if reached := c.Header("Host"); address.MatchString(reached) {
		host = reached
	}
	return fmt.Sprintf("runner-android adb-forward --api %s://%s %s", scheme, host, id)
}

// address is a host with or without a port, and nothing that a shell would take for more.
var address = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$`)

// isLocal tells whether an address is this machine's, as far as its spelling says so.
func isLocal(address string) bool {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
