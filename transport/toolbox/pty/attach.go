package pty

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

const (
	protocolExit    = "X-Daytona-Pty-Exit-Control" // announce the exit in a message
	protocolEnvs    = "X-Daytona-Pty-Envs~"        // base64url of a JSON object
	protocolVersion = "X-Daytona-SDK-Version~"
)

const (
	// maxInput is the largest message from a client.
	maxInput = 64 << 10
	// maxOutput is the largest message to one.
	maxOutput = 32 << 10
)

// offer is what a client says in its subprotocols.
type offer struct {
	chosen string // the one that is answered; clients fail without one they offered
	exit   bool
	envs   map[string]string
}

func readOffer(c *transport.Ctx) (offer, error) {
	var o offer
	var version, envs string
	for _, p := range c.Offered() {
		switch {
		case p == protocolExit:
			o.exit = true
		case strings.HasPrefix(p, protocolVersion):
			version = p
		case strings.HasPrefix(p, protocolEnvs):
			envs = p
			data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p[len(protocolEnvs):], "="))
			if err == nil {
				err = json.Unmarshal(data, &o.envs)
			}
			if err != nil {
				return o, fault.Invalidf("subprotocol %s: %v", strings.TrimSuffix(protocolEnvs, "~"), err)
			}
		}
	}
	switch {
	case o.exit:
		o.chosen = protocolExit
	case version != "":
		o.chosen = version
	default:
		o.chosen = envs
	}
	return o, nil
}

// control is a message about the terminal instead of from it.
type control struct {
	Type     string `json:"type"`
	Status   string `json:"status"`
	Error    string `json:"error,omitempty"`
	ExitCode *int   `json:"exitCode,omitempty"`
	Reason   string `json:"exitReason,omitempty"`
}

func say(s *transport.Socket, m control) error {
	m.Type = "control"
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.Text(data)
}

// serve upgrades, finds or makes the terminal, and attaches the client. A client reads no answer to a
// failed handshake, so even errors are told over the socket.
func (d *Door) serve(c *transport.Ctx, o offer, find func() (*terminal, error)) error {
	return c.Upgrade(transport.SocketOptions{Protocol: o.chosen, ReadLimit: maxInput}, func(ctx context.Context, s *transport.Socket) error {
		t, err := find()
		if err == nil {
			err = d.attach(ctx, s, t, o.exit)
		}
		if err != nil {
			_ = say(s, control{Status: "error", Error: "Failed to connect to PTY session: " + err.Error()})
		}
		return err
	})
}

// attach serves a client until it leaves or the terminal ends; the first one of a lazy terminal starts it. An
// error means that the client was not attached.
func (d *Door) attach(ctx context.Context, s *transport.Socket, t *terminal, exit bool) error {
	c := newClient(d.MaxBehind)
	if err := t.attach(c); err != nil {
		return err
	}
	defer t.detach(c)
	proc, err := t.start(ctx)
	if err != nil {
		if ctx.Err() == nil { // it was not this client who gave up
			t.end(ending{err: err})
		}
		return err
	}
	if say(s, control{Status: "connected"}) != nil {
		return nil
	}
	left, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.write(s, exit, left)
		s.StopReading()
	}()
	for {
		_, data, err := s.Read()
		if err != nil {
			break
		}
		_, _ = proc.Write(data) // one that fails is ending, and the writer says how
	}
	close(left)
	<-done
	return nil
}

// write sends what the terminal prints, and at last how it ended, until the client leaves.
func (c *client) write(s *transport.Socket, exit bool, left <-chan struct{}) {
	for {
		select {
		case <-c.wake:
		case <-left:
			return
		}
		data, slow, how := c.take()
		for _, piece := range data {
			for len(piece) > 0 {
				n := min(len(piece), maxOutput)
				if s.Binary(piece[:n]) != nil {
					return
				}
				piece = piece[n:]
			}
		}
		switch {
		case slow:
			s.Close(transport.ClosePolicy, "slow consumer")
			return
		case how != nil:
			goodbye(s, *how, exit)
			return
		}
	}
}

// goodbye says how the terminal ended.
func goodbye(s *transport.Socket, how ending, exit bool) {
	if how.err != nil {
		if exit {
			_ = say(s, control{Status: "error", Error: how.err.Error()})
		}
		s.Close(transport.CloseInternal, how.err.Error())
		return
	}
	m := control{Status: "exited", ExitCode: &how.exit, Reason: how.reason()}
	if exit {
		_ = say(s, m)
	}
	reason, _ := json.Marshal(struct { // a number and a word: cannot fail
		ExitCode int    `json:"exitCode"`
		Reason   string `json:"exitReason,omitempty"`
	}{how.exit, m.Reason})
	code := transport.CloseNormal
	if how.exit != 0 {
		code = transport.CloseInternal
	}
	s.Close(code, string(reason))
}
