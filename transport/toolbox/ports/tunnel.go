package ports

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

const (
	// smallCopy and largeCopy are the buffers of one direction: it begins small, because most tunnels
	// are idle, and grows when a read fills it.
	smallCopy, largeCopy = 2 << 10, 64 << 10
	// lastWords is how long the guest may go on when the client has hung up.
	lastWords = 5 * time.Second
)

// tunnel joins the client and the guest, who have agreed on another protocol.
func (d *Door) tunnel(ctx context.Context, cancel context.CancelCauseFunc, c *transport.Ctx, held lease.Lease, resp *http.Response) error {
	guest, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || !d.tunnels.add(held.ID, d.Tunnels) {
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
		d.tunnels.remove(held.ID)
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
		defer watch(ctx, hangUp)()
		defer watch(life, hangUp)()
		join(client, guest)
		return nil
	}, leave)
	return nil
}

// watch calls f when ctx ends. After forget, f is not called, and does not run any more: what it uses may
// belong to another by then.
func watch(ctx context.Context, f func()) (forget func()) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !unwatch() {
			<-done
		}
	}
}

// join copies both ways until the guest hangs up, or has had lastWords after the client did: ADB has no
// half close, so the guest is not told of an end before that.
func join(client net.Conn, guest io.ReadWriteCloser) {
	var wg sync.WaitGroup
	wg.Go(func() {
		pump(client, guest)
		_ = client.SetReadDeadline(time.Now())
	})
	pump(guest, client)
	late := time.AfterFunc(lastWords, func() { _ = guest.Close() })
	defer late.Stop()
	wg.Wait()
}

// pump copies until either side fails or ends.
func pump(to io.Writer, from io.Reader) {
	buf := make([]byte, smallCopy)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		if n == len(buf) && n < largeCopy {
			buf = make([]byte, min(4*n, largeCopy))
		}
	}
}

// counts is how many tunnels each sandbox has.
type counts struct {
	mu   sync.Mutex
	open map[sandbox.ID]int
}

// add counts one more, unless there are limit already.
func (n *counts) add(id sandbox.ID, limit int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[id] >= limit {
		return false
	}
	if n.open == nil {
		n.open = map[sandbox.ID]int{}
	}
	n.open[id]++
	return true
}

func (n *counts) remove(id sandbox.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[id]--; n.open[id] == 0 {
		delete(n.open, id)
	}
}
