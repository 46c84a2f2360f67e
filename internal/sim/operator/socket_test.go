package operator_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/sim/operator"
)

// Ensure a registration lives as long as its connection, with the operator's words for what is wrong.
func TestRegistration(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	devices := r.service.Place().Devices
	missing := r.dial(devices)
	missing.send(`{"message_type":"whatever"}`)
	missing.wants(`{"error":"Missing device_id"}`)
	missing.wants("")
	nonsense := r.dial(devices)
	nonsense.send(`nonsense`)
	nonsense.wants("")
	first := r.register("d", 1, "")
	second := r.dial(devices)
	second.send(`{"device_id":"d","device_port":2}`)
	second.wants(`{"error":"Device id already taken:  d\n"}`)
	second.wants("")
	first.send(`{"message_type":"forward","client_id":9,"payload":{}}`)
	first.wants(`{"error":"Client disconnected:  9\n"}`)
	first.send(`{"message_type":"forward","client_id":9}`)
	first.wants(`{"error":"Device forward message missing payload"}`)
	first.wants("")
	await(t, "end", func() bool { return r.do("GET", "/devices/d", nil).status == 404 })
	third := r.register("d", 1, "null")
	if got := r.do("GET", "/devices/d", nil).body; !strings.Contains(got, `"registration_info":{}`) {
		t.Errorf("no info is %s", got)
	}
	third.send(`{"message_type":"forward","payload":{}}`)
	third.wants(`{"error":"Device forward message missing client id"}`)
	third.wants("")
}

// Ensure what cvd tells before is in the list, for one registration, unless cvd leaves first.
func TestPreRegistration(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	control := r.service.Place().Control
	const announce = `{"message_type":"pre-register","group_name":"g","owner":"o","devices":[{"id":"d","name":"1","adb_port":6520}]}`
	early := r.dial(control)
	early.send(announce)
	early.wants(`[{"id":"d","status":"accepted","message":""}]`)
	twice := r.dial(control)
	twice.send(announce)
	twice.wants(`[{"id":"d","status":"failed","message":"Device Id already pre-registered"}]`)
	early.conn.Close()
	cvd := r.dial(control)
	await(t, "place", func() bool {
		cvd.send(announce)
		return cvd.receive() == `[{"id":"d","status":"accepted","message":""}]`
	})
	device := r.register("d", 1, "")
	cvd.wants(`{"id":"d","status":"registered","message":""}`)
	const want = `[{"device_id":"d","group_name":"g","owner":"o","name":"1","adb_port":6520}]` + "\n"
	for _, query := range []string{"", "?groupId=g", "?owner=o", "?groupId=g&owner=o"} {
		if got := r.do("GET", "/devices"+query, nil).body; got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	for _, query := range []string{"?groupId=x", "?owner=x", "?groupId=g&owner=x"} {
		if got := r.do("GET", "/devices"+query, nil).body; got != "[]\n" {
			t.Errorf("%s: %s", query, got)
		}
	}
	twice.send(announce)
	twice.wants(`[{"id":"d","status":"failed","message":"Device Id already registered"}]`)
	cvd.send(`{"message_type":"unregister","devices":[{"id":"d"}]}`)
	cvd.wants("")
	if got := r.do("GET", "/devices", nil).body; got != want {
		t.Errorf("after unregister: %s", got)
	}
	device.conn.Close()
	await(t, "end", func() bool { return r.do("GET", "/devices", nil).body == "[]\n" })
	r.register("d", 1, "")
	if got := r.do("GET", "/devices", nil).body; got != `[{"device_id":"d","group_name":"","adb_port":0}]`+"\n" {
		t.Errorf("the second registration: %s", got)
	}
}

func (r *rig) connect(id string) *websocket.Conn {
	r.t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(r.t.Context(), "ws://"+r.service.Place().HTTP+"/devices/"+id+"/connect",
		http.Header{"Origin": {"https://elsewhere.example"}})
	if err != nil {
		r.t.Fatalf("connect: %v, %v", resp, err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func frame(conn *websocket.Conn) string {
	_, data, err := conn.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(string(data), "\n")
}

// Ensure viewers on WebSockets are numbered, send bare payloads and get wrapped ones, and end without a farewell.
func TestSockets(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{SureErrorFrame: true})
	device := r.register("d", 1, `{"x":1}`)
	for number := 1; number < 3; number++ {
		conn := r.connect("d")
		if got := frame(conn); got != `{"device_info":{"x":1}}` {
			t.Errorf("first frame %s", got)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"request-offer"}`)); err != nil {
			t.Fatal(err)
		}
		want := map[int]string{1: `"client_id":1`, 2: `"client_id":2`}[number]
		if got := device.receive(); got != `{"message_type":"client_msg",`+want+`,"payload":{"type":"request-offer"}}` {
			t.Errorf("the device got %s", got)
		}
		device.send(`{"message_type":"forward",` + want + `,"payload":{"type":"offer"}}`)
		if got := frame(conn); got != `{"message_type":"device_msg","payload":{"type":"offer"}}` {
			t.Errorf("the viewer got %s", got)
		}
		if number == 1 {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(`nonsense`)); err != nil {
				t.Fatal(err)
			}
			if got := frame(conn); !strings.Contains(got, "1006") {
				t.Errorf("after nonsense: %s", got)
			}
			continue
		}
		device.conn.Close()
		if got := frame(conn); got != `{"error":"Device disconnected"}` {
			t.Errorf("at the device's end: %s", got)
		}
		if got := frame(conn); !strings.Contains(got, "1006") {
			t.Errorf("at the end: %s", got)
		}
	}
	device = r.register("d", 1, "")
	conn := r.connect("d")
	frame(conn)
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if got := device.receive(); !strings.Contains(got, `"client_id":1,`) {
		t.Errorf("numbers do not begin anew: %s", got)
	}
	if got := r.do("POST", "/sim/faults", `{"fault":"ws_reset","device":"d"}`); got.status != 200 {
		t.Fatal(got)
	}
	if _, _, err := conn.ReadMessage(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset is %v", err)
	}
	if got := r.do("GET", "/devices/d", nil).status; got != 200 {
		t.Errorf("the device of a reset: %d", got)
	}
	big := r.connect("d")
	frame(big)
	if err := big.WriteMessage(websocket.TextMessage, []byte(`"`+strings.Repeat("x", 64<<10)+`"`)); err != nil {
		t.Fatal(err)
	}
	if got := frame(big); strings.HasPrefix(got, "{") {
		t.Errorf("a frame that is too large: %s", got)
	}
}

// Ensure old operators know no WebSocket.
func TestPollingOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{LegacyPollingOnly: true})
	r.register("d", 1, "")
	if got := r.do("GET", "/devices/d/connect", nil); got.status != 404 || got.body != notFound {
		t.Errorf("connect: %+v", got)
	}
}

// Ensure a restart forgets everything, and comes back at the same places.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	place := r.service.Place()
	cvd := r.dial(place.Control)
	cvd.send(`{"message_type":"pre-register","group_name":"g","devices":[{"id":"d","name":"1","adb_port":6520}]}`)
	cvd.receive()
	device := r.register("d", 1, "")
	conn := r.connect("d")
	frame(conn)
	if got := r.do("POST", "/sim/faults", `{"fault":"restart:0.1"}`); got.status != 200 {
		t.Fatal(got)
	}
	device.wants("")
	if got := frame(conn); !strings.Contains(got, "1006") && !strings.Contains(got, "reset") {
		t.Errorf("the viewer: %s", got)
	}
	await(t, "end", func() bool { return r.service.Hub() == nil })
	await(t, "operator", func() bool { return r.service.Hub() != nil })
	if r.service.Place() != place {
		t.Errorf("it is at %v now", r.service.Place())
	}
	r.register("d", 1, "")
	if got := r.do("GET", "/devices", nil).body; got != `[{"device_id":"d","group_name":"","adb_port":0}]`+"\n" {
		t.Errorf("afterwards: %s", got)
	}
}

// Ensure the faults of the operator do what they are for, and are refused when there is no such thing.
func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	device := r.register("d", 1, "")
	inject := func(fault string) string {
		t.Helper()
		got := r.do("POST", "/sim/faults", map[string]any{"fault": fault, "device": "d", "times": 1})
		if got.status != 200 {
			t.Fatalf("%s: %+v", fault, got)
		}
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(got.body), &made); err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	id := inject("slow:0.2")
	begin := time.Now()
	r.do("GET", "/devices/d", nil)
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("slow took %s", took)
	}
	if got := r.do("DELETE", "/sim/faults/"+id, nil); got.status != 204 {
		t.Errorf("clear: %+v", got)
	}
	inject("vanish")
	device.wants("")
	await(t, "vanishing", func() bool { return r.do("GET", "/devices/d", nil).status == 404 })
	inject("duplicate_id")
	refused := r.dial(r.service.Place().Devices)
	refused.send(`{"device_id":"d"}`)
	refused.wants(`{"error":"Device id already taken:  d\n"}`)
	r.register("d", 1, "")
	inject("legacy")
	r.do("DELETE", "/sim/faults", nil)
	for _, bad := range []string{`{"fault":"nope"}`, `{"fault":"tls:odd"}`, `{"fault":"vanish","device":"x"}`, `{`} {
		if got := r.do("POST", "/sim/faults", bad); got.status != 400 {
			t.Errorf("%s: %+v", bad, got)
		}
	}
	if got := r.do("GET", "/sim/faults", nil); got.body != "[]\n" {
		t.Errorf("left: %s", got.body)
	}
}

// Ensure the TLS port has a certificate that no name fits and a fingerprint does, and the manners of the fault.
func TestTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	place := r.service.Place()
	handshake := func() (tls.ConnectionState, error) {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
		conn, err := dialer.DialContext(t.Context(), "tcp", place.HTTPS)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState(), nil
	}
	state, err := handshake()
	if err != nil {
		t.Fatal(err)
	}
	leaf := state.PeerCertificates[0]
	if leaf.Subject.String() != "C=US" || len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 || !leaf.IsCA {
		t.Errorf("certificate for %s, names %v", leaf.Subject, leaf.DNSNames)
	}
	want, err := operator.Fingerprint(place.Certs)
	if sum := sha256.Sum256(leaf.Raw); err != nil || hex.EncodeToString(sum[:]) != want {
		t.Errorf("fingerprint %s, %v", want, err)
	}
	misbehave := func(manner string) {
		t.Helper()
		before := r.service.Hub()
		if got := r.do("POST", "/sim/faults", map[string]string{"fault": "tls:" + manner}); got.status != 200 {
			t.Fatalf("%s: %+v", manner, got)
		}
		await(t, "restart", func() bool { hub := r.service.Hub(); return hub != nil && hub != before })
	}
	misbehave("expired")
	if state, err = handshake(); err != nil || time.Now().Before(state.PeerCertificates[0].NotAfter) {
		t.Errorf("expired: %v, %v", state.PeerCertificates, err)
	}
	misbehave("changed")
	if state, err = handshake(); err != nil || state.PeerCertificates[0].Equal(leaf) || time.Now().After(state.PeerCertificates[0].NotAfter) {
		t.Errorf("changed: %v, %v", state.PeerCertificates, err)
	}
	misbehave("plain")
	if _, err = handshake(); err == nil {
		t.Error("plain HTTP on the TLS port shakes hands")
	}
	misbehave("key")
	if state, err = handshake(); err != nil || state.PeerCertificates[0].PublicKeyAlgorithm.String() != "Ed25519" {
		t.Errorf("key: %v", err)
	}
}

// Ensure a viewer that does not read holds its device up, and is dropped in the end.
func TestAViewerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: takes the ten seconds of a write limit")
	}
	r := newRig(t, operator.Options{})
	device := r.register("d", 1, "")
	r.connect("d") // and never reads
	big := strings.Repeat("x", 60_000)
	begin := time.Now()
	for time.Since(begin) < patience {
		if device.conn.Send([]byte(`{"message_type":"forward","client_id":1,"payload":"`+big+`"}`)) != nil {
			break
		}
		if time.Since(begin) > 8*time.Second {
			break
		}
	}
	if took := time.Since(begin); took < 5*time.Second {
		t.Errorf("the device was held up for %s only", took)
	}
	device.conn.Close()
	await(t, "end", func() bool { return r.do("GET", "/devices/d", nil).status == 404 })
}
