package webrtc

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/daytonaio/runner-android/internal/sim/display"
)

// viewer is the peer connection of one browser.
type viewer struct {
	device      *Device
	client      int
	peer        *pion.PeerConnection
	control     *pion.DataChannel
	unreachable bool
	limit       *time.Timer // until it has to be connected
	closing     sync.Once

	mu       sync.Mutex
	answer   bool                    // an answer was taken
	early    []pion.ICECandidateInit // candidates that came before it
	watching bool                    // it has joined the cast
	over     bool
	adb      []*adbChannel
}

// newViewer makes a peer connection with the display's track and the channel that has to be in the first offer.
func newViewer(d *Device, client int, api *pion.API, config pion.Configuration, unreachable bool) (*viewer, error) {
	peer, err := api.NewPeerConnection(config)
	if err != nil {
		return nil, fmt.Errorf("make a peer connection: %w", err)
	}
	v := &viewer{device: d, client: client, peer: peer, unreachable: unreachable}
	v.limit = time.AfterFunc(viewerLimit, func() { d.media.end(v) })
	sender, err := peer.AddTrack(d.cast.track)
	if err == nil {
		go v.watchFeedback(sender)
		v.control, err = peer.CreateDataChannel("device-control", nil)
	}
	if err != nil {
		v.close()
		return nil, fmt.Errorf("make a peer connection: %w", err)
	}
	v.control.OnOpen(func() {
		for _, e := range d.lastEvents() {
			v.tell(e)
		}
	})
	v.control.OnMessage(func(m pion.DataChannelMessage) { v.obey(m) })
	peer.OnDataChannel(v.opened)
	peer.OnConnectionStateChange(v.stateChanged)
	return v, nil
}

// watchFeedback sends the picture again when the browser asks for a key frame. It ends with the connection.
func (v *viewer) watchFeedback(sender *pion.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if wantsKeyFrame(p) {
				v.device.cast.refresh(1)
			}
		}
	}
}

func (v *viewer) stateChanged(state pion.PeerConnectionState) {
	v.device.logf("viewer %d is %s", v.client, state)
	switch state {
	case pion.PeerConnectionStateConnected:
		v.limit.Stop()
		v.mu.Lock()
		first := !v.watching && !v.over
		v.watching = v.watching || first
		v.mu.Unlock()
		if first {
			v.device.cast.join()
		}
	case pion.PeerConnectionStateFailed, pion.PeerConnectionStateClosed:
		v.device.media.end(v)
	default:
	}
}

// close ends everything that the viewer has.
func (v *viewer) close() {
	v.closing.Do(func() {
		v.limit.Stop()
		v.mu.Lock()
		v.over = true
		watching, adb := v.watching, v.adb
		v.adb = nil
		v.mu.Unlock()
		for _, a := range adb {
			a.close()
		}
		v.device.liftFingers(v.client)
		_ = v.peer.Close() // it is over either way
		if watching {
			v.device.cast.leave()
		}
	})
}

// answered takes the browser's answer and what came before it.
func (v *viewer) answered(sdp string) error {
	if err := v.peer.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: sdp}); err != nil {
		return fmt.Errorf("take the answer: %w", err)
	}
	v.mu.Lock()
	early := v.early
	v.answer, v.early = true, nil
	v.mu.Unlock()
	var errs []error
	for _, c := range early {
		errs = append(errs, v.peer.AddICECandidate(c))
	}
	return errors.Join(errs...)
}

// maxEarly bounds the candidates that wait for an answer.
const maxEarly = 100

func (v *viewer) candidate(c pion.ICECandidateInit) error {
	if v.unreachable {
		return nil
	}
	v.mu.Lock()
	if !v.answer {
		if len(v.early) < maxEarly {
			v.early = append(v.early, c)
		}
		v.mu.Unlock()
		return nil
	}
	v.mu.Unlock()
	return v.peer.AddICECandidate(c)
}

// counterOffer answers an offer of the browser, which comes when it adds a microphone or camera.
func (v *viewer) counterOffer(sdp string) (string, error) {
	if err := v.peer.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: sdp}); err != nil {
		return "", fmt.Errorf("take the offer: %w", err)
	}
	answer, err := v.peer.CreateAnswer(nil)
	if err == nil {
		err = v.peer.SetLocalDescription(answer)
	}
	if err != nil {
		return "", fmt.Errorf("answer the offer: %w", err)
	}
	return answer.SDP, nil
}

// tell sends an event; a channel that is not open yet gets the last ones when it is.
func (v *viewer) tell(e display.Event) {
	data, err := json.Marshal(e)
	if err == nil && v.control != nil && v.control.ReadyState() == pion.DataChannelStateOpen {
		_ = v.control.SendText(string(data)) // a browser that is gone learns nothing
	}
}

// opened takes a channel that the page has made.
func (v *viewer) opened(channel *pion.DataChannel) {
	switch channel.Label() {
	case "input-channel":
		channel.OnMessage(func(m pion.DataChannelMessage) {
			if m.IsString {
				v.device.input(v.client, m.Data)
			}
		})
	case "adb-channel":
		v.bridgeADB(channel)
	default: // accepted, and ignored
	}
}
