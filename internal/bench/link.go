package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// A link is what lies between two machines: 1 Gbit/s each way, and two milliseconds there and back. What is not on its way
// yet waits in a queue, as in a switch.
const (
	linkRate  = 125_000_000 // bytes a second
	linkDelay = time.Millisecond
	linkPiece = 64 << 10
	linkQueue = 64 // pieces
)

// link carries connections to an address.
type link struct {
	listener    net.Listener
	to          string
	end         context.CancelFunc
	open        sync.WaitGroup
	there, back lane
}

func startLink(ctx context.Context, to string) (*link, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	l := &link{listener: listener, to: to, end: end}
	l.open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.open.Go(func() { l.join(ctx, near) })
		}
	})
	return l, nil
}

func (l *link) addr() string { return l.listener.Addr().String() }

// stop ends all connections, and returns when nothing of the link is left.
func (l *link) stop() {
	l.end()
	_ = l.listener.Close()
	l.open.Wait()
}

// join carries one connection until either side ends it.
func (l *link) join(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.to)
	if err != nil {
		return
	}
	hangUp := func() {
		_ = near.Close()
		_ = far.Close()
	}
	defer context.AfterFunc(ctx, hangUp)()
	var both sync.WaitGroup
	both.Go(func() { l.there.carry(far, near); hangUp() })
	both.Go(func() { l.back.carry(near, far); hangUp() })
	both.Wait()
}

// lane is one direction, which the link's connections share.
type lane struct {
	mu   sync.Mutex
	free time.Time // when all that came so far is on its way
}

// arrival says when n bytes that come now are on the other side.
func (l *lane) arrival(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / linkRate)
	return l.free.Add(linkDelay)
}

// carry copies until a side fails or ends, each piece at its time.
func (l *lane) carry(to, from net.Conn) {
	type piece struct {
		data []byte
		at   time.Time
	}
	queue, room := make(chan piece, linkQueue), make(chan []byte, linkQueue)
	for range linkQueue {
		room <- make([]byte, linkPiece)
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer close(queue)
		for buf := range room {
			n, err := from.Read(buf[:linkPiece])
			if n > 0 {
				queue <- piece{buf[:n], l.arrival(n)}
			}
			if err != nil {
				return
			}
		}
	})
	defer close(room)
	for p := range queue {
		<-time.After(time.Until(p.at)) // a millisecond or two, and half a second behind a full queue
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close() // which ends the reading
			return
		}
		room <- p.data
	}
}
