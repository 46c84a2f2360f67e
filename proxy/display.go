package proxy

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

const (
	// maxConnections is how many polled connections of one device are remembered; the oldest is forgotten.
	maxConnections = 256
	// openRate is how many polled connections of one device may be opened in a second, and openBurst how many at once: the
	// operator keeps each until the device leaves.
	openRate, openBurst = 1, 10
	// searchPause is how long a search that found nothing is not repeated.
	searchPause = 2 * time.Second
)

// display is what is known of the screen of one device while it stays started. It is safe for concurrent use.
type display struct {
	serial string
	own    string             // the id that it was launched with, if this runner did
	looks  singleflight.Group // one at a time

	mu       sync.Mutex
	id       string // under which the operator knows it
	searched time.Time
	conns    map[string]bool // polled connections that were opened through here
	oldest   []string
	opens    *rate.Limiter // of polled connections
	look     look
}

func newDisplay(held lease.Lease) *display {
	return &display{serial: held.Serial, own: string(held.ID), id: string(held.ID), conns: map[string]bool{}, opens: rate.NewLimiter(openRate, openBurst)}
}

// device is the id of the device, as far as it is known: the one it was launched with.
func (s *display) device() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// remember takes a polled connection for one of this display's.
func (s *display) remember(conn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[conn] {
		return
	}
	if len(s.oldest) == maxConnections {
		delete(s.conns, s.oldest[0])
		s.oldest = s.oldest[1:]
	}
	s.conns[conn] = true
	s.oldest = append(s.oldest, conn)
}

// owns reports whether a polled connection was opened through here.
func (s *display) owns(conn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[conn]
}

// due reports whether a search may begin, and begins it.
func (s *display) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.searched) < searchPause {
		return false
	}
	s.searched = time.Now()
	return true
}

func (s *display) found(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
}

// find looks for a device that is not registered under the id it is known by, as one that was not launched by this
// runner: whoever alone has its ADB port is it, unless that is another sandbox's. The id that it should have is taken
// again as soon as it is there. It reports whether the id is another one now.
func (d *Door) find(ctx context.Context, shown *display) (bool, error) {
	if !shown.due() {
		return false, nil
	}
	now := shown.device()
	for _, id := range []string{shown.own, now} {
		switch _, err := d.operator.Device(ctx, id); {
		case err == nil: // it is there, and what was asked of it is not
			shown.found(id)
			return id != now, nil
		case !fault.Is(err, fault.NotFound):
			return false, err
		}
	}
	found, err := d.byPort(ctx, shown.serial)
	if err != nil || found == "" || found == now {
		return false, err
	}
	shown.found(found)
	return true, nil
}

// byPort is the one device that has the ADB port of a serial and is no other sandbox's; empty when there is none, or
// more than one.
func (d *Door) byPort(ctx context.Context, serial string) (string, error) {
	_, text, err := net.SplitHostPort(serial)
	if err != nil {
		return "", nil //nolint:nilerr // behind an ADB server a device has no port
	}
	devices, err := d.operator.Devices(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	for _, listed := range devices {
		if listed.ADBPort == 0 { // the list is poor after a restart of the operator
			if listed, err = d.operator.Device(ctx, listed.ID); err != nil {
				if fault.Is(err, fault.NotFound) {
					continue
				}
				return "", err
			}
		}
		if strconv.Itoa(listed.ADBPort) != text || d.isSandbox(ctx, listed.ID) {
			continue
		}
		if found != "" {
			return "", nil
		}
		found = listed.ID
	}
	return found, nil
}

// isSandbox reports whether a device's id is that of a sandbox of this runner.
func (d *Door) isSandbox(ctx context.Context, device string) bool {
	id, err := sandbox.ParseID(device)
	if err != nil {
		return false
	}
	info, err := transport.Ask[sandbox.Info](ctx, d.actors, messages.GetSandbox{ID: id})
	return err != nil || info.State != sandbox.Destroyed
}
