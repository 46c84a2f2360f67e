package webrtc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

// registration is one connection to the operator.
type registration struct {
	device *Device
	conn   *seqpacket.Conn
	floods sync.WaitGroup
}

// register connects and answers viewers until the connection ends. It reports whether the operator had taken the
// device.
func (d *Device) register(ctx context.Context, port int) (registered bool, err error) {
	conn, err := seqpacket.Dial(ctx, d.options.Operator)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	err = conn.Send(map[string]any{
		"message_type": "register", "device_id": d.options.ID, "device_port": port, "device_info": d.info(),
	})
	if err != nil {
		return false, err
	}
	r := &registration{device: d, conn: conn}
	vanishing := make(chan struct{})
	var watch sync.WaitGroup
	defer watch.Wait()
	defer close(vanishing)
	watch.Go(func() { r.vanishOnRequest(vanishing) })
	defer r.floods.Wait()
	said := make(chan viewerMessage, maxUnanswered)
	var answers sync.WaitGroup
	answers.Go(func() {
		for m := range said {
			r.obey(ctx, m)
		}
	})
	defer answers.Wait()
	defer conn.Close() // an answer that cannot be sent ends
	defer close(said)
	for {
		packet, err := conn.Receive()
		if err != nil {
			return registered, err
		}
		var m viewerMessage
		if err := json.Unmarshal(packet, &m); err != nil {
			return registered, err
		}
		switch {
		case m.Error != "": // heard while answers wait to be sent: the operator sends it before it hears more of us
			d.logf("the operator says: %s", m.Error)
		case m.Type == "config":
			registered = true
			d.logf("registered as %q", d.options.ID)
		default:
			said <- m
		}
	}
}

// maxUnanswered is how many messages of viewers may wait for their answers.
const maxUnanswered = 1024

// viewerMessage is what the operator passes on of a viewer, or says of itself.
type viewerMessage struct {
	Type    string          `json:"message_type"`
	Error   string          `json:"error"`
	Client  int             `json:"client_id"`
	Payload json.RawMessage `json:"payload"`
}

// obey does what a viewer wants.
func (r *registration) obey(ctx context.Context, m viewerMessage) {
	switch m.Type {
	case "client_msg":
		r.answer(ctx, m.Client, m.Payload)
	case "client_disconnected":
		if r.device.media != nil {
			r.device.media.drop(m.Client)
		}
	}
}

// vanishOnRequest closes the connection when the fault comes.
func (r *registration) vanishOnRequest(end <-chan struct{}) {
	for {
		_, vanish, changed := r.device.fault("vanish")
		if vanish {
			r.conn.Close()
			return
		}
		select {
		case <-changed:
		case <-end:
			return
		}
	}
}

// reply sends a payload to a viewer. A connection that is gone is noticed by the reader.
func (r *registration) reply(client int, p payload) { _ = r.forward(client, p) }

func (r *registration) forward(client int, p payload) error {
	return r.conn.Send(map[string]any{"message_type": "forward", "client_id": client, "payload": p.json()})
}

// answer obeys one message of a viewer.
func (r *registration) answer(ctx context.Context, client int, message json.RawMessage) {
	d := r.device
	for _, deaf := range []string{"stale", "freeze"} {
		if _, holds, _ := d.fault(deaf); holds {
			return
		}
	}
	var m clientPayload
	if err := json.Unmarshal(message, &m); err != nil {
		r.reply(client, payload{"type": "error", "error": fmt.Sprintf("Invalid message: %v", err)})
		return
	}
	if m.Type == "request-offer" {
		if f, refuses, _ := d.fault("offer_error"); refuses {
			text := f.Arg
			if text == "" {
				text = "Failed to create an offer"
			}
			r.reply(client, payload{"type": "error", "error": text})
			return
		}
	}
	if d.media == nil {
		r.pretend(client, m)
	} else if err := r.negotiate(ctx, client, m); err != nil {
		r.reply(client, payload{"type": "error", "error": err.Error()})
	}
	if _, floods, _ := d.fault("flood"); floods && m.Type == "request-offer" {
		r.floods.Go(func() { r.flood(client) }) // what is said meanwhile is heard
	}
}

// floodMessages are more than an operator queues, and with floodFiller more than sockets hold: 8 MiB.
const (
	floodMessages = 2000
	floodFiller   = 4 << 10
)

func (r *registration) flood(client int) {
	candidate := payload{"type": "ice-candidate", "mid": "0", "mLineIndex": 0,
		"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "filler": strings.Repeat("x", floodFiller)}
	for range floodMessages {
		if r.forward(client, candidate) != nil {
			return
		}
	}
}

// clientPayload is what a browser says.
type clientPayload struct {
	Type       string `json:"type"`
	SDP        string `json:"sdp"`
	ICEServers []struct {
		URLs       []string `json:"urls"`
		Username   string   `json:"username"`
		Credential string   `json:"credential"`
	} `json:"ice_servers"`
	Candidate *struct {
		Candidate *string `json:"candidate"`
		MID       *string `json:"sdpMid"`
		LineIndex *uint16 `json:"sdpMLineIndex"`
		UFrag     *string `json:"usernameFragment"`
	} `json:"candidate"`
}

// fixedOffer is what a device without media offers: it parses, and leads nowhere.
const fixedOffer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:sims\r\na=ice-pwd:simulatedsimulatedsimul\r\n" +
	"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"

// pretend answers for a device without media: a fixed offer, and candidates come back.
func (r *registration) pretend(client int, m clientPayload) {
	switch m.Type {
	case "request-offer":
		r.reply(client, payload{"type": "offer", "sdp": fixedOffer})
		for port := 9; port < 11; port++ {
			r.reply(client, payload{"type": "ice-candidate", "mid": "0", "mLineIndex": 0,
				"candidate": fmt.Sprintf("candidate:1 1 udp 2130706431 127.0.0.1 %d typ host", port)})
		}
	case "ice-candidate":
		if m.Candidate != nil && m.Candidate.Candidate != nil {
			r.reply(client, payload{"type": "ice-candidate", "mid": "0", "mLineIndex": 0, "candidate": *m.Candidate.Candidate})
		}
	case "answer":
	default:
		r.reply(client, payload{"type": "error", "error": "Unknown client message type: " + m.Type})
	}
}
