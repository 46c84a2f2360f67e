package frames_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/proxy/frames"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// phone is a device whose commands are given by the test.
type phone struct {
	output  func(ctx context.Context, command string) (io.ReadCloser, error)
	scripts chan string
}

func (p *phone) Output(ctx context.Context, _, command string) (io.ReadCloser, error) {
	return p.output(ctx, command)
}

func (p *phone) Run(_ context.Context, _ string, s guestshell.Script) (guestshell.Result, error) {
	p.scripts <- string(s.Text)
	return guestshell.Result{}, nil
}

// pipe is a command's output that ends with its context.
func pipe(ctx context.Context) (io.ReadCloser, *io.PipeWriter) {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
	return r, w
}

// watch serves the phone and opens a viewer.
func watch(t *testing.T, p *phone, o frames.Options, hello string) (*websocket.Conn, chan struct{}, func() *websocket.Conn) {
	t.Helper()
	left := make(chan struct{})
	leases := lease.New(transporttest.Lessor(left), nil)
	server := frames.New(p, o)
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("/sandboxes/{id}", []transport.Route{{Method: http.MethodGet, Path: "/frames", Slow: true, Handler: func(c *transport.Ctx) error {
			held, err := leases.Take(c)
			if err != nil {
				return err
			}
			return c.Upgrade(transport.SocketOptions{}, func(ctx context.Context, s *transport.Socket) error { return server.Serve(ctx, held, s) })
		}}})
	})
	open := func() *websocket.Conn {
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+c.Addr+"/sandboxes/dev-1/frames",
			http.Header{"Authorization": {"Bearer " + transporttest.Token}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err := conn.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	return open(), left, open
}

func wantMessage(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

const (
	sps = "\x00\x00\x00\x01\x67\x42\x00\x1f"
	pps = "\x00\x00\x00\x01\x68\xce\x38"
	idr = "\x00\x00\x00\x01\x65\x88\x01"
	p1  = "\x00\x00\x00\x01\x41\x9a\x02"
	p2  = "\x00\x00\x00\x01\x41\x9a\x03"
)

// Ensure video comes picture by picture, also the last one before the screen stands still, and that a recording
// which has ended is begun again.
func TestVideo(t *testing.T) {
	t.Parallel()
	runs := make(chan *io.PipeWriter)
	p := &phone{output: func(ctx context.Context, command string) (io.ReadCloser, error) {
		if !strings.HasPrefix(command, "exec screenrecord --output-format=h264 --bit-rate 4000000 ") {
			return nil, fault.Internalf("asked for %s", command)
		}
		r, w := pipe(ctx)
		runs <- w
		return r, nil
	}}
	conn, left, _ := watch(t, p, frames.Options{}, `{"codecs":["h264","image"]}`)
	for range 2 {
		w := <-runs
		_, _ = io.WriteString(w, sps)
		_, _ = io.WriteString(w, pps+idr+p1)
		wantMessage(t, conn, `{"type":"screen","codec":"h264"}`)
		wantMessage(t, conn, sps+pps+idr)
		wantMessage(t, conn, p1) // nothing came behind it
		_, _ = io.WriteString(w, p2)
		wantMessage(t, conn, p2)
		_ = w.Close()
	}
	<-runs
	close(left)
	if _, _, err := conn.ReadMessage(); err == nil || !strings.Contains(err.Error(), "the device left started") {
		t.Errorf("ended with %v", err)
	}
}

// Ensure a device without video is seen by screenshots, of which only those come that differ.
func TestImages(t *testing.T) {
	t.Parallel()
	const one, two = "\x89PNG\r\n\x1a\none", "\x89PNG\r\n\x1a\ntwo"
	shots := []string{one, one, "no picture", one, two}
	var mu sync.Mutex
	p := &phone{output: func(_ context.Context, command string) (io.ReadCloser, error) {
		if strings.Contains(command, "screenrecord") {
			return io.NopCloser(strings.NewReader("")), nil
		}
		mu.Lock()
		defer mu.Unlock()
		shot := shots[0]
		if len(shots) > 1 {
			shots = shots[1:]
		}
		return io.NopCloser(strings.NewReader(shot)), nil
	}}
	conn, _, _ := watch(t, p, frames.Options{}, `{"codecs":["h264","image"]}`)
	wantMessage(t, conn, `{"type":"screen","codec":"image"}`)
	wantMessage(t, conn, one)
	wantMessage(t, conn, two)
}

// Ensure touches, text and keys become calls of the input command, and nothing else does.
func TestInput(t *testing.T) {
	t.Parallel()
	p := &phone{scripts: make(chan string, 100), output: func(ctx context.Context, _ string) (io.ReadCloser, error) {
		r, _ := pipe(ctx)
		return r, nil
	}}
	conn, _, _ := watch(t, p, frames.Options{}, `{"codecs":["h264"]}`)
	for _, c := range []struct{ messages, want string }{
		{`{"type":"touch","phase":"down","x":10,"y":20};{"type":"touch","phase":"move","x":12,"y":20};{"type":"touch","phase":"up","x":12,"y":20}`, "input tap 10 20"},
		{`{"type":"touch","phase":"down","x":10,"y":20};{"type":"touch","phase":"up","x":300,"y":-5}`, "input swipe 10 20 300 0 "},
		{`{"type":"touch","phase":"up","x":300,"y":5};{"type":"text","text":"a b'c"}`, `input text 'a%sb'\''c'`},
		{`{"type":"text","text":"é"};{"type":"key","keys":"Enter"}`, "input keyevent 66"},
		{`{"type":"key","keys":"; reboot"};{"type":"button","name":"x; reboot"};nonsense;{"type":"button","name":"back"}`, "input keyevent 4"},
		{`{"type":"key","keys":"ctrl+a"}`, "input keycombination 113 29"},
	} {
		for message := range strings.SplitSeq(c.messages, ";{") {
			if !strings.HasPrefix(message, "{") {
				message = "{" + message
			}
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case got := <-p.scripts:
			if !strings.HasPrefix(got, c.want) || strings.Contains(got, "reboot") || strings.Count(got, "\n") != 1 {
				t.Errorf("%s: %q, want %q", c.messages, got, c.want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: nothing was done", c.messages)
		}
	}
}

// Ensure there is an end to how many watch, and a viewer that says nothing sensible is told what to say.
func TestViewers(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 4)
	p := &phone{output: func(ctx context.Context, _ string) (io.ReadCloser, error) {
		begun <- struct{}{}
		r, _ := pipe(ctx)
		return r, nil
	}}
	first, _, open := watch(t, p, frames.Options{Viewers: 1}, `{"codecs":["h264"]}`)
	<-begun
	if _, _, err := open().ReadMessage(); err == nil || !strings.Contains(err.Error(), "1 viewers") {
		t.Errorf("the second: %v", err)
	}
	_ = first.Close()
	silly, _, _ := watch(t, p, frames.Options{}, `{}`)
	if _, _, err := silly.ReadMessage(); err == nil || !strings.Contains(err.Error(), `the first message must be`) {
		t.Errorf("without codecs: %v", err)
	}
}
