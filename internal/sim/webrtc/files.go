package webrtc

import (
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

//go:embed page
var pageFiles embed.FS

// maxHeader is how much room the real file server has for the headers of a request.
const maxHeader = 4096

// fileServer serves the page on a free loopback port.
type fileServer struct {
	device *Device
	port   int
	ended  sync.WaitGroup
	cancel context.CancelFunc
}

// serveFiles begins to serve the page.
func (d *Device) serveFiles(ctx context.Context) (*fileServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loopbackPort(0))
	if err != nil {
		return nil, fmt.Errorf("serve the page: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &fileServer{device: d, port: listener.Addr().(*net.TCPAddr).Port, cancel: cancel}
	f.ended.Go(func() { f.run(ctx, listener) })
	return f, nil
}

func (f *fileServer) stop() {
	f.cancel()
	f.ended.Wait()
}

// run serves while the port is open, which it is not while the device is stale.
func (f *fileServer) run(ctx context.Context, listener net.Listener) {
	for ctx.Err() == nil {
		_, stale, changed := f.device.fault("stale")
		if !stale {
			if listener == nil {
				var err error
				if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", loopbackPort(f.port)); err != nil {
					f.device.logf("serve the page: %v", err)
				}
			}
			if listener != nil {
				f.serve(ctx, listener)
				listener = nil
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	if listener != nil {
		listener.Close()
	}
}

// serve serves until the device is stale or ctx ends.
func (f *fileServer) serve(ctx context.Context, listener net.Listener) {
	server := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, stale, changed := f.device.fault("stale")
			if stale || ctx.Err() != nil {
				_ = server.Close() // nothing else holds the listener
				return
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
	}()
	_ = server.Serve(listener) // it ends with the server
	<-done
}

// ServeHTTP serves one file.
func (f *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, frozen, _ := f.device.fault("freeze"); frozen {
		f.freeze(r.Context())
		return
	}
	if slow, ok, _ := f.device.fault("slow"); ok {
		wait(r.Context(), slow)
	}
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("Host: \r\n HTTP/1.1\r\n\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size > maxHeader {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	name := path.Join("page", path.Clean("/"+r.URL.Path))
	if name == "page" {
		name = "page/client.html"
	}
	data, err := fs.ReadFile(pageFiles, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if _, hostile, _ := f.device.fault("hostile"); hostile {
		f.serveHostile(w, name, data)
		return
	}
	_, _ = w.Write(data) // a reader that is gone learns nothing
}

// serveHostile serves compressed files whether the reader can read them or not, and a page without a head.
func (f *fileServer) serveHostile(w http.ResponseWriter, name string, data []byte) {
	if strings.HasSuffix(name, ".html") {
		data = []byte(strings.NewReplacer("<head>", "", "</head>", "").Replace(string(data)))
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(data) // a reader that is gone learns nothing
	_ = z.Close()        // as above
}

// freeze waits until the reader gives up, or the device is thawed.
func (f *fileServer) freeze(ctx context.Context) {
	for {
		_, frozen, changed := f.device.fault("freeze")
		if !frozen {
			panic(http.ErrAbortHandler) // what was asked in the meantime is lost
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func wait(ctx context.Context, f inject.Fault) {
	select {
	case <-ctx.Done():
	case <-time.After(f.Seconds(time.Second)):
	}
}
