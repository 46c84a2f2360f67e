package display

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Names of the sockets.
const (
	framesSocket   = "frames.sock"
	touchSocket    = "touch_0.sock"
	keyboardSocket = "keyboard.sock"
)

// Kinds and sizes of messages.
const (
	kindFrame  = 'F'
	kindEvent  = 'E'
	headerSize = 9
	maxMessage = 64 << 20
)

// Requests of a reader.
const (
	requestNext = 'n'
	requestNow  = 'r'
	requestNone = 'p'
)

const (
	period     = 100 * time.Millisecond // between two looks at the panel: ten pictures a second
	writeLimit = 5 * time.Second
	maxReaders = 4
)

// Panel is what is shown and touched.
type Panel interface {
	Mark() uint64 // another number for another picture
	Picture() *image.RGBA
	Rotation() int // quarter turns
	Awake() bool
	Finger(a ui.Action, at image.Point)
	Key(code uint16, down bool)
}

// Event is something that pages are told, by the names of the kernel log.
type Event struct {
	Name     string            `json:"event"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Server is the VM's side.
type Server struct {
	panel     Panel
	listeners []net.Listener
	serving   sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	readers map[*reader]bool
	events  []Event // the last of each kind, in the order of their first time
	closed  bool
}

// Serve makes the sockets in dir.
func Serve(dir string, panel Panel) (*Server, error) {
	s := &Server{panel: panel, conns: map[net.Conn]bool{}, readers: map[*reader]bool{}}
	for name, handle := range map[string]func(net.Conn){
		framesSocket: s.serveFrames, touchSocket: s.serveTouch, keyboardSocket: s.serveKeyboard,
	} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			s.Close()
			return nil, fmt.Errorf("display: %w", err)
		}
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("display: %w", err)
		}
		s.listeners = append(s.listeners, listener)
		s.serving.Go(func() { s.accept(listener, handle) })
	}
	return s, nil
}

func (s *Server) accept(listener net.Listener, handle func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed || len(s.conns) >= 3*maxReaders {
			s.mu.Unlock()
			conn.Close()
			continue
		}
		s.conns[conn] = true
		s.serving.Go(func() {
			handle(conn)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
		s.mu.Unlock()
	}
}

// Close closes the sockets and waits until nobody is served any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.serving.Wait()
}

// Tell sends an event to all readers, and to those that come later as long as it is the last of its kind.
func (s *Server) Tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := eventKind(e)
	known := false
	for i := range s.events {
		if eventKind(s.events[i]) == kind {
			s.events[i], known = e, true
		}
	}
	if !known {
		s.events = append(s.events, e)
	}
	for r := range s.readers {
		r.tell(e)
	}
}

// eventKind puts the two events of the boot together.
func eventKind(e Event) string {
	switch e.Name {
	case BootStarted, BootCompleted:
		return "boot"
	}
	return e.Name
}

// Events that pages know.
const (
	BootStarted   = "VIRTUAL_DEVICE_BOOT_STARTED"
	BootCompleted = "VIRTUAL_DEVICE_BOOT_COMPLETED"
	ScreenChanged = "VIRTUAL_DEVICE_SCREEN_CHANGED"
	PowerMode     = "VIRTUAL_DEVICE_DISPLAY_POWER_MODE_CHANGED"
)

// look tells events about what is seen at the panel.
func (s *Server) look(r *reader) {
	if rotation := s.panel.Rotation(); rotation != r.rotation {
		r.rotation = rotation
		s.Tell(Event{ScreenChanged, map[string]string{"rotation": strconv.Itoa(90 * rotation)}})
	}
	if awake := s.panel.Awake(); awake != r.awake {
		r.awake = awake
		s.Tell(Event{PowerMode, map[string]string{"display": "0", "mode": map[bool]string{true: "ON", false: "OFF"}[awake]}})
	}
}

// reader is one connection to the frames.
type reader struct {
	conn     net.Conn
	writes   sync.Mutex
	rotation int
	awake    bool
	mark     uint64
	shown    bool // mark is of a picture that was sent
}

func (s *Server) serveFrames(conn net.Conn) {
	r := &reader{conn: conn, awake: true}
	s.mu.Lock()
	for _, e := range s.events {
		r.tell(e)
	}
	s.readers[r] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.readers, r)
		s.mu.Unlock()
	}()
	requests := make(chan byte)
	done := make(chan struct{})
	defer close(done)
	s.serving.Go(func() { readRequests(conn, requests, done) })
	var tick <-chan time.Time // nil unless a picture is wanted
	var ticker *time.Ticker
	defer func() {
		if ticker != nil {
			ticker.Stop()
		}
	}()
	for {
		now := false
		select {
		case request, ok := <-requests:
			if !ok {
				return
			}
			if ticker != nil {
				ticker.Stop()
				ticker, tick = nil, nil
			}
			if request == requestNone {
				continue
			}
			ticker = time.NewTicker(period)
			tick = ticker.C
			now = request == requestNow
		case <-tick:
		}
		s.look(r)
		mark := s.panel.Mark()
		if r.shown && mark == r.mark && !now {
			continue
		}
		r.mark, r.shown = mark, true
		picture := s.panel.Picture()
		if r.write(kindFrame, picture.Bounds().Size(), picture.Pix) != nil {
			return
		}
		ticker.Stop()
		ticker, tick = nil, nil
	}
}

// readRequests passes bytes on until the connection or done is closed.
func readRequests(conn net.Conn, out chan<- byte, done <-chan struct{}) {
	defer close(out)
	var b [1]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
		select {
		case out <- b[0]:
		case <-done:
			return
		}
	}
}

func (r *reader) tell(e Event) {
	data, err := json.Marshal(e)
	if err == nil {
		err = r.write(kindEvent, image.Point{}, data)
	}
	if err != nil {
		r.conn.Close() // its loop sees that
	}
}

func (r *reader) write(kind byte, size image.Point, data []byte) error {
	r.writes.Lock()
	defer r.writes.Unlock()
	header := []byte{kind}
	header = binary.LittleEndian.AppendUint16(header, uint16(size.X))
	header = binary.LittleEndian.AppendUint16(header, uint16(size.Y))
	header = binary.LittleEndian.AppendUint32(header, uint32(len(data)))
	r.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	buffers := net.Buffers{header, data}
	_, err := buffers.WriteTo(r.conn)
	return err
}

// serveKeyboard plays the events of a keyboard.
func (s *Server) serveKeyboard(conn net.Conn) {
	for e := range events(conn) {
		if e.Type == evdev.Key {
			s.panel.Key(e.Code, e.Value != 0)
		}
	}
}

// events reads until the connection ends.
func events(conn net.Conn) func(yield func(evdev.Event) bool) {
	return func(yield func(evdev.Event) bool) {
		var b [evdev.Size]byte
		for {
			if _, err := io.ReadFull(conn, b[:]); err != nil || !yield(evdev.Decode(b)) {
				return
			}
		}
	}
}
