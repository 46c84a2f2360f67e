package adbd

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// dialTimeout bounds the connect of tcp:PORT, which the connection waits for.
const dialTimeout = 2 * time.Second

// Packets of the shell protocol: id, little-endian length, data (adb's shell_protocol.h).
const (
	packetStdin      = 0
	packetStdout     = 1
	packetStderr     = 2
	packetExit       = 3
	packetCloseStdin = 4
	packetWindowSize = 5

	packetHeader = 5
)

// shellRequest is a parsed shell service.
type shellRequest struct {
	command string
	v2, pty bool
	term    string
}

// parseShell reads the words between "shell" and the colon; unknown ones are ignored.
func parseShell(words []string, command string) shellRequest {
	r := shellRequest{command: command, v2: slices.Contains(words, "v2")}
	r.pty = command == "" && !slices.Contains(words, "raw") || slices.Contains(words, "pty")
	for _, word := range words {
		if term, ok := strings.CutPrefix(word, "TERM="); ok {
			r.term = term
		}
	}
	return r
}

// runShell runs one session. Without v2 both outputs are one, there is no end of input and no exit
// code; a command then has a terminal in raw mode, which is as good as none.
func (d Device) runShell(st *stream, r shellRequest) {
	spec := guest.Spec{Script: r.command, TTY: r.pty, Root: d.isRoot()}
	if r.term != "" {
		spec.Env = []string{"TERM=" + r.term}
	}
	size := &window{}
	if r.v2 {
		spec.Stdin = &shellInput{stream: st, pty: r.pty, resize: size.set}
		spec.Stdout = &shellOutput{stream: st, id: packetStdout}
		spec.Stderr = &shellOutput{stream: st, id: packetStderr}
	} else {
		spec.Stdin, spec.Stdout, spec.Stderr = st, st, st
	}
	session, err := d.Guest.Start(spec)
	if err == nil {
		size.attach(session)
	}
	status := 126
	if err != nil {
		if r.v2 {
			io.WriteString(&shellOutput{stream: st, id: packetStderr}, "error: "+err.Error()+"\n")
		} else {
			io.WriteString(st, "error: "+err.Error()+"\n")
		}
	} else {
		select {
		case <-session.Done():
			status = session.Wait()
		case <-st.closed:
			if !r.v2 {
				settle(session)
			}
			session.Hangup()
			return
		}
	}
	if d.Faults.NeverExit.Load() {
		<-st.closed
		return
	}
	if r.v2 {
		st.CloseWith([]byte{packetExit, 1, 0, 0, 0, byte(status)})
	}
}

// settle gives a session without a protocol a moment to use what it was sent: the only end of
// input that adb exec-in knows is closing the stream, which also hangs up. A busy machine needs its time.
func settle(s *guest.Session) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-s.Done():
	case <-t.C:
	}
}

// shellOutput frames one of the outputs. Each frame is one WRTE, so that the two do not mix.
type shellOutput struct {
	stream *stream
	id     byte
}

var _ guest.ContextWriter = (*shellOutput)(nil)

func (o *shellOutput) Write(p []byte) (int, error) { return o.WriteContext(context.Background(), p) }

// WriteContext sends p in frames, as the host permits. Several processes may call it at once.
func (o *shellOutput) WriteContext(ctx context.Context, p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		n := min(len(p), max(1, o.stream.max-packetHeader))
		frame := make([]byte, 0, packetHeader+n)
		frame = append(frame, o.id)
		frame = binary.LittleEndian.AppendUint32(frame, uint32(n))
		frame = append(frame, p[:n]...)
		if err := o.stream.packet(ctx, frame); err != nil {
			return sent, err
		}
		sent += n
		p = p[n:]
	}
	return sent, nil
}

// shellInput takes the stdin bytes out of the host's packets.
type shellInput struct {
	stream io.Reader
	pty    bool
	resize func(rows, cols int)
	head   [packetHeader]byte
	left   uint32 // of the current packet
	ended  bool
}

// errPacket is a packet no host sends.
var errPacket = errors.New("invalid shell packet")

// maxIgnored bounds packets that carry no input, such as the window's size.
const maxIgnored = 4096

func (in *shellInput) Read(p []byte) (int, error) {
	for in.left == 0 {
		if in.ended {
			return 0, io.EOF
		}
		if _, err := io.ReadFull(in.stream, in.head[:]); err != nil {
			return 0, err
		}
		length := binary.LittleEndian.Uint32(in.head[1:])
		switch in.head[0] {
		case packetStdin:
			in.left = length
			continue
		case packetCloseStdin:
			in.ended = !in.pty
		case packetWindowSize:
		default:
			return 0, errPacket
		}
		if length > maxIgnored {
			return 0, errPacket
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in.stream, payload); err != nil {
			return 0, err
		}
		if in.head[0] == packetWindowSize && in.resize != nil {
			if rows, cols, ok := parseWindow(string(payload)); ok {
				in.resize(rows, cols)
			}
		}
	}
	n, err := in.stream.Read(p[:min(len(p), int(min(in.left, 1<<30)))])
	in.left -= uint32(n)
	return n, err
}

// parseWindow reads ROWSxCOLS,XPIXxYPIX and its NUL.
func parseWindow(text string) (rows, cols int, ok bool) {
	size, _, _ := strings.Cut(strings.TrimRight(text, "\x00"), ",")
	first, second, found := strings.Cut(size, "x")
	rows, errRows := strconv.Atoi(first)
	cols, errCols := strconv.Atoi(second)
	return rows, cols, found && errRows == nil && errCols == nil && rows >= 0 && cols >= 0
}

// window passes sizes on to a session that may not have started yet.
type window struct {
	mu         sync.Mutex
	session    *guest.Session
	rows, cols int
}

func (w *window) set(rows, cols int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows, w.cols = rows, cols
	if w.session != nil {
		w.session.Resize(rows, cols)
	}
}

func (w *window) attach(s *guest.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.session = s
	if w.rows > 0 || w.cols > 0 {
		s.Resize(w.rows, w.cols)
	}
}
