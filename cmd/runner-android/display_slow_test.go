package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// Ensure a viewer that does not read what a device floods it with does not hold up another viewer, and is put out.
func TestDisplayOfAFloodingDevice(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	h.inject("webrtc_flood", "", 0)
	r.create("dev1")
	w := r.straight("dev1")
	w.wantDisplay("ready")
	deaf := w.described("dev1", nil)
	if err := deaf.NetConn().(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	ask := func(conn *websocket.Conn) error {
		return conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"request-offer"}`))
	}
	if err := ask(deaf); err != nil {
		t.Fatal(err)
	}
	keen := w.described("dev1", nil)
	if err := errors.Join(ask(keen), keen.SetReadDeadline(time.Now().Add(30*time.Second))); err != nil {
		t.Fatal(err)
	}
	for offered := false; !offered; {
		_, message, err := keen.ReadMessage()
		if err != nil {
			t.Fatalf("beside a viewer that does not read there is no offer: %v", err)
		}
		offered = strings.Contains(string(message), `"offer"`)
	}
	port := deaf.LocalAddr().(*net.TCPAddr).Port
	eventually(t, time.Minute, "the viewer that does not read is put out", func() error {
		if !established(t, h.get("API_PORT"), port) { // its own end may not hear of it: nothing gets through to it
			return nil
		}
		// Each is answered by 8 MiB, of which the runner keeps one, and the kernel four, once the device has seen the rule.
		_ = deaf.SetWriteDeadline(time.Now().Add(time.Second))
		_ = ask(deaf)
		return errors.New("its connection is open")
	})
}

// established reports whether a server of this machine has a connection with a client's port open, by the kernel's tables
// (proc_net_tcp(5): the state 01).
func established(t *testing.T, server string, client int) bool {
	t.Helper()
	listens, err := strconv.Atoi(server)
	if err != nil {
		t.Fatal(err)
	}
	pair := regexp.MustCompile(fmt.Sprintf(`(?m)^ *[0-9]+: [0-9A-F]+:%04X [0-9A-F]+:%04X 01 `, listens, client))
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if text, err := os.ReadFile(table); err == nil && pair.Match(text) {
			return true
		}
	}
	return false
}
