package operator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// rig is a service on free ports.
type rig struct {
	t       *testing.T
	service *operator.Service
	client  *http.Client
}

func newRig(t *testing.T, o operator.Options) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "op") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	service, err := operator.Start(o, operator.Place{
		HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Certs: filepath.Join(dir, "cert"),
		Devices: filepath.Join(dir, "operator"), Control: filepath.Join(dir, "control"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	transport := &http.Transport{DisableKeepAlives: true}
	return &rig{t, service, &http.Client{Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what an HTTP request got.
type answer struct {
	status int
	body   string
	header http.Header
}

func (r *rig) do(method, path string, body any) answer {
	r.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewReader([]byte(b))
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.service.Place().HTTP+path, reader)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(data), resp.Header}
}

// socket is a packet connection of a test.
type socket struct {
	t    *testing.T
	conn *seqpacket.Conn
}

func (r *rig) dial(path string) *socket {
	r.t.Helper()
	conn, err := seqpacket.Dial(r.t.Context(), path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(conn.Close)
	conn.SetReadDeadline(time.Now().Add(patience))
	return &socket{r.t, conn}
}

func (s *socket) send(v any) {
	s.t.Helper()
	if text, ok := v.(string); ok {
		v = []byte(text)
	}
	if err := s.conn.Send(v); err != nil {
		s.t.Fatal(err)
	}
}

// receive returns the next packet, "" at the end of the connection.
func (s *socket) receive() string {
	packet, err := s.conn.Receive()
	if err != nil {
		return ""
	}
	return string(packet)
}

func (s *socket) wants(packet string) {
	s.t.Helper()
	if got := s.receive(); got != packet {
		s.t.Errorf("got packet %q, want %q", got, packet)
	}
}

const config = `{"message_type":"config","ice_servers":[{"urls":["stun:stun.l.google.com:19302"]}]}`

// register registers a device as webRTC does.
func (r *rig) register(id string, port int, info string) *socket {
	r.t.Helper()
	s := r.dial(r.service.Place().Devices)
	packet := map[string]any{"message_type": "register", "device_id": id, "device_port": port}
	if info != "" {
		packet["device_info"] = json.RawMessage(info)
	}
	s.send(packet)
	s.wants(config)
	return s
}

func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
