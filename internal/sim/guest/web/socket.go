package web

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// maxMessage bounds one WebSocket frame.
const maxMessage = 1 << 20

// Opcodes of RFC 6455.
const (
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// socket is a WebSocket that sends every frame back. Of the offered subprotocols it takes the first.
func socket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is a WebSocket", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n")
	if protocol, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ","); protocol != "" {
		io.WriteString(rw, "Sec-WebSocket-Protocol: "+strings.TrimSpace(protocol)+"\r\n")
	}
	io.WriteString(rw, "\r\n")
	for rw.Flush() == nil {
		head, payload, err := readFrame(rw.Reader)
		if err != nil {
			return
		}
		if head&0x0f == opPing {
			head = head&0xf0 | opPong
		}
		if head&0x0f == opPong && payload == nil {
			continue
		}
		writeFrame(rw.Writer, head, payload)
		if head&0x0f == opClose {
			rw.Flush()
			return
		}
	}
}

// errFrame is a frame that no client sends.
var errFrame = errors.New("bad WebSocket frame")

// readFrame reads one frame of a client; head is its first byte.
func readFrame(r *bufio.Reader) (head byte, payload []byte, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return 0, nil, err
	}
	head = b[0]
	length := uint64(b[1] & 0x7f)
	if b[1]&0x80 == 0 || head&0x70 != 0 {
		return 0, nil, errFrame
	}
	switch length {
	case 126:
		_, err = io.ReadFull(r, b[:2])
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(r, b[:])
		length = binary.BigEndian.Uint64(b[:])
	}
	if err != nil || length > maxMessage {
		return 0, nil, errors.Join(err, errFrame)
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head, payload, nil
}

func writeFrame(w *bufio.Writer, head byte, payload []byte) {
	w.WriteByte(head)
	switch n := len(payload); {
	case n < 126:
		w.WriteByte(byte(n))
	case n < 1<<16:
		w.WriteByte(126)
		w.Write(binary.BigEndian.AppendUint16(nil, uint16(n)))
	default:
		w.WriteByte(127)
		w.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	w.Write(payload)
}

// tracker knows the connections of a server, also those that have become WebSockets.
type tracker struct {
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func (t *tracker) state(c net.Conn, s http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		t.conns = map[net.Conn]bool{}
	}
	switch s {
	case http.StateNew, http.StateHijacked:
		t.conns[c] = true
		if t.closed {
			c.Close()
		}
	case http.StateClosed:
		delete(t.conns, c)
	case http.StateActive, http.StateIdle:
	}
}

func (t *tracker) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.conns {
		c.Close()
	}
}
