package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnswersAreReadOneAfterTheOther(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(strings.NewReader(
		"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 2\r\n\r\nhi"+
			"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), maxAnswer)
	status, body, err := readAnswer(r)
	if status != 200 || string(body) != "hi" || err != nil {
		t.Errorf("first: %d %q %v", status, body, err)
	}
	if status, body, err = readAnswer(r); status != 503 || len(body) != 0 || err != nil {
		t.Errorf("second: %d %q %v", status, body, err)
	}
	if _, _, err = readAnswer(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v; want EOF", err)
	}
}

func TestAnswersThatCannotBeMeasuredAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another protocol":  "SSH-2.0-x\r\n\r\n",
		"no status":         "HTTP/1.1 \r\n\r\n",
		"no length":         "HTTP/1.1 200 OK\r\n\r\nhi",
		"a negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"a huge length":     "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
		"a body cut short":  "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
		"a head cut short":  "HTTP/1.1 200 OK\r\nContent-",
		"an endless line":   "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxAnswer),
	} {
		if status, body, err := readAnswer(bufio.NewReaderSize(strings.NewReader(text), maxAnswer)); err == nil {
			t.Errorf("%s: %d %q; want an error", name, status, body)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, body, err := readAnswer(bufio.NewReaderSize(bytes.NewReader(data), maxAnswer))
		if err == nil && !bytes.Contains(data, body) {
			t.Errorf("body %q is not in the answer", body)
		}
	})
}

func TestWorkersRunForTheSpanAfterOneWarmCall(t *testing.T) {
	t.Parallel()
	var calls, ends atomic.Int64
	got, err := inFlight(t.Context(), 4, 50*time.Millisecond, func(context.Context) (func() error, func(), error) {
		return func() error { calls.Add(1); time.Sleep(time.Millisecond); return nil }, func() { ends.Add(1) }, nil
	})
	if err != nil || got.elapsed < 50*time.Millisecond || ends.Load() != 4 {
		t.Fatalf("%v after %v, %d of 4 workers ended", err, got.elapsed, ends.Load())
	}
	if measured := int64(len(got.latencies)); measured == 0 || measured+4 != calls.Load() || int64(got.calls) != calls.Load() {
		t.Errorf("%d calls measured of %d; want all but the first of each worker", measured, calls.Load())
	}
}

func TestOneWorkersErrorEndsAll(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	bad := errors.New("refused")
	_, err := inFlight(t.Context(), 8, time.Minute, func(context.Context) (func() error, func(), error) {
		return func() error {
			if n.Add(1) > 20 {
				return bad
			}
			return nil
		}, func() {}, nil
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v; want %v", err, bad)
	}
}

func TestBareServerIsDrivenAndStopped(t *testing.T) {
	t.Parallel()
	l := &lab{dir: t.TempDir()}
	server, err := l.startBare(t.Context(), 321)
	if err != nil {
		t.Fatal(err)
	}
	ask := server.target()
	ask.check = func(body []byte) error {
		if len(body) != 321 {
			return errors.New("wrong size")
		}
		return nil
	}
	got, err := drive(t.Context(), ask, 4, 50*time.Millisecond)
	if err != nil || len(got.latencies) == 0 || got.percentile(0.5) <= 0 {
		t.Errorf("%d answers, %v", len(got.latencies), err)
	}
	if err := server.stop(5 * time.Second); err != nil {
		t.Error(err)
	}
	if err := server.ended(); err == nil {
		t.Error("the server is stopped, but not known as ended")
	}
	if _, err := drive(t.Context(), ask, 2, time.Second); err == nil {
		t.Error("a stopped server was driven")
	}
}

func TestWaitEndsWithSuccessFinalErrorOrTime(t *testing.T) {
	t.Parallel()
	n := 0
	if err := await(t.Context(), time.Minute, time.Millisecond, "x", func() error {
		if n++; n < 3 {
			return io.EOF
		}
		return nil
	}); err != nil || n != 3 {
		t.Errorf("success: %v after %d tries", err, n)
	}
	if err := await(t.Context(), time.Minute, time.Millisecond, "x", func() error {
		return finalError{io.ErrClosedPipe}
	}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("final: %v", err)
	}
	if err := await(t.Context(), 20*time.Millisecond, time.Millisecond, "a door", func() error {
		return io.EOF
	}); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "a door") {
		t.Errorf("time: %v", err)
	}
}
