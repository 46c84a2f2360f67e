package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

const (
	// maxSignal is the largest message of a browser that the operator takes.
	maxSignal = 64 << 10
	// maxFromDevice bounds one message of a device: an offer with all its candidates is some KiB.
	maxFromDevice = 1 << 20
	// operatorSilent is how long the operator may say nothing; it pings every 30 s.
	operatorSilent = 75 * time.Second
	// slowViewer is how long a viewer may take for one message. The operator holds up all viewers of the device
	// for one that does not read.
	slowViewer = 5 * time.Second
	// operatorWrite is how long the operator may take for one message.
	operatorWrite = 10 * time.Second
)

// signalling joins the browser's WebSocket with the operator's, for as long as the device is started.
func (d *Door) signalling(c *transport.Ctx, held use, shown *display, device string) error {
	if device != shown.device() {
		return transport.NotFound(c)
	}
	if !c.WantsSocket() {
		return fault.Invalidf("a WebSocket is wanted here: send Connection: Upgrade and Upgrade: websocket")
	}
	ctx, cancel := context.WithTimeout(held.Context, d.File)
	defer cancel()
	if !d.sockets.Take(held.ID, d.Sockets) {
		return fault.Exhaustedf("%d viewers watch sandbox %s already", d.Sockets, held.ID)
	}
	leave := func() { d.sockets.Leave(held.ID) }
	up, err := d.operator.Connect(ctx, device)
	if err != nil {
		leave()
	}
	if fault.Is(err, fault.NotFound) { // not registered, or an operator without WebSockets: the connector tries polling
		return transport.NotFound(c)
	}
	if err != nil {
		return err
	}
	return c.Upgrade(transport.SocketOptions{
		ReadLimit: maxSignal, WriteLimit: slowViewer, Abandon: func() { _ = up.Close(); leave() },
	}, func(_ context.Context, s *transport.Socket) error {
		defer leave()
		join(held.Context, held.until, s, up)
		return nil
	})
}

// join passes messages both ways until a side ends, or the lease or the right to it does. The closes say why.
func join(lease, right context.Context, s *transport.Socket, up *websocket.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fromOperator(s, up)
		s.StopReading()
	}()
	defer s.CloseWith(lease)()
	defer s.CloseWith(right)()
	for {
		text, message, err := s.Read()
		if err != nil {
			break
		}
		if !text {
			s.Close(transport.ClosePolicy, "the signalling is JSON in text messages")
			break
		}
		_ = up.SetWriteDeadline(time.Now().Add(operatorWrite))
		if up.WriteMessage(websocket.TextMessage, message) != nil {
			break
		}
	}
	if isGuest(right) {
		// No operator tells the device that a viewer has gone, and video, input and ADB go on between browser and device. What
		// asks anew ends what was there before.
		_ = up.SetWriteDeadline(time.Now().Add(operatorWrite))
		_ = up.WriteMessage(websocket.TextMessage, askAnew)
	}
	_ = up.Close()
	<-done
}

// askAnew makes the device replace a viewer's connection by one that nobody answers.
var askAnew = []byte(`{"type":"request-offer"}`)

// fromOperator brings the device's messages. A viewer that does not take them is given up.
func fromOperator(s *transport.Socket, up *websocket.Conn) {
	messages := &backlog{send: s.Text, failed: s.StopReading}
	up.SetReadLimit(maxFromDevice)
	alive := func() { _ = up.SetReadDeadline(time.Now().Add(operatorSilent)) }
	answer := up.PingHandler()
	up.SetPingHandler(func(data string) error { alive(); return answer(data) })
	for {
		alive()
		kind, message, err := up.ReadMessage()
		if err != nil {
			messages.finish(slowViewer)
			s.Close(transport.CloseGoing, whyEnded(err))
			return
		}
		if kind != websocket.TextMessage {
			continue
		}
		if !messages.add(message) {
			_ = up.Close() // the operator waits for nobody here
			messages.close()
			s.Close(transport.ClosePolicy, "the viewer does not read")
			messages.finish(slowViewer)
			return
		}
	}
}

// whyEnded says how the operator's side ended, for the page.
func whyEnded(err error) string {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Text != "" {
		return "the operator closed the signalling: " + closed.Text
	}
	return "the operator or the device closed the signalling"
}
