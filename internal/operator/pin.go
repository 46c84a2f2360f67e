package operator

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Pins remembers which certificate the operator had when it was met first. It is asked rarely.
type Pins interface {
	// Pin returns the fingerprint in hex; empty when there is none yet.
	Pin() (string, error)
	// SavePin keeps one for good.
	SavePin(fingerprint string) error
}

// certificateError is an operator with another certificate than it should have.
type certificateError struct{ want, got string }

func (e *certificateError) Error() string {
	return fmt.Sprintf("its certificate has the SHA-256 fingerprint %s, not %s", e.got, e.want)
}

func (e *certificateError) fault() error {
	return fault.New(fault.Unavailable, "the display operator is not trusted: %s. If it was made anew on purpose, set "+
		"CVD_OPERATOR_CERT_SHA256 to the new one, or remove the remembered one", e.Error())
}

// Fingerprint reads what a person wrote: 64 hex digits, with or without colons.
func Fingerprint(text string) (string, error) {
	plain := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(text))
	if raw, err := hex.DecodeString(plain); err != nil || len(raw) != sha256.Size {
		return "", fault.Invalidf("%q is no SHA-256 fingerprint: want 64 hex digits", text)
	}
	return plain, nil
}

// pinned is a TLS configuration that takes one certificate, whatever names it has: the operator's has none.
func pinned(fingerprint string, pins Pins) (*tls.Config, error) {
	p := &pin{pins: pins}
	if fingerprint != "" {
		want, err := Fingerprint(fingerprint)
		if err != nil {
			return nil, err
		}
		p.want = want
	}
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the certificate itself is compared
		VerifyConnection:   p.verify,
		NextProtos:         []string{"http/1.1"},
		MinVersion:         tls.VersionTLS12,
	}, nil
}

// pin is the certificate that is wanted.
type pin struct {
	pins Pins // nil: none

	mu      sync.Mutex
	want    string // empty: not known yet
	learned bool   // want is what Pins remembers
}

// verify compares the leaf of a connection.
func (p *pin) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return &certificateError{p.want, "none"}
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	got := hex.EncodeToString(sum[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.learn(got); err != nil {
		return err
	}
	if p.matches(got) {
		return nil
	}
	if p.learned { // somebody may have made it be forgotten since
		p.want, p.learned = "", false
		if err := p.learn(got); err != nil {
			return err
		}
		if p.matches(got) {
			return nil
		}
	}
	return &certificateError{p.want, got}
}

func (p *pin) matches(got string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(p.want)) == 1
}

// learn finds out what is wanted: what is remembered, or else what was met first.
func (p *pin) learn(met string) error {
	if p.want != "" {
		return nil
	}
	if p.pins == nil {
		p.want = met
		return nil
	}
	want, err := p.pins.Pin()
	if err != nil {
		return fmt.Errorf("read the remembered certificate of the operator: %w", err)
	}
	if want == "" {
		if err := p.pins.SavePin(met); err != nil {
			return fmt.Errorf("remember the certificate of the operator: %w", err)
		}
		want = met
	}
	p.want, p.learned = want, true
	return nil
}
