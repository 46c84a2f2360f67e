package apps

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/transport"
)

const (
	// tellEvery is how often progress within a phase is told.
	tellEvery = 250 * time.Millisecond
	// keepAlive is how often a silent stream says that it lives, which is also how a client is found gone.
	keepAlive = 10 * time.Second
)

// listener hears of progress. It returns at once.
type listener interface {
	progress(phase string, bytes, total int64)
}

// nobody is the listener of who only wants the end.
type nobody struct{}

func (nobody) progress(string, int64, int64) {}

// tally counts the bytes of a phase.
type tally struct {
	phase string
	bytes int64
	total int64
	tell  listener
}

func (t *tally) add(n int64) {
	t.bytes += n
	t.tell.progress(t.phase, t.bytes, t.total)
}

// counted is a reader whose bytes are counted.
type counted struct {
	io.Reader
	tally *tally
}

// Read implements io.Reader.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.tally.add(int64(n))
	}
	return n, err
}

func readerOf(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, headSize) }

// step is how far an installation is.
type step struct {
	Phase string `json:"phase"` // receiving, fetching, writing, committing
	Bytes int64  `json:"bytes"`
	Total int64  `json:"total"` // -1: nobody knows
}

// board keeps the steps that were not told yet: of each phase the last one.
type board struct {
	mu      sync.Mutex
	pending []step
	phase   string        // the last one that was begun
	news    chan struct{} // has one when a phase began
}

func (b *board) progress(phase string, bytes, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := step{phase, bytes, total}
	if at := slices.IndexFunc(b.pending, func(s step) bool { return s.Phase == phase }); at >= 0 {
		b.pending[at] = now
		return
	}
	b.pending = append(b.pending, now)
	if began := b.phase != phase; began && phase != "fetching" { // a file that is fetched may be written at the same time
		b.phase = phase
		select {
		case b.news <- struct{}{}:
		default:
		}
	}
}

func (b *board) take() []step {
	b.mu.Lock()
	defer b.mu.Unlock()
	steps := b.pending
	b.pending = nil
	return steps
}

// outcome is how a job ended.
type outcome struct {
	done *installed
	err  error
}

// follow answers with server-sent events: progress, and then result or error.
func (d *Door) follow(c *transport.Ctx, j *job) {
	errorText := c.ErrorText()
	c.SetHeader("Cache-Control", "no-cache")
	c.SetHeader("X-Accel-Buffering", "no")
	c.Stream("text/event-stream", func(client context.Context, w *bufio.Writer) error {
		defer j.end()
		ctx, cancel := context.WithCancelCause(j.use.Context)
		defer cancel(nil)
		defer context.AfterFunc(client, func() { cancel(context.Cause(client)) })()
		b := &board{news: make(chan struct{}, 1)}
		ended := make(chan outcome, 1)
		go func() { ended <- j.guarded(ctx, b) }()
		end, over, gone := b.relay(w, ended)
		if gone != nil {
			if !over {
				cancel(context.Canceled)
				<-ended // the job uses what is given back here
			}
			return gone
		}
		if end.err != nil {
			return event(w, "error", errorText(end.err))
		}
		text, err := json.Marshal(end.done)
		if err != nil {
			return err
		}
		return event(w, "result", text)
	})
}

// guarded is run; a panic becomes an error, since no handler is there any more that would make one of it.
func (j *job) guarded(ctx context.Context, tell listener) (end outcome) {
	defer func() {
		if p := recover(); p != nil {
			end = outcome{err: transport.Panicked(p)}
		}
	}()
	done, err := j.run(ctx, tell)
	return outcome{done, err}
}

// relay tells the steps until the job has ended, and then returns true, or until the client is gone.
func (b *board) relay(w *bufio.Writer, ended <-chan outcome) (end outcome, over bool, gone error) {
	every := time.NewTicker(tellEvery)
	defer every.Stop()
	told := time.Now()
	for {
		select {
		case end = <-ended:
			over = true
		case <-b.news:
		case <-every.C:
		}
		for _, s := range b.take() {
			text, err := json.Marshal(s)
			if err == nil {
				err = event(w, "progress", text)
			}
			if err != nil {
				return end, over, err
			}
			told = time.Now()
		}
		if over {
			return end, true, nil
		}
		if time.Since(told) >= keepAlive {
			told = time.Now()
			if err := send(w, ":\n\n"); err != nil {
				return end, false, err
			}
		}
	}
}

// event sends a server-sent event, whose data is one line.
func event(w *bufio.Writer, name string, data []byte) error {
	return send(w, fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

func send(w *bufio.Writer, text string) error {
	if _, err := w.WriteString(text); err != nil {
		return err
	}
	return w.Flush()
}
