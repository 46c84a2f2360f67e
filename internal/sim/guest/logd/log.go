package logd

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"
)

// Sizes of a buffer in bytes, as logd has and takes them.
const (
	DefaultSize = 256 << 10
	MinSize     = 64 << 10
	MaxSize     = 256 << 20
)

// Log keeps the last entries. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	rings [buffers]ring
	last  uint64        // the position of the newest entry
	more  chan struct{} // closed when there is a newer one; nil while nobody waits
}

// New makes an empty log with buffers of DefaultSize.
func New() *Log {
	l := &Log{}
	for i := range l.rings {
		l.rings[i].limit = DefaultSize
	}
	return l
}

// placed is an entry with its position.
type placed struct {
	at uint64
	Entry
}

// ring is one buffer: entries in order, of which those before first are gone.
type ring struct {
	entries []placed
	first   int
	size    int // bytes of those that are there
	limit   int
}

func (r *ring) all() []placed { return r.entries[r.first:] }

func (r *ring) add(e placed) {
	if r.first > 1024 && r.first > len(r.entries)/2 {
		r.entries = append(r.entries[:0], r.all()...)
		clear(r.entries[len(r.entries):cap(r.entries)])
		r.first = 0
	}
	r.entries = append(r.entries, e)
	r.size += e.size()
	r.prune()
}

func (r *ring) prune() {
	for r.size > r.limit && r.first < len(r.entries) {
		r.size -= r.entries[r.first].size()
		r.entries[r.first] = placed{}
		r.first++
	}
}

var _ Sink = (*Log)(nil)

// Add implements Sink.
func (l *Log) Add(e Entry) {
	if e.Buffer < 0 || e.Buffer >= buffers {
		return
	}
	e.Tag, e.Text = strings.Clone(e.Tag[:min(len(e.Tag), maxTag)]), strings.Clone(e.Text[:min(len(e.Text), maxText)])
	if e.TID == 0 {
		e.TID = e.PID
	}
	if e.Priority == 0 {
		e.Priority = 'I'
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	l.last++
	l.rings[e.Buffer].add(placed{l.last, e})
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// Last is the position of the newest entry, of whichever buffer.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Read returns up to limit entries of these buffers behind a position, in order, and the position that they
// lead to.
func (l *Log) Read(set Set, after uint64, limit int) (entries []Entry, at uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rest [buffers][]placed
	for _, b := range set.Each() {
		all := l.rings[b].all()
		rest[b] = all[sort.Search(len(all), func(i int) bool { return all[i].at > after }):]
	}
	for len(entries) < limit {
		next := -1
		for b := range rest {
			if len(rest[b]) > 0 && (next < 0 || rest[b][0].at < rest[next][0].at) {
				next = b
			}
		}
		if next < 0 {
			return entries, l.last
		}
		entries, after = append(entries, rest[next][0].Entry), rest[next][0].at
		rest[next] = rest[next][1:]
	}
	return entries, after
}

// Wait returns when there is an entry behind the position, or with ctx's error.
func (l *Log) Wait(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		if l.last > after {
			l.mu.Unlock()
			return nil
		}
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Clear empties buffers.
func (l *Log) Clear(set Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range set.Each() {
		l.rings[b] = ring{limit: l.rings[b].limit}
	}
}

// Resize sets how many bytes buffers hold, between MinSize and MaxSize; it reports whether that was in range.
func (l *Log) Resize(set Set, bytes int) bool {
	if bytes < MinSize || bytes > MaxSize {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range set.Each() {
		l.rings[b].limit = bytes
		l.rings[b].prune()
	}
	return true
}

// Size is how many bytes a buffer may hold and does.
func (l *Log) Size(b Buffer) (limit, used int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rings[b].limit, l.rings[b].size
}
