package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// target is one request, sent over and over.
type target struct {
	addr    string
	request []byte
	check   func(body []byte) error // of each answer; nil: the status 200 is enough
}

// rawRequest is a request on a keep-alive connection, with the token.
func rawRequest(method, path, body string) []byte {
	head := method + " " + path + " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token + "\r\n"
	if body != "" {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return []byte(head + "\r\n" + body)
}

// wire is a connection that repeats one request. It costs less than an HTTP client library,
// which matters where client and server share the cores: what the client burns hides the
// difference between the servers. Not safe for concurrent use.
type wire struct {
	target
	conn   net.Conn
	reader *bufio.Reader
	forget func() bool // undoes the watch on the context
}

// dial connects to the target; the connection ends with ctx, or after the limit. The caller
// closes it.
func dial(ctx context.Context, t target, limit time.Duration) (*wire, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", t.addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(limit))
	forget := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &wire{t, conn, bufio.NewReaderSize(conn, maxAnswer), forget}, nil
}

func (w *wire) close() {
	w.forget()
	_ = w.conn.Close()
}

// exchange sends the request, reads the answer and checks it.
func (w *wire) exchange() error {
	if _, err := w.conn.Write(w.request); err != nil {
		return err
	}
	status, body, err := readAnswer(w.reader)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("answered %d %s", status, bytes.TrimSpace(body))
	}
	if w.check != nil {
		return w.check(body)
	}
	return nil
}

// maxAnswer bounds head and body of an answer together.
const maxAnswer = 256 << 10

var errNotHTTP = errors.New("answer is not HTTP/1.1")

// readAnswer reads one HTTP/1.1 answer that has a Content-Length. The body is valid until the
// next read.
func readAnswer(r *bufio.Reader) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	version, rest, found := bytes.Cut(line, []byte(" "))
	if !found || string(version) != "HTTP/1.1" || len(rest) < 3 {
		return 0, nil, errNotHTTP
	}
	if status, err = strconv.Atoi(string(rest[:3])); err != nil {
		return 0, nil, errNotHTTP
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, nil, noEOF(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, fmt.Errorf("Content-Length: %w", err)
			}
		}
	}
	if length < 0 || length > maxAnswer {
		return 0, nil, fmt.Errorf("answer %d has no body of 0 to %d bytes", status, maxAnswer)
	}
	if body, err = r.Peek(length); err != nil {
		return 0, nil, noEOF(err)
	}
	_, err = r.Discard(length)
	return status, body, err
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// awaitAnswer waits until the process answers GET / on addr with 200. The wait between two
// tries is short, because what it costs is part of the time to the first answer.
func awaitAnswer(ctx context.Context, c *child, addr string) error {
	what := c.name + " answers on " + addr
	return await(ctx, 15*time.Second, time.Millisecond, what, func() error {
		if err := c.ended(); err != nil {
			return finalError{err}
		}
		w, err := dial(ctx, target{addr: addr, request: rawRequest(http.MethodGet, "/", "")}, 5*time.Second)
		if err != nil {
			return err
		}
		defer w.close()
		return w.exchange()
	})
}
