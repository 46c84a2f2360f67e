package display

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
)

// errDark is a screen whose VM is not there.
var errDark = errors.New("display: no VM shows anything")

// redial is how long to wait for a VM that is not there.
const redial = 250 * time.Millisecond

// Screen is webRTC's side. It connects again when the VM was started anew. Its methods are safe for concurrent
// use, but for Next, which one goroutine calls.
type Screen struct {
	dir    string
	frames chan *image.RGBA
	ready  chan struct{} // gets a value when a connection was made

	mu       sync.Mutex
	conn     net.Conn // of the frames, nil when there is none
	broken   chan struct{}
	touch    net.Conn
	keyboard net.Conn
}

// NewScreen is the screen behind the sockets in dir. Run connects it.
func NewScreen(dir string) *Screen {
	return &Screen{dir: dir, frames: make(chan *image.RGBA, 1), ready: make(chan struct{}, 1)}
}

// Run keeps a connection to the VM until ctx ends. It calls onEvent for each event, one after the other.
func (s *Screen) Run(ctx context.Context, onEvent func(Event)) {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, framesSocket))
		if err == nil {
			cut := context.AfterFunc(ctx, func() { conn.Close() })
			s.attach(conn)
			s.read(conn, onEvent)
			s.detach()
			cut()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(redial):
		}
	}
}

func (s *Screen) attach(conn net.Conn) {
	s.mu.Lock()
	s.conn, s.broken = conn, make(chan struct{})
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *Screen) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.broken)
	for _, conn := range []net.Conn{s.conn, s.touch, s.keyboard} {
		if conn != nil {
			conn.Close()
		}
	}
	s.conn, s.touch, s.keyboard = nil, nil, nil
}

// read takes messages until the connection ends.
func (s *Screen) read(conn net.Conn, onEvent func(Event)) {
	var header [headerSize]byte
	for {
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return
		}
		w, h := int(binary.LittleEndian.Uint16(header[1:])), int(binary.LittleEndian.Uint16(header[3:]))
		length := binary.LittleEndian.Uint32(header[5:])
		if length > maxMessage || header[0] == kindFrame && int(length) != 4*w*h {
			return
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(conn, data); err != nil {
			return
		}
		switch header[0] {
		case kindEvent:
			var e Event
			if json.Unmarshal(data, &e) == nil {
				onEvent(e)
			}
		case kindFrame:
			select { // the newest is the one that counts
			case <-s.frames:
			default:
			}
			s.frames <- &image.RGBA{Pix: data, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
		}
	}
}

// Next waits for a picture that differs from the last one; with now it takes the present one. While it waits, a
// VM may come and go. It fails when ctx ends.
func (s *Screen) Next(ctx context.Context, now bool) (*image.RGBA, error) {
	request := byte(requestNext)
	if now {
		request = requestNow
	}
	for {
		broken, err := s.ask(request)
		if err != nil {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-s.ready:
			}
			continue
		}
		select {
		case <-ctx.Done():
			_, _ = s.ask(requestNone) // without a VM nobody has to be told
			return nil, ctx.Err()
		case picture := <-s.frames:
			return picture, nil
		case <-broken:
		}
	}
}

func (s *Screen) ask(request byte) (broken <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, errDark
	}
	s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := s.conn.Write([]byte{request}); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s.broken, nil
}

// Touch sends one report of the touch screen. Without a VM it is lost.
func (s *Screen) Touch(report ...evdev.Event) { s.send(&s.touch, touchSocket, report) }

// Keyboard sends one report of the keyboard. Without a VM it is lost.
func (s *Screen) Keyboard(report ...evdev.Event) { s.send(&s.keyboard, keyboardSocket, report) }

func (s *Screen) send(conn *net.Conn, name string, report []evdev.Event) {
	var b []byte
	for _, e := range append(report, evdev.Event{}) {
		b = e.Append(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	if *conn == nil {
		dialer := net.Dialer{Timeout: time.Second}
		var err error
		if *conn, err = dialer.DialContext(context.Background(), "unix", filepath.Join(s.dir, name)); err != nil {
			*conn = nil
			return
		}
	}
	(*conn).SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := (*conn).Write(b); err != nil {
		(*conn).Close()
		*conn = nil
	}
}
