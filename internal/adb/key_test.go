package adb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
)

// The numbers that a device computes with must fit the modulus.
func TestThePublicHalfOfAKey(t *testing.T) {
	t.Parallel()
	k, err := NewKey(" runner  on\nhost ")
	if err != nil {
		t.Fatal(err)
	}
	encoded, comment, _ := strings.Cut(k.Public(), " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 524 || comment != "runner_on_host" {
		t.Fatalf("%d bytes, comment %q, %v", len(raw), comment, err)
	}
	le := binary.LittleEndian
	if words, exponent := le.Uint32(raw), le.Uint32(raw[520:]); words != 64 || exponent != 65537 {
		t.Errorf("%d words, exponent %d", words, exponent)
	}
	if inverse, lowest := le.Uint32(raw[4:]), le.Uint32(raw[8:]); inverse*lowest != ^uint32(0) {
		t.Errorf("%d is not -1/%d", inverse, lowest)
	}
	number := func(b []byte) *big.Int {
		b = slices.Clone(b)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	n, square := number(raw[8:264]), number(raw[264:520])
	want := new(big.Int).Exp(big.NewInt(2), big.NewInt(4096), n)
	if n.Cmp(k.private.N) != 0 || square.Cmp(want) != 0 {
		t.Error("modulus or square differ")
	}
}

func TestKeysOfOtherKindsAreRefused(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := func(key any) []byte {
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	}
	for name, raw := range map[string][]byte{
		"1024 bits": der(small), "a curve": der(curve), "no PEM": []byte("x"),
		"no key in PEM": []byte("-----BEGIN PRIVATE KEY-----\neA==\n-----END PRIVATE KEY-----\n"),
	} {
		if _, err := parseKey(raw, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k, err := NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	old := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k.private)})
	if again, err := parseKey(old, "@unknown"); err != nil || again.Public() != k.Public() {
		t.Errorf("PKCS #1: %v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\neA==\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if k, err := parseKey(raw, "x"); err == nil && k.private.N.BitLen() != keyBits {
			t.Errorf("a key of %d bits", k.private.N.BitLen())
		}
	})
}
