package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
)

// lastWords is how long before the end of the drain the handlers that still wait are told. An
// exec then has to end its command in the guest.
const lastWords = 6 * time.Second

// errStopping is what clients hear while the server stops.
var errStopping = fault.New(fault.Cancelled, "the runner is stopping; what was begun continues, ask again when it is back")

// Server serves the routes that were mounted on it. Mount first, then Listen, then Serve, each
// from one goroutine.
type Server struct {
	options   Options
	limits    Limits
	log       *zap.Logger
	metrics   *metrics
	guard     guard
	redactor  Redactor
	ids       *requestIDs
	router    *router.Router
	routes    []*boundRoute
	unmatched *boundRoute // requests for no route of ours
	malformed *boundRoute // requests that could not be read
	http      *fasthttp.Server
	sockets   sockets

	listener net.Listener
	addr     net.Addr

	life      context.Context // of handlers; ends with Serve, or when the drain has lasted too long
	end       context.CancelCauseFunc
	deadlines deadlines
	draining  atomic.Bool
}

// New makes a server without routes. It starts nothing.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	s := &Server{
		options: o, limits: o.Limits.orDefault(), log: o.Log.Named("transport"), metrics: newMetrics(o.Registry),
		guard: guard{[]byte(o.Token)}, redactor: NewRedactor(o.Token), ids: newRequestIDs(), router: router.New(),
	}
	s.router.RedirectTrailingSlash, s.router.RedirectFixedPath = false, false
	s.life, s.end = context.WithCancelCause(context.Background())
	s.sockets.life, s.sockets.stop = context.WithCancelCause(s.life)
	s.deadlines.life, s.deadlines.limit = s.life, s.limits.Query
	s.unmatched = s.bind(Route{Path: "unmatched", Open: true, Handler: NotFound}, "other", 0)
	s.malformed = s.bind(Route{Path: "malformed", Open: true}, "other", 0)
	s.http = s.newHTTP()
	return s, nil
}

func (s *Server) newHTTP() *fasthttp.Server {
	name := "runner-android"
	if s.options.Version != "" {
		name += "/" + s.options.Version
	}
	return &fasthttp.Server{
		Name: name, Handler: s.dispatch, ErrorHandler: s.unreadable, HeaderReceived: s.configure,
		ReadBufferSize: s.limits.Header, Concurrency: s.limits.Connections,
		ReadTimeout: s.limits.HeaderTimeout, WriteTimeout: s.limits.WriteTimeout, IdleTimeout: s.limits.IdleTimeout,
		// Bodies are read by us, when it is known who sends them and to which route.
		StreamRequestBody: true, DisablePreParseMultipartForm: true, CloseOnShutdown: true, SecureErrorLogMessage: true,
		KeepHijackedConns: true, // we close them
		Logger:            libraryLog{s.log, s.redactor},
	}
}

// Mount adds a door's routes below prefix, which is empty or begins with a slash. Error answers
// of the routes name the path below the prefix, as the daemon in an ordinary sandbox would. Two
// routes alike, or a malformed pattern, are a programmer's mistake and panic.
func (s *Server) Mount(prefix string, routes []Route) {
	for _, r := range routes {
		r.Path = prefix + r.Path
		b := s.bind(r, r.Method, countParts(prefix))
		s.router.Handle(r.Method, r.Path, b.serve)
		s.routes = append(s.routes, b)
	}
}

func countParts(prefix string) (n int) {
	for _, c := range prefix {
		if c == '/' {
			n++
		}
	}
	return n
}

func (s *Server) bind(r Route, method string, depth int) *boundRoute {
	return &boundRoute{Route: r, server: s, depth: depth, method: method}
}

// Routes lists what is mounted, with full paths.
func (s *Server) Routes() []Route {
	out := make([]Route, len(s.routes))
	for i, b := range s.routes {
		out[i] = b.Route
	}
	return out
}

// Addr is the address that Listen took.
func (s *Server) Addr() net.Addr { return s.addr }

// Serve answers requests until ctx ends. Then it takes no new connection, refuses new requests
// on open ones (503 CANCELLED), and returns when those in flight are answered, at the latest
// after Limits.Drain. Shortly before that, handlers that still wait are told to stop waiting.
func (s *Server) Serve(ctx context.Context) error {
	defer s.end(errStopping)
	if s.listener == nil {
		return errors.New("http server: Serve without Listen")
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	s.log.Info("listening", zap.Stringer(obs.Address, s.addr))
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP on %s: %w", s.addr, err)
	case <-ctx.Done():
	}
	return errors.Join(s.drain(), <-served)
}

func (s *Server) drain() error {
	s.draining.Store(true)
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Drain)
	defer cancel()
	tell := time.AfterFunc(max(s.limits.Drain-lastWords, s.limits.Drain/2), func() { s.end(errStopping) })
	defer tell.Stop()
	s.sockets.stop(errStopping)
	err := errors.Join(s.sockets.wait(ctx), s.http.ShutdownWithContext(ctx))
	_ = s.listener.Close() // a Serve that had not begun to accept is not known to fasthttp
	if err != nil {
		return fmt.Errorf("stop the HTTP server: %d connections are still busy after %s: %w",
			s.http.GetCurrentConcurrency(), s.limits.Drain, err)
	}
	s.log.Info("drained", zap.Duration(obs.Took, time.Since(begun)))
	return nil
}

// Close gives up the address of a server that will not serve.
func (s *Server) Close() error {
	s.end(errStopping)
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// libraryLog is fasthttp's log, which speaks of single connections: debug, and without secrets.
type libraryLog struct {
	log      *zap.Logger
	redactor Redactor
}

func (l libraryLog) Printf(format string, args ...any) {
	if entry := l.log.Check(zap.DebugLevel, "fasthttp"); entry != nil {
		entry.Write(zap.String(obs.Reason, l.redactor.Clean(fmt.Sprintf(format, args...))))
	}
}
