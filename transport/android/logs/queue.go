package logs

import "sync"

// The queue's bounds: so many blocks of that size, 4 MiB together.
const (
	blockSize = 64 << 10
	maxBlocks = 64
)

// block is lines in a row.
type block struct {
	data  []byte
	lines int
}

// queue holds lines for a client, and lets the oldest go when it is full. One goroutine puts, one takes.
type queue struct {
	ready chan struct{} // a token when there is something to take

	mu      sync.Mutex
	blocks  []*block
	spare   *block
	dropped int
	closed  bool
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put adds a line. It never waits.
func (q *queue) put(line []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := len(q.blocks) - 1; last < 0 || len(q.blocks[last].data)+len(line) > blockSize {
		b := q.fresh()
		q.blocks = append(q.blocks, b)
	}
	b := q.blocks[len(q.blocks)-1]
	b.data = append(b.data, line...)
	b.lines++
	q.signal()
}

// fresh is an empty block: a new one, or that which has to go.
func (q *queue) fresh() (b *block) {
	switch {
	case len(q.blocks) >= maxBlocks:
		b = q.blocks[0]
		q.dropped += b.lines
		q.blocks = append(q.blocks[:0], q.blocks[1:]...)
	case q.spare != nil:
		b, q.spare = q.spare, nil
	default:
		return &block{data: make([]byte, 0, blockSize)}
	}
	b.data, b.lines = b.data[:0], 0
	return b
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// close says that no more will come.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// take returns the oldest lines, nil when there are none, and how many were dropped before them. over is true when
// nothing is left and nothing will come.
func (q *queue) take() (b *block, dropped int, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped, q.dropped = q.dropped, 0
	if len(q.blocks) > 0 {
		b = q.blocks[0]
		q.blocks = append(q.blocks[:0], q.blocks[1:]...)
	}
	return b, dropped, q.closed && b == nil
}

// back gives a block back to be filled again.
func (q *queue) back(b *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = b
}
