package logs

import (
	"slices"
	"sync"
	"time"
)

const (
	// quiet is how long the device has to be silent for its backlog to be over.
	quiet = 300 * time.Millisecond
	// maxBacklog bounds what is kept of it, in bytes: as much as the queue holds.
	maxBacklog = maxBlocks * blockSize
)

// backlog lets the last lines of what was there at the beginning through, and everything that comes later. Which
// those are is known when something newer comes, or nothing for a while. It is safe for concurrent use.
type backlog struct {
	queue *queue

	mu    sync.Mutex
	keep  int // 0: all lines go on at once
	lines [][]byte
	size  int
	over  *time.Timer
}

func newBacklog(keep int, q *queue) *backlog {
	b := &backlog{queue: q, keep: keep}
	if keep > 0 {
		b.over = time.AfterFunc(quiet, b.end)
	}
	return b
}

// stir says that the device is not silent.
func (b *backlog) stir() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keep > 0 {
		b.over.Reset(quiet)
	}
}

// add takes a line; fresh ones are newer than the backlog.
func (b *backlog) add(line []byte, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if fresh {
		b.flush()
	}
	if b.keep == 0 {
		b.queue.put(line)
		return
	}
	b.lines = append(b.lines, slices.Clone(line))
	b.size += len(line)
	for len(b.lines) > b.keep || b.size > maxBacklog {
		b.size -= len(b.lines[0])
		b.lines[0] = nil
		b.lines = b.lines[1:]
	}
}

// end lets go of what was kept; lines pass from then on.
func (b *backlog) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

func (b *backlog) flush() {
	if b.keep == 0 {
		return
	}
	b.over.Stop()
	for _, line := range b.lines {
		b.queue.put(line)
	}
	b.keep, b.lines = 0, nil
}
