package webrtc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/pion/rtp/codecs"
	pion "github.com/pion/webrtc/v4"
	"golang.org/x/image/vp8"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/operator"
)

// signaling is a viewer's way to its device.
type signaling interface {
	send(payload any)
	receive() (json.RawMessage, bool) // false: no message now, or never more
	close()
}

// socketSignaling speaks by WebSocket.
type socketSignaling struct {
	t    *testing.T
	conn *websocket.Conn
	mu   sync.Mutex // frames are sent one after the other
}

func openSocket(t *testing.T, r *rig) signaling {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(r.url(), "http", "ws", 1)+"/devices/"+deviceID+"/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	var first map[string]json.RawMessage
	if err := conn.ReadJSON(&first); err != nil || first["device_info"] == nil {
		t.Fatalf("first frame %v, %v; want device_info", first, err)
	}
	return &socketSignaling{t: t, conn: conn}
}

func (s *socketSignaling) send(payload any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.WriteJSON(payload); err != nil && s.t.Context().Err() == nil {
		s.t.Error(err)
	}
}

func (s *socketSignaling) receive() (json.RawMessage, bool) {
	var m struct {
		Type    string          `json:"message_type"`
		Payload json.RawMessage `json:"payload"`
	}
	if s.conn.ReadJSON(&m) != nil || m.Type != "device_msg" {
		return nil, false
	}
	return m.Payload, true
}

func (s *socketSignaling) close() { s.conn.Close() }

// polledSignaling speaks by polling.
type polledSignaling struct {
	t    *testing.T
	r    *rig
	http *http.Client
	id   string
	next int
	mu   sync.Mutex
	done bool
}

func openPolled(t *testing.T, r *rig) signaling {
	t.Helper()
	var opened struct {
		ID   string          `json:"connection_id"`
		Info json.RawMessage `json:"device_info"`
	}
	p := &polledSignaling{t: t, r: r, http: client(t)}
	if err := json.Unmarshal(p.post("/polled_connections", map[string]string{"device_id": deviceID}), &opened); err != nil || len(opened.ID) != 64 || opened.Info == nil {
		t.Fatalf("opened %+v, %v", opened, err)
	}
	p.id = opened.ID
	return p
}

func (p *polledSignaling) post(path string, body any) []byte {
	resp, err := p.http.Post(p.r.url()+path, "application/json", bytes.NewReader(mustJSON(p.t, body)))
	if err != nil {
		if p.t.Context().Err() == nil {
			p.t.Error(err)
		}
		return nil
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return data
}

func (p *polledSignaling) send(payload any) {
	if got := p.post("/polled_connections/"+p.id+"/:forward", map[string]any{"payload": payload}); string(got) != "\"ok\"\n" && p.t.Context().Err() == nil {
		p.t.Errorf("forward answered %q", got)
	}
}

func (p *polledSignaling) receive() (json.RawMessage, bool) {
	for {
		p.mu.Lock()
		done := p.done
		p.mu.Unlock()
		if done {
			return nil, false
		}
		resp, err := p.http.Get(fmt.Sprintf("%s/polled_connections/%s/messages?start=%d&count=1", p.r.url(), p.id, p.next))
		if err != nil {
			return nil, false
		}
		var messages []struct{ Payload json.RawMessage }
		err = json.NewDecoder(resp.Body).Decode(&messages)
		resp.Body.Close()
		if err != nil {
			return nil, false
		}
		if len(messages) > 0 {
			p.next++
			return messages[0].Payload, true
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *polledSignaling) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
}

// browser is a viewer made of pion.
type browser struct {
	t         *testing.T
	signaling signaling
	peer      *pion.PeerConnection
	input     *pion.DataChannel
	control   chan *pion.DataChannel
	events    chan string
	errors    chan string
	state     chan pion.PeerConnectionState
	reading   sync.WaitGroup

	mu    sync.Mutex
	frame []byte // the last whole one
}

// view opens a device as a page does.
func view(t *testing.T, s signaling) *browser {
	t.Helper()
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	peer, err := pion.NewAPI(pion.WithSettingEngine(settings)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, signaling: s, peer: peer, control: make(chan *pion.DataChannel, 1), events: make(chan string, 100),
		errors: make(chan string, 10), state: make(chan pion.PeerConnectionState, 10)}
	peer.OnICECandidate(func(c *pion.ICECandidate) {
		if c != nil && t.Context().Err() == nil {
			s.send(map[string]any{"type": "ice-candidate", "candidate": c.ToJSON()})
		}
	})
	peer.OnConnectionStateChange(func(state pion.PeerConnectionState) { b.state <- state })
	peer.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) { b.watch(track) })
	peer.OnDataChannel(func(c *pion.DataChannel) {
		c.OnMessage(func(m pion.DataChannelMessage) { b.events <- string(m.Data) })
		c.OnOpen(func() { b.control <- c })
	})
	if b.input, err = peer.CreateDataChannel("input-channel", nil); err != nil {
		t.Fatal(err)
	}
	b.reading.Go(b.negotiate)
	t.Cleanup(func() {
		s.close()
		peer.Close()
		b.reading.Wait()
	})
	s.send(map[string]any{"type": "request-offer"})
	return b
}

func (b *browser) negotiate() {
	for {
		message, ok := b.signaling.receive()
		if !ok {
			return
		}
		var m struct {
			Type, SDP, MID, Candidate, Error string
			LineIndex                        uint16 `json:"mLineIndex"`
		}
		if err := json.Unmarshal(message, &m); err != nil {
			b.t.Error(err)
		}
		var err error
		switch m.Type {
		case "offer":
			if err = b.peer.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: m.SDP}); err != nil {
				break
			}
			var answer pion.SessionDescription
			if answer, err = b.peer.CreateAnswer(nil); err == nil {
				if err = b.peer.SetLocalDescription(answer); err == nil {
					b.signaling.send(map[string]any{"type": "answer", "sdp": answer.SDP})
				}
			}
		case "ice-candidate":
			err = b.peer.AddICECandidate(pion.ICECandidateInit{Candidate: m.Candidate, SDPMid: &m.MID, SDPMLineIndex: &m.LineIndex})
		case "error":
			b.errors <- m.Error
		}
		if err != nil && b.t.Context().Err() == nil {
			b.t.Errorf("%s: %v", m.Type, err)
		}
	}
}

// watch puts frames together. It does not decode them: that is slow, and what waits too long is lost.
func (b *browser) watch(track *pion.TrackRemote) {
	if track.StreamID() != "display_0" {
		b.t.Errorf("stream %q", track.StreamID())
	}
	var frame []byte
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		var payload codecs.VP8Packet
		if _, err := payload.Unmarshal(p.Payload); err != nil {
			continue
		}
		if payload.S == 1 && payload.PID == 0 {
			frame = nil
		}
		frame = append(frame, payload.Payload...)
		if p.Marker {
			b.mu.Lock()
			b.frame = frame
			b.mu.Unlock()
		}
	}
}

// picture decodes the last frame, nil when there is none or a packet of it was lost.
func (b *browser) picture() image.Image {
	b.mu.Lock()
	frame := b.frame
	b.mu.Unlock()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(frame), len(frame))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil
	}
	picture, err := d.DecodeFrame()
	if err != nil {
		return nil
	}
	return picture
}

// shows waits for a frame that looks like the guest's screen.
func (b *browser) shows(r *rig) {
	b.t.Helper()
	await(b.t, "frame that looks like the screen", func() bool {
		picture := b.picture()
		if picture == nil {
			return false
		}
		want := r.guest.Panel().Picture()
		if picture.Bounds().Size() != want.Bounds().Size() {
			return false
		}
		off := 0
		for y := 8; y < want.Rect.Dy(); y += 16 {
			for x := 8; x < want.Rect.Dx(); x += 16 {
				a, b := color.GrayModel.Convert(picture.At(x, y)).(color.Gray).Y, color.GrayModel.Convert(want.At(x, y)).(color.Gray).Y
				if max(a, b)-min(a, b) > 40 {
					off++
				}
			}
		}
		return off < 40 // of 3600: letters are where they are
	})
}

// controlChannel waits for the channel that the device opens.
func (b *browser) controlChannel() *pion.DataChannel {
	b.t.Helper()
	select {
	case c := <-b.control:
		return c
	case <-time.After(patience):
		b.t.Fatal("no control channel")
		return nil
	}
}

func (b *browser) touch(at image.Point, down bool) {
	state := 0
	if down {
		state = 1
	}
	message := mustJSON(b.t, map[string]any{"type": "multi-touch", "id": []int{7}, "x": []int{at.X}, "y": []int{at.Y}, "down": state, "device_label": "display_0"})
	if err := b.input.SendText(string(message)); err != nil {
		b.t.Error(err)
	}
}

func (b *browser) press(code string) {
	for _, event := range []string{"keydown", "keyup"} {
		if err := b.input.SendText(fmt.Sprintf(`{"type":"keyboard","keycode":%q,"event_type":%q}`, code, event)); err != nil {
			b.t.Error(err)
		}
	}
}

// Ensure a viewer sees the guest's screen over both ways of signaling, and that touch, keys and buttons reach it.
func TestAViewerSeesAndUsesTheGuest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options operator.Options
		open    func(*testing.T, *rig) signaling
	}{
		"by WebSocket": {operator.Options{}, openSocket},
		"by polling":   {operator.Options{LegacyPollingOnly: true}, openPolled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.options)
			b := view(t, tt.open(t, r))
			b.shows(r)
			control := b.controlChannel()
			notes := r.button("Notes")
			b.touch(notes, true)
			b.touch(notes, false)
			await(t, "app in front", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "note") })
			b.shows(r)
			field := image.Pt(360, 500)
			b.touch(field, true)
			b.touch(field, false)
			await(t, "keyboard", r.guest.Phone().Keyboard)
			b.press("KeyH")
			b.press("KeyI")
			await(t, "text", func() bool {
				for v := range r.guest.Phone().Tree().All() {
					if strings.HasPrefix(v.Text, "hi") {
						return true
					}
				}
				return false
			})
			b.shows(r)
			for _, state := range []string{"down", "up"} {
				if err := control.SendText(`{"command":"home","button_state":"` + state + `"}`); err != nil {
					t.Fatal(err)
				}
			}
			await(t, "launcher", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "launcher") })
			b.shows(r)
			if n := len(r.device.Inputs()); n != 10 {
				t.Errorf("the device had %d inputs: %v", n, r.device.Inputs())
			}
		})
	}
}

// Ensure a device that turns tells its viewers, and that touch goes where the picture is.
func TestATurnedScreen(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	b := view(t, openSocket(t, r))
	b.shows(r)
	b.controlChannel()
	runInGuest(t, r.guest, "settings put system user_rotation 1")
	select {
	case event := <-b.events:
		if !strings.Contains(event, "SCREEN_CHANGED") || !strings.Contains(event, `"90"`) {
			t.Errorf("event %s", event)
		}
	case <-time.After(patience):
		t.Fatal("no event")
	}
	b.shows(r)
	at := r.button("Settings") // of the turned screen, 1280 wide
	panel := image.Pt(720-1-at.Y, at.X)
	b.touch(panel, true)
	b.touch(panel, false)
	await(t, "app in front", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "settings") })
}

// Ensure the device's faults look to a viewer as they should, and end with their rules.
func TestFaultsOfTheDevice(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	r.device.SetFaults(inject.Faults{{Name: "webrtc_offer_error", Arg: "no luck"}})
	b := view(t, openSocket(t, r))
	select {
	case said := <-b.errors:
		if said != "no luck" {
			t.Errorf("error %q", said)
		}
	case <-time.After(patience):
		t.Fatal("no error")
	}
	r.device.SetFaults(inject.Faults{{Name: "webrtc_vanish"}})
	await(t, "vanishing", func() bool { return len(r.service.Hub().Devices()) == 0 })
	r.device.SetFaults(nil)
	r.awaitRegistered()
	page := r.url() + "/devices/" + deviceID + "/files/client.html"
	get := func() int {
		resp, err := client(t).Get(page)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get(); got != 200 {
		t.Errorf("page: %d", got)
	}
	r.device.SetFaults(inject.Faults{{Name: "webrtc_stale"}})
	await(t, "502", func() bool { return get() == 502 })
	r.device.SetFaults(nil)
	await(t, "page", func() bool { return get() == 200 })
}

// Ensure a restarted operator gets its device back while the media of a viewer goes on.
func TestMediaSurvivesTheOperator(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	b := view(t, openSocket(t, r))
	b.shows(r)
	if err := r.service.Restart(100 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	r.awaitRegistered()
	notes := r.button("Notes")
	b.touch(notes, true)
	b.touch(notes, false)
	await(t, "app in front", func() bool { return strings.Contains(r.guest.Phone().Focused().Package, "note") })
	b.shows(r)
}
