package transport_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// BenchmarkGet measures what the kit and the door add to a bare handler; the actor's share is
// measured where the actors are.
func BenchmarkGet(b *testing.B) {
	body := []byte(`{"state":"started"}`)
	b.Run("bare handler", func(b *testing.B) {
		ln := fasthttputil.NewInmemoryListener()
		server := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
			rc.SetContentType("application/json")
			rc.SetBody(body)
		}}
		go func() { _ = server.Serve(ln) }()
		defer func() { _ = server.Shutdown() }()
		get(b, ln)
	})
	b.Run("with kit and door", func(b *testing.B) {
		ln := fasthttputil.NewInmemoryListener()
		var reply any = started
		actors := transporttest.AskerFunc(func(context.Context, any) (any, error) { return reply, nil })
		transporttest.Start(b, transport.Options{Listener: ln, Registry: prometheus.NewRegistry()}, func(s *transport.Server) {
			s.Mount("", runnerapi.Routes(actors, runnerapi.Options{}))
		})
		get(b, ln)
	})
}

var started = sandbox.Info{
	ID: "dev-1", State: sandbox.Started, Since: time.Unix(1e9, 0), ObservedAt: time.Unix(1e9, 0), Instance: 1, ADBPort: 6520,
	ADBSerial: "127.0.0.1:6520", Snapshot: "android-LATEST", Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096, DiskGB: 16},
	Evidence: []sandbox.Evidence{{Layer: "adb", Fact: "answered in 1 ms", At: time.Unix(1e9, 0)}},
}

func get(b *testing.B, ln *fasthttputil.InmemoryListener) {
	client := &fasthttp.HostClient{Addr: "runner", Dial: func(string) (net.Conn, error) { return ln.Dial() }, MaxConns: 64}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		req.SetRequestURI("http://runner/sandboxes/dev-1")
		req.Header.Set("Authorization", "Bearer "+transporttest.Token)
		for pb.Next() {
			if err := client.Do(req, resp); err != nil || resp.StatusCode() != 200 {
				b.Errorf("%d %v", resp.StatusCode(), err)
				return
			}
		}
	})
	client.CloseIdleConnections()
}
