package ledger

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// pinFile holds the fingerprint of the operator's certificate, as it was met first.
	pinFile = ".operator-cert"
	// maxPin bounds what is read of it.
	maxPin = 1 << 10
	// pinLimit bounds reading and writing it.
	pinLimit = 5 * time.Second
)

// OperatorPin remembers the certificate of the host's display operator. A person who has made a new one removes
// the file.
type OperatorPin struct{ Ledger *Ledger }

// Pin returns the fingerprint in hex; empty when none was met yet.
func (p OperatorPin) Pin() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pinLimit)
	defer cancel()
	text, err := p.Ledger.files.ReadFile(ctx, p.path(), maxPin)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), fault.Op("read the operator's certificate", err)
}

// SavePin keeps a fingerprint, durably.
func (p OperatorPin) SavePin(fingerprint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), pinLimit)
	defer cancel()
	return fault.Op("remember the operator's certificate", p.Ledger.files.WriteFile(ctx, p.path(), []byte(fingerprint+"\n"), filePerm))
}

func (p OperatorPin) path() string { return path.Join(p.Ledger.dir, pinFile) }
