package webrtc

import (
	"context"
	"net"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"
)

// adbChannel bridges a channel of a page and the device's ADB port.
type adbChannel struct {
	conn net.Conn
	low  chan struct{} // gets a value when the browser has caught up
	done chan struct{}
	end  sync.Once
}

const (
	adbChunk   = 16 << 10
	adbBacklog = 1 << 20
	adbLimit   = 30 * time.Second // for a side that does not read
)

// bridgeADB connects to the port when the channel is there; without a port the page waits in vain.
func (v *viewer) bridgeADB(channel *pion.DataChannel) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(context.Background(), "tcp", loopbackPort(v.device.options.ADBPort))
	if err != nil {
		v.device.logf("viewer %d has no ADB: %v", v.client, err)
		return
	}
	a := &adbChannel{conn: conn, low: make(chan struct{}, 1), done: make(chan struct{})}
	v.mu.Lock()
	over := v.over
	if !over {
		v.adb = append(v.adb, a)
	}
	v.mu.Unlock()
	if over {
		a.close()
		return
	}
	channel.SetBufferedAmountLowThreshold(adbBacklog / 2)
	channel.OnBufferedAmountLow(func() {
		select {
		case a.low <- struct{}{}:
		default:
		}
	})
	channel.OnMessage(func(m pion.DataChannelMessage) {
		conn.SetWriteDeadline(time.Now().Add(adbLimit))
		if _, err := conn.Write(m.Data); err != nil {
			a.close()
		}
	})
	channel.OnClose(a.close)
	channel.OnOpen(func() { go a.pump(channel) })
}

// pump sends what the device says, as fast as the browser takes it.
func (a *adbChannel) pump(channel *pion.DataChannel) {
	defer a.close()
	buffer := make([]byte, adbChunk)
	for {
		n, err := a.conn.Read(buffer)
		if n > 0 && channel.Send(buffer[:n]) != nil || err != nil {
			return
		}
		for channel.BufferedAmount() > adbBacklog {
			select {
			case <-a.low:
			case <-a.done:
				return
			case <-time.After(adbLimit):
				return
			}
		}
	}
}

func (a *adbChannel) close() {
	a.end.Do(func() {
		close(a.done)
		a.conn.Close()
	})
}
