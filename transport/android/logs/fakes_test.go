package logs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/logs"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

// begun is the device's time when a stream begins.
var begun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeGuest answers scripts and runs one command at a time.
type fakeGuest struct {
	answers map[string]string // by a part of the script
	play    func(command string, p *fakeProcess)
	files   map[string]string

	mu      sync.Mutex
	scripts []string
	running atomic.Int32
}

var _ logs.Guest = (*fakeGuest)(nil)

func (g *fakeGuest) Run(_ context.Context, serial string, s guestshell.Script) (guestshell.Result, error) {
	if serial != transporttest.Serial {
		return guestshell.Result{}, fault.Internalf("run on %q", serial)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	script := string(s.Text)
	g.scripts = append(g.scripts, script)
	if strings.HasPrefix(script, "date ") {
		return guestshell.Result{Output: fmt.Appendf(nil, "%d.000000000\n", begun.Unix())}, nil
	}
	for part, answer := range g.answers {
		if strings.Contains(script, part) {
			return guestshell.Result{Output: []byte(answer)}, nil
		}
	}
	return guestshell.Result{}, nil
}

// ran tells whether a script with this part was run.
func (g *fakeGuest) ran(part string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Contains(strings.Join(g.scripts, "\n"), part)
}

func (g *fakeGuest) Start(_ context.Context, _ string, s adb.ShellStart) (guestshell.Process, error) {
	p := &fakeProcess{out: make(chan piece), closed: make(chan struct{}), played: make(chan struct{})}
	g.running.Add(1)
	go func() {
		defer g.running.Add(-1)
		defer close(p.played)
		g.play(s.Command, p)
	}()
	return p, nil
}

func (g *fakeGuest) Recv(_ context.Context, _, path string) (io.ReadCloser, error) {
	content, ok := g.files[path]
	if !ok {
		return nil, fault.NotFoundf("no %s", path)
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

type piece struct {
	stream int
	data   []byte
}

// fakeProcess is a command that says what its play makes it say.
type fakeProcess struct {
	out    chan piece
	closed chan struct{}
	played chan struct{}
	once   sync.Once
	exit   int
	lost   error // how it ends; nil: with exit
}

// say is false when nobody listens any more.
func (p *fakeProcess) say(stream int, data []byte) bool {
	select {
	case p.out <- piece{stream, data}:
		return true
	case <-p.closed:
		return false
	}
}

func (p *fakeProcess) Next() (int, []byte, error) {
	select {
	case o := <-p.out:
		return o.stream, o.data, nil
	case <-p.closed:
		return 0, nil, io.ErrClosedPipe
	case <-p.played:
		if p.lost != nil {
			return 0, nil, p.lost
		}
		return 0, nil, io.EOF
	}
}

func (p *fakeProcess) Close() error                { p.once.Do(func() { close(p.closed) }); return nil }
func (p *fakeProcess) Wait() (int, error)          { return p.exit, nil }
func (p *fakeProcess) Write(b []byte) (int, error) { return len(b), nil }
func (p *fakeProcess) CloseStdin() error           { return nil }
func (p *fakeProcess) Resize(int, int) error       { return nil }

// entry is a record of logcat -B.
type entry struct {
	after        time.Duration // begun
	pid, uid     int
	level        byte
	tag, message string
	buffer       int
	header       int // bytes; 0 is 28
	payload      []byte
}

func (e entry) bytes() []byte {
	at := begun.Add(e.after)
	if e.header == 0 {
		e.header = 28
	}
	if e.payload == nil {
		e.payload = append([]byte{byte(strings.IndexByte("VDIWEF", e.level) + 2)}, e.tag+"\x00"+e.message+"\x00"...)
	}
	head := make([]byte, e.header)
	binary.LittleEndian.PutUint16(head, uint16(len(e.payload)))
	binary.LittleEndian.PutUint16(head[2:], uint16(e.header))
	for i, v := range []int{e.pid, e.pid + 1, int(at.Unix()), at.Nanosecond(), e.buffer, e.uid} {
		if 8+4*i <= e.header {
			binary.LittleEndian.PutUint32(head[4+4*i:], uint32(v))
		}
	}
	return append(head, e.payload...)
}

// all is entries in a row, as one piece.
func all(entries ...entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.Write(e.bytes())
	}
	return b.Bytes()
}

func start(t *testing.T, g *fakeGuest, left <-chan struct{}, o logs.Options) *transporttest.Client {
	t.Helper()
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		android.Mount(s, logs.New(android.NewKit(lease.New(transporttest.Lessor(left), nil), g), g, o).Routes())
	})
}

const base = "/sandboxes/dev-1/android"

func eventually(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// idle waits until no command runs in the guest.
func (g *fakeGuest) idle(t *testing.T) {
	t.Helper()
	eventually(t, func() error {
		if n := g.running.Load(); n != 0 {
			return fmt.Errorf("%d commands run", n)
		}
		return nil
	})
}
