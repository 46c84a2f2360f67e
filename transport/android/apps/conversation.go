package apps

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	// maxAnswer bounds what pm says at the end of a conversation.
	maxAnswer = 64 << 10
	// packetSize is how much is sent at a time: the most that ADB puts into a packet, each of which is waited for.
	packetSize = 1 << 20
)

// pm is the package service of one device.
type pm struct {
	guest  Guest
	serial string
}

// open begins a conversation: without a shell where the device can, as adb does.
func (p pm) open(ctx context.Context, args ...string) (net.Conn, error) {
	conn, err := p.guest.ABBExec(ctx, p.serial, append([]string{"package"}, args...))
	if fault.Is(err, fault.Unsupported) {
		conn, err = p.guest.Exec(ctx, p.serial, "cmd package "+guestcommand.Line(args...))
	}
	return conn, err
}

// source is what is sent in a conversation.
type source struct {
	io.Reader
	size int64
	sent func(n int64) // told how much is on its way; may be nil
	done func()        // told when all is; may be nil
}

// say tells pm something, sends it src (nil: nothing), and returns its answer. Errors are those of the source, the cause of
// ctx, or why the device could not be asked; that pm refused is in the answer. A conversation that ends early has no
// effect: pm drops what it got.
func (p pm) say(ctx context.Context, src *source, args ...string) (answer string, err error) {
	conn, err := p.open(ctx, args...)
	if err != nil {
		return "", guestcommand.CauseOf(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// It may refuse before it has taken everything, and then closes only when its words were read.
	var said []byte
	var lost error
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		said, lost = io.ReadAll(io.LimitReader(conn, maxAnswer))
		_ = conn.Close()
	}()
	var reading, writing error
	if src != nil {
		reading, writing = src.send(conn)
	}
	if reading != nil {
		_ = conn.Close()
	}
	<-heard
	switch {
	case context.Cause(ctx) != nil:
		return "", context.Cause(ctx)
	case reading != nil:
		return "", reading
	case lost != nil:
		return "", lost
	case writing != nil && len(said) == 0 && !errors.Is(writing, io.ErrClosedPipe):
		return "", writing
	}
	return string(said), nil
}

// send sends all of the source, and tells apart which side failed.
func (s *source) send(to io.Writer) (reading, writing error) {
	buf := make([]byte, packetSize)
	for left := s.size; left > 0; {
		n, err := io.ReadFull(s, buf[:min(int64(len(buf)), left)])
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fault.Invalidf("the APK broke off: %d of its %d bytes are missing", left-int64(n), s.size)
			}
			return err, nil
		}
		if left == int64(n) { // what is damaged or too long shows at the end: before the device takes it for whole
			if more, err := s.Read(make([]byte, 1)); more > 0 || !errors.Is(err, io.EOF) {
				return longer(err, s.size), nil
			}
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return nil, err
		}
		left -= int64(n)
		if s.sent != nil {
			s.sent(int64(n))
		}
	}
	if s.done != nil {
		s.done()
	}
	return nil, nil
}

func longer(err error, size int64) error {
	if err == nil {
		return fault.Invalidf("the APK is longer than the %d bytes that were said", size)
	}
	return err
}

// created is how pm names the session that it made.
var created = regexp.MustCompile(`\[(\d{1,10})\]\s*$`)

// create makes a session for this many bytes.
func (p pm) create(ctx context.Context, total int64, flags []string) (session string, err error) {
	said, err := p.say(ctx, nil, append([]string{"install-create", "-S", strconv.FormatInt(total, 10)}, flags...)...)
	if err != nil {
		return "", err
	}
	m := created.FindStringSubmatch(said)
	if !succeeded(said) || m == nil {
		return "", refused("begin to install", said)
	}
	return m[1], nil
}

// abandon drops a session, whatever became of who began it.
func (p pm) abandon(ctx context.Context, session string) {
	_, _ = p.say(ctx, nil, "install-abandon", session)
}
