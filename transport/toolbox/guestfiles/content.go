package guestfiles

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// sniffed is how much of a file decides whether it is binary: when there is a NUL in it.
	sniffed = 512
	// maxLine is the longest line that is searched, as with Go's bufio.Scanner; a longer one ends its file.
	maxLine = 64<<10 - 1
)

// errStop ends a CopyTo that has seen enough.
var errStop = errors.New("seen enough")

// Lines calls each for the lines of a text file that hold text, counted from 1, without their ends. A binary
// file has none. An error of each ends it and is returned.
func (f *Files) Lines(ctx context.Context, name, text string, each func(number int, line []byte) error) error {
	r, err := f.Open(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if first := r.First(); bytes.IndexByte(first[:min(len(first), sniffed)], 0) >= 0 {
		return nil
	}
	l := lineWriter{text: []byte(text), each: each}
	if err := r.CopyTo(&l, 0, Unsized); err != nil && !errors.Is(err, errStop) {
		return err
	}
	return l.end()
}

// lineWriter takes what is written to it apart into lines.
type lineWriter struct {
	text   []byte
	each   func(number int, line []byte) error
	number int
	rest   []byte // the beginning of a line
	done   bool   // a line was too long
}

// Write implements io.Writer.
func (l *lineWriter) Write(p []byte) (int, error) {
	size := len(p)
	for {
		before, after, ended := bytes.Cut(p, []byte("\n"))
		if len(l.rest)+len(before) > maxLine {
			l.done = true
			return 0, errStop
		}
		if !ended {
			l.rest = append(l.rest, before...)
			return size, nil
		}
		line := before
		if len(l.rest) > 0 {
			l.rest = append(l.rest, before...)
			line = l.rest
		}
		if err := l.line(line); err != nil {
			return 0, err
		}
		l.rest, p = l.rest[:0], after
	}
}

func (l *lineWriter) line(line []byte) error {
	l.number++
	line = bytes.TrimSuffix(line, []byte("\r"))
	if !bytes.Contains(line, l.text) {
		return nil
	}
	return l.each(l.number, line)
}

// end takes the last line, which no newline ends.
func (l *lineWriter) end() error {
	if l.done || len(l.rest) == 0 {
		return nil
	}
	return l.line(l.rest)
}

// Replace replaces each old, which is not empty, by new in a file, as strings.ReplaceAll does. A file without
// old is left alone; else it is written as by Put. Errors are those of Open and Put.
func (f *Files) Replace(ctx context.Context, name, old, new string) error {
	switch has, err := f.contains(ctx, name, old); {
	case err != nil:
		return err
	case !has:
		return nil
	}
	r, err := f.Open(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := replacer{w: in, old: []byte(old), new: []byte(new)}
		err := r.CopyTo(&w, 0, r.Size)
		if err == nil {
			err = w.end()
		}
		_ = in.CloseWithError(err)
	}()
	_, err = f.Put(ctx, name, out)
	_ = out.CloseWithError(fault.New(fault.Cancelled, "nobody writes the file any more"))
	r.Cancel()
	<-done
	return err
}

// contains reads a file until it has seen text.
func (f *Files) contains(ctx context.Context, name, text string) (bool, error) {
	r, err := f.Open(ctx, name)
	if err != nil {
		return false, err
	}
	defer r.Close()
	w := replacer{w: io.Discard, old: []byte(text), stop: true}
	err = r.CopyTo(&w, 0, Unsized)
	if errors.Is(err, errStop) {
		return true, nil
	}
	return false, err
}

// replacer is a writer that replaces on the way to another.
type replacer struct {
	w        io.Writer
	old, new []byte
	stop     bool // fail with errStop at the first old

	rest []byte // the last bytes, which may be the beginning of an old
}

// Write implements io.Writer.
func (r *replacer) Write(p []byte) (int, error) {
	size := len(p)
	if len(r.rest) > 0 {
		r.rest = append(r.rest, p...)
		p = r.rest
	}
	for {
		at := bytes.Index(p, r.old)
		if at < 0 {
			break
		}
		if r.stop {
			return 0, errStop
		}
		if err := r.put(p[:at], r.new); err != nil {
			return 0, err
		}
		p = p[at+len(r.old):]
	}
	keep := max(len(p)-len(r.old)+1, 0)
	if err := r.put(p[:keep]); err != nil {
		return 0, err
	}
	r.rest = append(r.rest[:0], p[keep:]...)
	return size, nil
}

func (r *replacer) put(pieces ...[]byte) error {
	for _, piece := range pieces {
		if len(piece) == 0 {
			continue
		}
		if _, err := r.w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// end writes what was held back.
func (r *replacer) end() error { return r.put(r.rest) }
