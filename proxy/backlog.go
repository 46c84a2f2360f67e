package proxy

import (
	"sync"
	"time"
)

// maxBacklog is how much of what a device says may wait for a viewer, in bytes; a single message may always.
const maxBacklog = 1 << 20

// backlog is what a device has said and its viewer has not taken yet: the operator is read on meanwhile, because it holds
// up all viewers of a device for one that is slow. While nothing waits it costs nothing. It is safe for concurrent use.
type backlog struct {
	send   func(message []byte) error
	failed func() // called once when send fails

	mu      sync.Mutex
	waiting [][]byte
	size    int // of what waits and what is being sent
	busy    bool
	closed  bool
	sending sync.WaitGroup
}

// add takes a message to be sent. It reports whether it was taken: not when too much waits, nor after a failure.
func (b *backlog) add(message []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.size > 0 && b.size+len(message) > maxBacklog {
		return false
	}
	b.waiting = append(b.waiting, message)
	b.size += len(message)
	if !b.busy {
		b.busy = true
		b.sending.Go(b.empty)
	}
	return true
}

// empty sends what waits until nothing does.
func (b *backlog) empty() {
	for message := b.next(0); message != nil; message = b.next(len(message)) {
		if b.send(message) != nil {
			b.close()
			b.failed()
		}
	}
}

// next returns what is to be sent after so many bytes were; nil when nothing waits.
func (b *backlog) next(sent int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size -= sent
	if len(b.waiting) == 0 {
		b.waiting, b.busy = nil, false
		return nil
	}
	message := b.waiting[0]
	b.waiting = b.waiting[1:]
	return message
}

// close drops what waits.
func (b *backlog) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, message := range b.waiting {
		b.size -= len(message)
	}
	b.waiting, b.closed = nil, true
}

// finish waits until all is sent, or drops what is not after so long. Nothing is being sent when it has returned.
func (b *backlog) finish(limit time.Duration) {
	late := time.AfterFunc(limit, b.close)
	defer late.Stop()
	b.sending.Wait()
}
