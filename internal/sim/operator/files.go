package operator

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// connectorPath is the one file of the page that is the operator's own.
const connectorPath = "/js/server_connector.js"

// file serves a file of the device's page.
func (h *Hub) file(w http.ResponseWriter, r *http.Request, id, path string) {
	d := h.device(id)
	if d == nil {
		http.NotFound(w, r)
		return
	}
	if trickle, ok := h.faults.take("trickle", id); ok {
		w = trickler{w, r.Context(), trickle.duration(100 * time.Millisecond)}
	}
	if path == connectorPath {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(connector) // a client that is gone learns nothing
		return
	}
	target := &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)), Path: path, RawQuery: r.URL.RawQuery}
	h.reverse(w, r, target, "op-device")
}

// openWRT serves the router's administration, where the device has one.
func (h *Hub) openWRT(w http.ResponseWriter, r *http.Request, id, path string) {
	var info struct {
		ID      string `json:"openwrt_device_id"`
		Address string `json:"openwrt_addr"`
	}
	d := h.device(id)
	if d == nil || json.Unmarshal(d.Info, &info) != nil || info.Address == "" {
		http.NotFound(w, r)
		return
	}
	h.reverse(w, r, &url.URL{Scheme: "http", Host: info.Address, Path: "/devices/" + info.ID + "/openwrt/" + path, RawQuery: r.URL.RawQuery}, "op-openwrt")
}

// reverse passes a request on, without a time-out. What cannot be reached is an empty 502 with a mark.
func (h *Hub) reverse(w http.ResponseWriter, r *http.Request, target *url.URL, mark string) {
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, target.Host
			if !h.options.Version.AtLeast(1, 55) {
				return
			}
			for name := range p.Out.Header {
				if name == "Cookie" || name == "Authorization" || strings.HasPrefix(name, "X-") {
					p.Out.Header.Del(name)
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.Header().Set("X-Cutf-Proxy", mark)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, r)
}

// trickler writes a body a few bytes at a time.
type trickler struct {
	http.ResponseWriter
	ctx   context.Context
	pause time.Duration
}

const trickleBytes = 64

func (t trickler) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(trickleBytes, len(p))]
		m, err := t.ResponseWriter.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		_ = http.NewResponseController(t.ResponseWriter).Flush() // what cannot be flushed comes later
		p = p[len(piece):]
		select {
		case <-time.After(t.pause):
		case <-t.ctx.Done():
			return n, t.ctx.Err()
		}
	}
	return n, nil
}

// adb bridges a WebSocket and the device's ADB port, for pages of the same origin.
func (h *Hub) adb(w http.ResponseWriter, r *http.Request, id string) {
	d := h.device(id)
	if d == nil {
		http.Error(w, "Device not found", http.StatusNotFound)
		return
	}
	port := d.adbPort
	if port == 0 {
		var info struct {
			Port int `json:"adb_port"`
		}
		_ = json.Unmarshal(d.Info, &info) // what is no number is no port
		port = info.Port
	}
	if port == 0 {
		http.Error(w, "Cannot find adb port for the device", http.StatusNotFound)
		return
	}
	adb, err := new(net.Dialer).DialContext(r.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return // 200 and nothing, as upstream
	}
	defer adb.Close()
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.NetConn().Close()
	go func() {
		defer conn.NetConn().Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := adb.Read(buffer)
			if n > 0 && conn.WriteMessage(websocket.BinaryMessage, buffer[:n]) != nil || err != nil {
				return
			}
		}
	}()
	for {
		_, message, err := conn.NextReader()
		if err != nil {
			return
		}
		if _, err := io.Copy(adb, message); err != nil {
			return
		}
	}
}
