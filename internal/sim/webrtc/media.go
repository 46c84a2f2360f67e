package webrtc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	pion "github.com/pion/webrtc/v4"

	"github.com/daytonaio/runner-android/internal/sim/display"
)

// displayLabel is the name of the only display's stream, and of what is touched.
const displayLabel = "display_0"

// maxViewers bounds the viewers of one device. The real one has no bound.
const maxViewers = 32

// media is what the viewers of a device share.
type media struct {
	options Options

	mu      sync.Mutex
	api     *pion.API // nil until the first viewer
	tcp     io.Closer
	viewers map[int]*viewer
	closed  bool
	ending  sync.WaitGroup
}

// videoCodec is the one that a device without a GPU has.
func videoCodec() pion.RTPCodecParameters {
	return pion.RTPCodecParameters{
		RTPCodecCapability: pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: videoClock, RTCPFeedback: []pion.RTCPFeedback{
			{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
		}},
		PayloadType: 96,
	}
}

// engine makes the API; the lock is held.
func (m *media) engine() (*pion.API, error) {
	if m.api != nil {
		return m.api, nil
	}
	codecs := &pion.MediaEngine{}
	if err := codecs.RegisterCodec(videoCodec(), pion.RTPCodecTypeVideo); err != nil {
		return nil, fmt.Errorf("set up media: %w", err)
	}
	interceptors := &interceptor.Registry{}
	if err := pion.RegisterDefaultInterceptors(codecs, interceptors); err != nil {
		return nil, fmt.Errorf("set up media: %w", err)
	}
	logs := logging.NewDefaultLoggerFactory()
	logs.Writer, logs.DefaultLogLevel = m.logWriter(), logging.LogLevelError
	settings := pion.SettingEngine{LoggerFactory: logs}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeTCP4})
	if low, high := ports(m.options.UDPPorts); low > 0 {
		if err := settings.SetEphemeralUDPPortRange(low, high); err != nil {
			return nil, fmt.Errorf("set up media: %w", err)
		}
	}
	if listener, err := listenIn(ports(m.options.TCPPorts)); err == nil { // without one there is still UDP
		mux := pion.NewICETCPMux(logs.NewLogger("tcp"), listener, 8)
		settings.SetICETCPMux(mux)
		m.tcp = mux
	}
	m.api = pion.NewAPI(pion.WithMediaEngine(codecs), pion.WithInterceptorRegistry(interceptors), pion.WithSettingEngine(settings))
	return m.api, nil
}

func (m *media) logWriter() io.Writer {
	if m.options.Log == nil {
		return io.Discard
	}
	return m.options.Log
}

// listenIn takes the first free TCP port of a range.
func listenIn(low, high uint16) (net.Listener, error) {
	var errs []error
	for port := int(low); port <= int(high); port++ {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", fmt.Sprintf(":%d", port))
		if err == nil {
			return listener, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// viewer finds a viewer, nil if there is none.
func (m *media) viewer(client int) *viewer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.viewers[client]
}

// enter puts a viewer in the place of the one with its number, which ends.
func (m *media) enter(v *viewer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.viewers[v.client]
	switch {
	case m.closed:
		return errors.New("the device is shutting down")
	case old == nil && len(m.viewers) >= maxViewers:
		return fmt.Errorf("there are %d viewers already", maxViewers)
	}
	if m.viewers == nil {
		m.viewers = map[int]*viewer{}
	}
	m.viewers[v.client] = v
	if old != nil {
		m.ending.Go(old.close) // it takes its time, and others wait
	}
	return nil
}

// drop ends the viewer with that number.
func (m *media) drop(client int) {
	if v := m.viewer(client); v != nil {
		m.end(v)
	}
}

// end ends a viewer from any goroutine, its own callbacks included.
func (m *media) end(v *viewer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.viewers[v.client] != v {
		return
	}
	delete(m.viewers, v.client)
	m.ending.Go(v.close)
}

func (m *media) tell(e display.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.viewers {
		v.tell(e)
	}
}

// close ends all viewers and waits for them.
func (m *media) close() {
	m.mu.Lock()
	m.closed = true
	all := m.viewers
	m.viewers = nil
	tcp := m.tcp
	m.mu.Unlock()
	for _, v := range all {
		v.close()
	}
	m.ending.Wait()
	if tcp != nil {
		_ = tcp.Close() // its connections have ended
	}
}

// negotiate obeys one message of a viewer.
func (r *registration) negotiate(_ context.Context, client int, m clientPayload) error {
	d := r.device
	v := d.media.viewer(client)
	switch m.Type {
	case "request-offer":
		return r.offer(client, m)
	case "answer":
		if v == nil {
			return fmt.Errorf("no offer was requested")
		}
		return v.answered(m.SDP)
	case "ice-candidate":
		if m.Candidate == nil || m.Candidate.Candidate == nil || m.Candidate.MID == nil || m.Candidate.LineIndex == nil {
			return errors.New("ice-candidate misses candidate, sdpMid or sdpMLineIndex")
		}
		if v == nil {
			return nil
		}
		return v.candidate(pion.ICECandidateInit{
			Candidate: *m.Candidate.Candidate, SDPMid: m.Candidate.MID, SDPMLineIndex: m.Candidate.LineIndex, UsernameFragment: m.Candidate.UFrag,
		})
	case "offer":
		if v == nil {
			return errors.New("no offer was requested")
		}
		sdp, err := v.counterOffer(m.SDP)
		if err != nil {
			return err
		}
		r.reply(client, payload{"type": "answer", "sdp": sdp})
		return nil
	}
	return fmt.Errorf("Unknown client message type: %s", m.Type) //nolint:staticcheck // the device's words
}

// offer makes a viewer and sends it its offer, then the candidates.
func (r *registration) offer(client int, m clientPayload) error {
	d := r.device
	_, unreachable, _ := d.fault("no_ice")
	config := pion.Configuration{}
	for _, s := range m.ICEServers {
		config.ICEServers = append(config.ICEServers, pion.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	d.media.mu.Lock()
	api, err := d.media.engine()
	d.media.mu.Unlock()
	if err != nil {
		return err
	}
	v, err := newViewer(d, client, api, config, unreachable)
	if err != nil {
		return err
	}
	if err := d.media.enter(v); err != nil {
		v.close()
		return err
	}
	v.peer.OnICECandidate(func(c *pion.ICECandidate) {
		if c == nil || unreachable {
			return
		}
		init := c.ToJSON()
		r.reply(client, payload{"type": "ice-candidate", "mid": *init.SDPMid, "mLineIndex": *init.SDPMLineIndex, "candidate": init.Candidate})
	})
	offer, err := v.peer.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("create an offer: %w", err)
	}
	r.reply(client, payload{"type": "offer", "sdp": offer.SDP})
	if err := v.peer.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("create an offer: %w", err)
	}
	if unreachable {
		r.reply(client, payload{"type": "ice-candidate", "mid": "0", "mLineIndex": 0,
			"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 9 typ host"})
	}
	d.logf("viewer %d was sent an offer", client)
	return nil
}

// viewerLimit is how long a viewer may take to connect.
const viewerLimit = 2 * time.Minute
