package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// push writes what is queued until nothing will come, or ctx or the use ends: nil then. An error is a client that is
// gone.
func (s *stream) push(ctx context.Context, w *bufio.Writer) error {
	alive := time.NewTicker(s.alive)
	defer alive.Stop()
	if err := w.Flush(); err != nil { // the answer's beginning
		return err
	}
	for {
		b, dropped, over := s.queue.take()
		if dropped > 0 {
			if err := s.writeDropped(w, dropped); err != nil {
				return err
			}
		}
		if b != nil {
			_, err := w.Write(b.data)
			if s.queue.back(b); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil || over || ctx.Err() != nil {
			return err
		}
		if b != nil {
			continue
		}
		select {
		case <-s.queue.ready:
		case <-alive.C:
			if err := s.writeAlive(w); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// logEvent is a record as clients get it.
type logEvent struct {
	Time    time.Time `json:"time"`
	PID     int       `json:"pid"`
	TID     int       `json:"tid"`
	UID     *int      `json:"uid,omitempty"`
	Level   string    `json:"level"`
	Tag     string    `json:"tag"`
	Message string    `json:"message"`
	Buffer  string    `json:"buffer,omitempty"`
}

// appendLog writes a record as an event.
func appendLog(dst []byte, r *record) []byte {
	e := logEvent{Time: r.Time, PID: r.PID, TID: r.TID, Level: string(rune(r.Level)), Tag: r.Tag, Message: r.Message, Buffer: r.Buffer}
	if r.UID >= 0 {
		e.UID = &r.UID
	}
	return appendEvent(dst, "log", e)
}

// appendEvent writes a server-sent event.
func appendEvent(dst []byte, name string, data any) []byte {
	out := bytes.NewBuffer(dst)
	fmt.Fprintf(out, "event: %s\ndata: ", name)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(data) // plain values; it ends the line
	out.WriteByte('\n')
	return out.Bytes()
}

// appendText writes a record in the form of logcat's threadtime with the year, each line of its message on its own.
func appendText(dst []byte, r *record) []byte {
	for line := range strings.SplitSeq(r.Message, "\n") {
		dst = r.Time.AppendFormat(dst, "2006-01-02 15:04:05.000 ")
		dst = fmt.Appendf(dst, "%5d %5d %c %-8s: ", r.PID, r.TID, r.Level, r.Tag)
		dst = append(append(dst, strings.ToValidUTF8(line, "\uFFFD")...), '\n')
	}
	return dst
}

// writeDropped tells how many lines the client was too slow for.
func (s *stream) writeDropped(w *bufio.Writer, n int) (err error) {
	if s.text {
		_, err = fmt.Fprintf(w, "--------- %d lines dropped\n", n)
	} else {
		_, err = w.Write(appendEvent(nil, "dropped", map[string]int{"count": n}))
	}
	return err
}

// writeAlive keeps what lies between from giving the stream up. A text has no room for it.
func (s *stream) writeAlive(w *bufio.Writer) (err error) {
	if !s.text {
		_, err = w.WriteString(": \n\n")
	}
	return err
}

// writeEnd is the last that the client hears.
func (s *stream) writeEnd(w *bufio.Writer, reason string) (err error) {
	if s.text {
		_, err = fmt.Fprintf(w, "--------- end: %s\n", strings.ReplaceAll(reason, "\n", " "))
	} else {
		_, err = w.Write(appendEvent(nil, "end", map[string]string{"reason": reason}))
	}
	return err
}
