package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fasthttp/websocket"
	"golang.org/x/sync/errgroup"
)

// The sockets that do nothing, on so many devices, each of which has room for 64 viewers; and for how long: the runner
// pings them within that.
const (
	idleSockets = 1000
	idleDevices = 20
	idleTime    = 30 * time.Second
)

// measureSockets opens signalling sockets through the runner, says nothing on them, and looks at the runner's memory.
func measureSockets(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	n := idleSockets // a quarter of them would say nothing about the budget
	if err := enoughFiles(n); err != nil {
		return nil, nil, err
	}
	err = l.withDevices(ctx, idleDevices, func(r *runner) error {
		var through []*way
		for i := range idleDevices {
			w := r.display(device{ID: sandboxName(i)})
			if err := w.ready(ctx); err != nil {
				return err
			}
			through = append(through, w)
		}
		if err := openSignalling(ctx, through[:1], 8); err != nil { // brings in code and pools
			return err
		}
		before, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		growth, stop := r.watchGrowth(ctx)
		defer stop()
		idle, err := openIdle(ctx, through, n)
		defer idle.close()
		if err != nil {
			return err
		}
		if err := idle.stay(ctx, l.span(idleTime)); err != nil {
			return err
		}
		open, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		stop()
		pings := idle.pings.Load()
		if err := idle.stay(ctx, 0); err != nil {
			return err
		}
		idle.close()
		after, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		each := func(was, is float64) float64 { return (is - was) / float64(n) }
		figures = []figure{
			absolute(fmt.Sprintf("resident memory grew by, %d idle sockets", n), bytesOf, float64(growth.Load()), atMost(40<<20, 32<<20)),
			absolute("resident per socket, garbage collected", bytesOf, each(before.resident, open.resident), budget{}),
			absolute("living heap per socket", bytesOf, each(before.heap, open.heap), budget{}),
			absolute("goroutines per socket", plain, each(float64(before.goroutines), float64(open.goroutines)), budget{}),
			absolute("goroutines left after they closed", plain, float64(after.goroutines-before.goroutines), atMost(leftover, leftover)),
			absolute("files left after they closed", plain, float64(after.files-before.files), atMost(leftover, leftover)),
		}
		notes = []string{fmt.Sprintf("%d sockets on %d devices, %d pings from the runner in %s; each is a connection to the runner and one to the operator",
			n, idleDevices, pings, l.span(idleTime))}
		return nil
	})
	return figures, notes, err
}

// enoughFiles checks that the runner may open its two connections for each socket. Go programs raise their limit
// themselves as far as they may.
func enoughFiles(sockets int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if want := uint64(2*sockets + 200); limit.Max < want {
		return absentError{fmt.Sprintf("a process may open %d files here, and the row needs %d", limit.Max, want)}
	}
	return nil
}

// idlers are sockets on which nothing is said.
type idlers struct {
	mu    sync.Mutex
	conns []*websocket.Conn
	gone  chan error // has the first one's end, unless it is ours
	shut  atomic.Bool
	pings atomic.Int64
	read  sync.WaitGroup
}

// openIdle opens sockets on each way in turn, some at a time, and answers their pings. The caller closes them, also after an
// error.
func openIdle(ctx context.Context, ways []*way, n int) (*idlers, error) {
	s := &idlers{gone: make(chan error, 1)}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error {
			conn, err := ways[i%len(ways)].open(ctx)
			if err != nil {
				return err
			}
			s.follow(conn)
			return nil
		})
	}
	return s, group.Wait()
}

// follow reads from a socket until it ends.
func (s *idlers) follow(conn *websocket.Conn) {
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error { s.pings.Add(1); return pong(data) })
	s.read.Go(func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				if !s.shut.Load() {
					select {
					case s.gone <- err:
					default:
					}
				}
				return
			}
		}
	})
}

// stay waits for the span; an error says that a socket ended before.
func (s *idlers) stay(ctx context.Context, span time.Duration) error {
	select {
	case err := <-s.gone:
		return fmt.Errorf("an idle socket ended: %w", err)
	default:
	}
	select {
	case err := <-s.gone:
		return fmt.Errorf("an idle socket ended: %w", err)
	case <-time.After(span):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends them all; further calls do nothing.
func (s *idlers) close() {
	s.shut.Store(true)
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
	s.read.Wait()
}
