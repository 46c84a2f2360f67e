package s3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"

	"github.com/daytonaio/runner-android/internal/sim/loopback"
)

// Handler answers S3's requests about a store, in path style.
func Handler(store *Store) http.Handler {
	return unchunked(copied(store, gofakes3.New(store, gofakes3.WithTimeSkewLimit(0), gofakes3.WithoutVersioning()).Server()))
}

// Serve answers until ctx is done. It closes the listener.
func Serve(ctx context.Context, listener net.Listener, store *Store) error {
	return loopback.Serve(ctx, listener, Handler(store))
}

// unchunked takes off the framing in which SDKs send what they sign or sum up as it goes (aws-chunked). gofakes3 knows one
// of its forms, and that not for parts. The signatures and sums in it are dropped.
func unchunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
			size, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
			if err != nil || size < 0 {
				http.Error(w, "x-amz-decoded-content-length is missing", http.StatusLengthRequired)
				return
			}
			r.Body = &chunked{in: bufio.NewReader(r.Body), body: r.Body}
			r.ContentLength = size
			r.Header.Set("Content-Length", strconv.FormatInt(size, 10))
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			r.Header.Del("Content-Encoding")
		} else if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" {
			r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10)) // gofakes3 looks for it there
		}
		next.ServeHTTP(w, r)
	})
}

// chunked is a body of chunks: "SIZE[;chunk-signature=…]" in hexadecimal, so many bytes, and at the end trailers.
type chunked struct {
	in   *bufio.Reader
	body io.Closer
	left int64 // of the chunk
	open bool  // within a chunk, whose end has a line break
	end  bool
}

var errChunk = errors.New("not an aws-chunked body")

// Read implements io.Reader.
func (c *chunked) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the line in front of a chunk; behind the last one, the trailers.
func (c *chunked) next() error {
	if c.open {
		if line, err := c.line(); err != nil || line != "" {
			return fmt.Errorf("%w: %q behind a chunk: %w", errChunk, line, err)
		}
	}
	line, err := c.line()
	if err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%w: chunk of %q", errChunk, size)
	}
	c.left, c.open, c.end = n, true, n == 0
	if c.end {
		_, err := io.Copy(io.Discard, io.LimitReader(c.in, maxTrailers))
		return err
	}
	return nil
}

const maxTrailers = 64 << 10

func (c *chunked) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// Close implements io.Closer.
func (c *chunked) Close() error { return c.body.Close() }
