package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
)

// unknownExit is the exit code of a command whose end was not seen.
const unknownExit = -1

// command is one command of a session: it waits, runs, and has ended.
type command struct {
	id, text string
	key      string // what the shell says when it has ended
	async    bool   // nobody waits for it, and it has an input
	echo     bool   // what is sent to its input shows in the log
	log      *log
	input    *input
	done     chan struct{} // closed when exit and err are set

	mu   sync.Mutex
	exit int
	err  error // why the command did not come to its end
	over bool
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// finish settles the command; only the first call does.
func (c *command) finish(exit int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.log.flush()
	if err != nil {
		c.log.lines(adb.Stderr, "["+err.Error()+"]")
	}
	c.exit, c.err, c.over = exit, err, true
	close(c.done)
	c.input.close()
}

// ended returns the exit code, and why it is not known.
func (c *command) ended() (exit int, over bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exit, c.over, c.err
}

// piece is about how much of a log is handed on at a time.
const piece = 32 << 10

// follow hands on the log from its beginning, in whole lines, until linger after the command's end:
// what it left in the background may have something to say yet. over ends it as well, with err.
func (c *command) follow(ctx context.Context, linger time.Duration, over <-chan struct{}, emit func([]byte) error) error {
	var at reader
	var buf []byte
	done := c.done
	var last <-chan time.Time
	for ending := false; ; {
		text, changed := c.log.read(buf[:0], &at, piece)
		buf = text
		if len(text) > 0 {
			if err := emit(text); err != nil {
				return err
			}
			continue
		}
		if ending {
			return nil
		}
		select {
		case <-changed:
		case <-done:
			done, last = nil, time.After(linger)
		case <-last:
			ending = true
		case <-over:
			<-c.done // follows at once, and has the last word in the log
			over, ending = nil, true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// maxInput is how much of a command's input waits for it to be read.
const maxInput = 1 << 20

// input brings what clients send to a command's standard input, in order, once its shell is there.
type input struct {
	start func() (feeder, error)
	fail  func(error)

	mu      sync.Mutex
	waiting [][]byte
	size    int
	running bool
	closed  bool
	feeder  feeder
}

// feeder is what input is written to; [guestshell.Process] is one.
type feeder interface {
	Write(data []byte) (int, error)
	Next() (stream int, data []byte, err error)
	Close() error
}

// send queues data. It does not wait for the command to read it.
func (in *input) send(data []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.size+len(data) > maxInput {
		return fault.Exhaustedf("the command has not read its input: more than %d bytes wait", maxInput)
	}
	in.waiting = append(in.waiting, data)
	in.size += len(data)
	if !in.running && !in.closed {
		in.running = true
		go in.run()
	}
	return nil
}

// run writes what waits, and ends when nothing does.
func (in *input) run() {
	for {
		in.mu.Lock()
		if in.closed || len(in.waiting) == 0 {
			in.running = false
			in.mu.Unlock()
			return
		}
		data, to := in.waiting[0], in.feeder
		in.waiting = in.waiting[1:]
		in.mu.Unlock()
		var err error
		if to == nil {
			to, err = in.open()
		}
		if err == nil {
			_, err = to.Write(data)
		}
		in.mu.Lock()
		in.size -= len(data)
		report := err != nil && !in.closed
		in.mu.Unlock()
		if report {
			in.fail(fault.Op("send the input", err))
		}
	}
}

// open starts the feeder; one that comes too late is closed again.
func (in *input) open() (feeder, error) {
	to, err := in.start()
	if err != nil {
		return nil, err
	}
	go func() { // it prints nothing, but its end wants to be seen
		for {
			if _, _, err := to.Next(); err != nil {
				return
			}
		}
	}()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		_ = to.Close()
		return to, nil
	}
	in.feeder = to
	return to, nil
}

// close gives up what was not read.
func (in *input) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed, in.waiting = true, nil
	if in.feeder != nil {
		_ = in.feeder.Close()
	}
}
