package adbd

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/daytonaio/runner-android/internal/sim/freeze"
	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// Device is what adbd runs on.
type Device struct {
	Guest *guest.Guest
	// Faults may be changed while serving. Nil means none.
	Faults *Faults
	// Dial connects to a port of the guest's loopback for tcp:PORT. Nil means nothing listens there.
	Dial func(ctx context.Context, port int) (io.ReadWriteCloser, error)
	// DialLocal is the same for a unix socket's name, for localabstract:NAME.
	DialLocal func(ctx context.Context, name string) (io.ReadWriteCloser, error)
	// Screen is what framebuffer: shows. Nil refuses it.
	Screen Screen
	// Binder runs the commands of abb: and abb_exec:. Nil refuses both and does not list them.
	Binder Binder
	// Gate is closed while the device stands still: connections are accepted, and nothing on them is read or answered
	// until it opens. Nil is always open.
	Gate *freeze.Gate
	// Lacks are features that an older device does not list.
	Lacks []string
}

// Screen is a display.
type Screen interface {
	// Frame returns what is on it now.
	Frame(ctx context.Context) (Frame, error)
}

// Frame is a picture: four bytes a pixel (red, green, blue, alpha), rows without gaps.
type Frame struct {
	Width, Height int
	Pixels        []byte
}

// Binder runs what "cmd SERVICE ARG…" runs. It returns the exit status, and soon after ctx is done.
type Binder interface {
	Command(ctx context.Context, args []string, root bool, stdin io.Reader, stdout, stderr io.Writer) (status int)
}

// Faults are misbehaviours. All may be switched at any time; the zero value behaves well.
type Faults struct {
	RefuseTCP atomic.Bool // close connections as soon as they are made
	Silent    atomic.Bool // accept connections and never say anything
	// RequireAuth asks for a key and accepts those in the guest's /data/misc/adb/adb_keys. Another
	// key waits, as for a person at the screen; switching the fault off is that person's yes.
	RequireAuth atomic.Bool
	NeverExit   atomic.Bool // shells never report their exit
	StallAcks   atomic.Bool // never confirm received data
	// DropAfter cuts a connection once it has sent so many bytes since it was made. 0 is never.
	DropAfter atomic.Int64
}

// maxConnections and maxStreams bound what hosts can hold open.
const (
	maxConnections = 64
	maxStreams     = 1024
)

// Serve accepts connections until ctx is done or the listener fails, and returns when all of them
// have ended. It closes the listener.
func Serve(ctx context.Context, l net.Listener, d Device) error {
	if d.Faults == nil {
		d.Faults = &Faults{}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &server{device: d, conns: map[*conn]bool{}}
	defer s.running.Wait()
	defer cancel()
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if d.Faults.RefuseTCP.Load() || !s.add(ctx, nc) {
			nc.Close()
		}
	}
}

// server is one run of Serve.
type server struct {
	device  Device
	running sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]bool
}

func (s *server) add(ctx context.Context, nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= maxConnections {
		return false
	}
	c := newConn(ctx, s, nc)
	s.conns[c] = true
	s.running.Go(func() {
		c.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
	return true
}

// restart drops every connection, as adbd does when it changes its user.
func (s *server) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.drain()
		c.cancel()
	}
}
