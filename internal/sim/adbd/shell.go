package adbd

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
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

// runShell runs one session. Without v2 it is a terminal in raw mode: both outputs are one, there
// is no end of input and no exit code.
func (d Device) runShell(st *stream, r shellRequest) {
	spec := guest.Spec{Script: r.command, TTY: r.pty && r.command == "", Root: d.isRoot()}
	if r.term != "" {
		spec.Env = []string{"TERM=" + r.term}
	}
	var started *guest.Session
	ready := make(chan struct{})
	interrupt := func() {
		<-ready
		if started != nil {
			started.Interrupt()
		}
	}
	if r.v2 {
		spec.Stdin = &shellInput{stream: st, pty: r.pty}
		spec.Stdout = &shellOutput{stream: st, id: packetStdout}
		spec.Stderr = &shellOutput{stream: st, id: packetStderr}
	} else {
		spec.Stdin, spec.Stdout, spec.Stderr = st, st, st
	}
	if r.pty {
		spec.Stdin = &terminal{in: spec.Stdin, interrupt: interrupt}
		spec.Stderr = spec.Stdout
	}
	session, err := d.Guest.Start(spec)
	started = session
	close(ready)
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
		if _, err := io.CopyN(io.Discard, in.stream, int64(length)); err != nil {
			return 0, err
		}
	}
	n, err := in.stream.Read(p[:min(len(p), int(min(in.left, 1<<30)))])
	in.left -= uint32(n)
	return n, err
}

// terminal is what is left of a line discipline: ctrl-C, ctrl-D and Return.
type terminal struct {
	in        io.Reader
	interrupt func()
	ended     bool
}

func (t *terminal) Read(p []byte) (int, error) {
	if t.ended {
		return 0, io.EOF
	}
	for {
		n, err := t.in.Read(p)
		kept := p[:0]
		for _, b := range p[:n] {
			switch b {
			case 0x03:
				kept = kept[:0]
				t.interrupt()
				continue
			case 0x04:
				t.ended = true
				if len(kept) == 0 {
					return 0, io.EOF
				}
				return len(kept), nil
			case '\r':
				b = '\n'
			}
			kept = append(kept, b)
		}
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}
