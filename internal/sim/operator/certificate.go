package operator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// lifetime of a certificate of the init script.
const lifetime = 36000 * 24 * time.Hour

// newCertificate makes what the init script makes, but for the key's type, which is quicker to make: subject
// C=US and no name of a host. An expired one ended yesterday; an odd one has a key that browsers do not take.
func newCertificate(expired, odd bool) (certificate, key []byte, err error) {
	var private crypto.Signer
	if private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); odd && err == nil {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	begin := time.Now().Add(-time.Hour)
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Country: []string{"US"}}, NotBefore: begin, NotAfter: begin.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true,
	}
	if expired {
		template.NotBefore, template.NotAfter = begin.Add(-48*time.Hour), begin.Add(-24*time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// storeCertificate makes cert.pem and key.pem in dir.
func storeCertificate(dir string, expired, odd bool) error {
	certificate, key, err := newCertificate(expired, odd)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("store the certificate: %w", err)
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "cert.pem"), certificate, 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
}

// EnsureCertificate makes a certificate where there is none.
func EnsureCertificate(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cert.pem")); err == nil {
		return nil
	}
	return storeCertificate(dir, false, false)
}

// Fingerprint is the SHA-256 of the certificate in dir, in hexadecimal.
func Fingerprint(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		return "", fmt.Errorf("read the operator's certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return "", errors.New("read the operator's certificate: no PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:]), nil
}

func loadCertificate(dir string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("load the operator's certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}
