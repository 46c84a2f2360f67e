package operator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

// Place is where a service listens. Empty fields mean not at all.
type Place struct {
	HTTP    string // loopback address
	HTTPS   string // loopback address
	Certs   string // directory of cert.pem and key.pem; they are made if missing
	Devices string // registration socket
	Control string // pre-registration socket
}

// Service is an operator with its sockets. Its methods are safe for concurrent use.
type Service struct {
	options Options
	faults  *faults     // they outlive a restart
	seen    *requestLog // as do these

	acts sync.Mutex // one restart at a time
	mu   sync.Mutex
	at   Place
	up   *running // nil while it is down
	end  bool
}

// running is a service between two restarts.
type running struct {
	hub      *Hub
	servers  []*http.Server
	devices  *seqpacket.Listener
	control  *seqpacket.Listener
	finished sync.WaitGroup
}

// Start opens all sockets; like the real one it is nothing if one of them cannot be had.
func Start(o Options, at Place) (*Service, error) {
	s := &Service{options: o, faults: &faults{}, seen: &requestLog{}, at: at}
	if at.HTTPS != "" {
		if err := EnsureCertificate(at.Certs); err != nil {
			return nil, err
		}
	}
	s.acts.Lock()
	defer s.acts.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// Hub is the present state, nil while the service is down.
func (s *Service) Hub() *Hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up == nil {
		return nil
	}
	return s.up.hub
}

// Place is where the service listens; port 0 has become a real one.
func (s *Service) Place() Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// open opens all sockets at their places.
func (s *Service) open() error {
	hub := New(s.options)
	hub.faults, hub.seen, hub.act = s.faults, s.seen, s.act
	r := &running{hub: hub}
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	err := errors.Join(r.serveHTTP(&at.HTTP, nil), s.serveTLS(r, &at), r.serveSockets(at))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.end {
		err = errors.New("the operator was closed")
	}
	if err != nil {
		r.close()
		return err
	}
	s.up, s.at = r, at
	return nil
}

// serveTLS serves on the TLS port as the fault tls says.
func (s *Service) serveTLS(r *running, at *Place) error {
	if at.HTTPS == "" {
		return nil
	}
	if _, plain := s.faults.find("tls", ""); plain {
		return r.serveHTTP(&at.HTTPS, nil)
	}
	config, err := loadCertificate(at.Certs)
	if err != nil {
		return err
	}
	return r.serveHTTP(&at.HTTPS, config)
}

func (r *running) serveHTTP(address *string, config *tls.Config) error {
	if *address == "" {
		return nil
	}
	listener, err := listen(*address)
	if err != nil {
		return err
	}
	*address = listener.Addr().String()
	server := &http.Server{
		Handler: r.hub, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // clients that go in the middle of things
	}
	r.servers = append(r.servers, server)
	r.finished.Go(func() {
		if config == nil {
			_ = server.Serve(listener) // it ends with the server
			return
		}
		_ = server.ServeTLS(listener, "", "") // as above
	})
	return nil
}

// listen waits a moment for a port that connections of before still hold.
func listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("the operator's address is %q: want one such as 127.0.0.1:1080, since it knows no passwords", address)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the operator: %w", err)
	}
	return listener, nil
}

func (r *running) serveSockets(at Place) (err error) {
	if at.Devices != "" {
		if r.devices, err = seqpacket.Listen(at.Devices); err != nil {
			return err
		}
		r.finished.Go(func() { r.hub.ServeDevices(r.devices) })
	}
	if at.Control != "" {
		if r.control, err = seqpacket.Listen(at.Control); err != nil {
			return err
		}
		r.finished.Go(func() { r.hub.ServeControl(r.control) })
	}
	return nil
}

// close ends everything at once, as the end of the process does.
func (r *running) close() {
	if r.devices != nil {
		r.devices.Close()
	}
	if r.control != nil {
		r.control.Close()
	}
	for _, server := range r.servers {
		_ = server.Close() // the listener may have ended by itself
	}
	r.hub.Close()
	r.finished.Wait()
}

// Close ends the service.
func (s *Service) Close() {
	s.mu.Lock()
	s.end = true
	s.mu.Unlock()
	s.halt()
}

func (s *Service) halt() {
	s.mu.Lock()
	up := s.up
	s.up = nil
	s.mu.Unlock()
	if up != nil {
		up.close()
	}
}

// Restart closes the service, which is down for a while, and opens it anew: devices have to come back, and what
// cvd had told of them is forgotten.
func (s *Service) Restart(down time.Duration) error {
	s.acts.Lock()
	defer s.acts.Unlock()
	s.halt()
	time.Sleep(down)
	return s.open()
}

// act carries out the faults that are about the service as a whole. They begin at once and end by themselves.
func (s *Service) act(action, argument string) error {
	down := time.Duration(0)
	if action == "restart" {
		down = inject.Fault{Arg: argument}.Seconds(time.Second)
	} else if err := s.setTLS(argument); err != nil {
		return err
	}
	go func() {
		time.Sleep(10 * time.Millisecond) // whoever asked shall have the answer
		if err := s.Restart(down); err != nil {
			log.Print(err)
		}
	}()
	return nil
}

// setTLS prepares the manner of the TLS port that the next opening finds.
func (s *Service) setTLS(manner string) error {
	s.faults.mu.Lock()
	kept := s.faults.rules[:0]
	for _, r := range s.faults.rules {
		if r.name() != "tls" {
			kept = append(kept, r)
		}
	}
	s.faults.rules = kept
	s.faults.mu.Unlock()
	place := s.Place()
	switch {
	case place.HTTPS == "":
		return errors.New("the operator has no TLS port")
	case manner == "plain":
		_, err := s.faults.add(rule{Fault: "tls:plain"})
		return err
	}
	return storeCertificate(place.Certs, manner == "expired", manner == "key")
}
