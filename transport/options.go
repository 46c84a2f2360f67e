package transport

import (
	"errors"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// Options are what a Server is made of.
type Options struct {
	// Addr is the address to listen on, "host:port"; without a host on all interfaces, port 0
	// lets the system choose. Listener is used instead when it is set; the server closes it.
	Addr     string
	Listener net.Listener

	// Token is what clients present as "Bearer <token>". Required.
	Token string

	// TLSCertFile and TLSKeyFile, PEM, turn on HTTPS. Both or none.
	TLSCertFile, TLSKeyFile string

	// PathOfHost is a path that is put in front of a request's own because of the host that it is for; empty:
	// none. nil: the host means nothing.
	PathOfHost func(host string) string

	// SecretPath is how paths begin whose next part is a credential; logs leave out what follows. Empty: none.
	SecretPath string

	// Version of the program, sent in the Server header; may be empty.
	Version string

	Limits   Limits
	Log      *zap.Logger           // nil: silent
	Registry prometheus.Registerer // nil: metrics are not shown
	// Tracer makes a span of every request, which continues the client's trace; nil: none.
	Tracer trace.Tracer
}

// Limits bound what clients can make the server hold. Zero fields mean the default.
type Limits struct {
	Body          int           // bytes of a body on routes that do not say otherwise; 1 MiB
	Header        int           // bytes of request line and headers; 16 KiB
	Connections   int           // open at a time; 4096
	HeaderTimeout time.Duration // from the first byte until the headers are there; 10 s
	BodyTimeout   time.Duration // from then on until the body is there; 60 s
	IdleTimeout   time.Duration // of a connection between two requests; 70 s
	WriteTimeout  time.Duration // for an answer, or one piece of a stream, to be taken; 60 s
	Query         time.Duration // for the handler of a route that is not slow; 10 s
	Drain         time.Duration // for requests in flight when the server stops; 20 s
}

func (l Limits) orDefault() Limits {
	orDefault(&l.Body, 1<<20)
	orDefault(&l.Header, 16<<10)
	orDefault(&l.Connections, 4096)
	orDefault(&l.HeaderTimeout, 10*time.Second)
	orDefault(&l.BodyTimeout, time.Minute)
	orDefault(&l.IdleTimeout, 70*time.Second)
	orDefault(&l.WriteTimeout, time.Minute)
	orDefault(&l.Query, 10*time.Second)
	orDefault(&l.Drain, 20*time.Second)
	return l
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (o Options) check() error {
	switch {
	case o.Token == "":
		return errors.New("http server: a token is required")
	case (o.TLSCertFile == "") != (o.TLSKeyFile == ""):
		return errors.New("http server: HTTPS needs both a certificate file and a key file")
	case o.Addr == "" && o.Listener == nil:
		return errors.New("http server: an address or a listener is required")
	}
	return nil
}
