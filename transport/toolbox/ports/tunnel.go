package ports

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/relay"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// tunnel joins the client and the guest, who have agreed on another protocol.
func (d *Door) tunnel(ctx context.Context, cancel context.CancelCauseFunc, c *transport.Ctx, held lease.Lease, resp *http.Response) error {
	guest, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || !d.tunnels.Take(held.ID, d.Tunnels) {
		_ = resp.Body.Close()
		cancel(nil)
		if !ok {
			return fault.Internalf("the HTTP client gave no connection for 101")
		}
		return fault.Exhaustedf("sandbox %s has %d connections open to its ports", held.ID, d.Tunnels)
	}
	leave := func() {
		_ = guest.Close()
		cancel(nil)
		d.tunnels.Leave(held.ID)
	}
	upgrade := upgradeOf(resp.Header)
	copyAnswer(c, resp.Header)
	c.SetHeader("Connection", "Upgrade")
	c.SetHeader("Upgrade", upgrade)
	c.SwitchProtocols(func(life context.Context, client net.Conn) error {
		defer leave()
		hangUp := func() { // a read that waits sees no context
			_ = guest.Close()
			_ = client.SetDeadline(time.Now())
		}
		defer relay.Watch(ctx, hangUp)()
		defer relay.Watch(life, hangUp)()
		relay.Join(client, func() { _ = client.SetReadDeadline(time.Now()) }, guest)
		return nil
	}, leave)
	return nil
}
