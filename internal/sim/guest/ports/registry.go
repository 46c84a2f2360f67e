package ports

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Registry holds the listening ports. The zero value has none. It is safe for concurrent use.
type Registry struct {
	mu     sync.Mutex
	open   map[int]*Listener
	closed bool
}

// Listener is one listening port; it is a net.Listener for servers of the standard library.
type Listener struct {
	registry *Registry
	port     int
	uid      int
	any      bool
	queue    chan net.Conn
	done     chan struct{}
	once     sync.Once
}

var _ net.Listener = (*Listener)(nil)

// backlog is how many connections may wait to be accepted.
const backlog = 128

// firstEphemeral is where ports that are asked for as 0 begin.
const firstEphemeral = 32768

// Listen opens a port for user uid; 0 picks a free one. Ports below 1024 are root's. On any address
// or, if loopback is set, on 127.0.0.1 alone.
func (r *Registry) Listen(port, uid int, loopback bool) (*Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for next := firstEphemeral; port == 0 && next < 61000; next++ {
		if r.open[next] == nil {
			port = next
		}
	}
	switch {
	case r.closed:
		return nil, syscall.ENETDOWN
	case port < 1 || port > 65535:
		return nil, syscall.EINVAL
	case port < 1024 && uid != 0:
		return nil, syscall.EACCES
	case r.open[port] != nil:
		return nil, syscall.EADDRINUSE
	}
	l := &Listener{registry: r, port: port, uid: uid, any: !loopback, queue: make(chan net.Conn, backlog), done: make(chan struct{})}
	if r.open == nil {
		r.open = map[int]*Listener{}
	}
	r.open[port] = l
	return l, nil
}

// Dial connects to a port. Nothing listening there is ECONNREFUSED.
func (r *Registry) Dial(ctx context.Context, port int) (net.Conn, error) {
	r.mu.Lock()
	l := r.open[port]
	r.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: address(port), Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	near, far, err := pair()
	if err != nil {
		return nil, err
	}
	select {
	case l.queue <- far:
		return near, nil
	case <-l.done:
		err = refused
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, near.Close(), far.Close())
}

// pair makes a connection with both ends at hand.
func pair() (near, far net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ends := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "guest")
		ends[i], err = net.FileConn(f) // a copy of the descriptor
		f.Close()
		if err != nil {
			if i == 1 {
				err = errors.Join(err, ends[0].Close())
			} else {
				err = errors.Join(err, unix.Close(fds[1]))
			}
			return nil, nil, err
		}
	}
	return ends[0], ends[1], nil
}

// Ports are the listening ports in order.
func (r *Registry) Ports() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.open))
}

// Close closes every port; none can be opened any more.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	all := slices.Collect(maps.Values(r.open))
	r.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// Table is /proc/net/tcp, or tcp6: ports on 127.0.0.1 stand in the first, those on any address in
// the second, because Android's servers bind them as IPv6.
func (r *Registry) Table(six bool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	anyone := "00000000"
	local := "0100007F"
	if six {
		b.WriteString("  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
		anyone = strings.Repeat("0", 32)
		local = anyone
	} else {
		b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n")
	}
	row := 0
	for _, port := range slices.Sorted(maps.Keys(r.open)) {
		l := r.open[port]
		if l.any != six {
			continue
		}
		fmt.Fprintf(&b, "%4d: %s:%04X %s:0000 0A 00000000:00000000 00:00000000 00000000 %5d        0 %d 1 0000000000000000 100 0 0 10 0\n",
			row, local, port, anyone, l.uid, 20000+port)
		row++
	}
	return b.String()
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close closes the port; connections that were not accepted are dropped.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.registry.mu.Lock()
		delete(l.registry.open, l.port)
		l.registry.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr is where the port listens.
func (l *Listener) Addr() net.Addr { return address(l.port) }

// Port is its number.
func (l *Listener) Port() int { return l.port }

func address(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }
