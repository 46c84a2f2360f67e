package adbd

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"
)

// The kinds of AUTH packets.
const (
	authToken     = 1
	authSignature = 2
	authPublicKey = 3
)

// keysFile holds the public keys that are let in, a line each.
const keysFile = "/data/misc/adb/adb_keys"

const (
	tokenSize  = 20
	maxKeys    = 64 << 10 // bytes of keysFile
	keyBytes   = 256      // of the modulus
	publicSize = 4 + 4 + 2*keyBytes + 4
)

func (c *conn) challenge() error {
	c.token = make([]byte, tokenSize)
	if _, err := rand.Read(c.token); err != nil {
		return err
	}
	return c.send(cmdAUTH, authToken, 0, c.token)
}

// auth lets in who has signed the token with a known key. A public key waits until the fault is
// switched off, as it would for a person at the screen.
func (c *conn) auth(h header) error {
	if h.arg0 != authSignature || h.length > keyBytes || c.token == nil {
		if err := c.skip(h.length); err != nil {
			return err
		}
		if h.arg0 == authPublicKey {
			c.running.Go(c.awaitConsent)
		}
		return nil
	}
	signature := make([]byte, h.length)
	if _, err := io.ReadFull(c.in, signature); err != nil {
		return err
	}
	for _, key := range c.server.device.knownKeys() {
		if rsa.VerifyPKCS1v15(key, crypto.SHA1, c.token, signature) == nil {
			c.token = nil
			return c.welcome()
		}
	}
	return c.challenge()
}

func (c *conn) awaitConsent() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for c.server.device.Faults.RequireAuth.Load() {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
	}
	c.welcome()
}

// knownKeys reads keysFile; lines that are no keys are passed over.
func (d Device) knownKeys() []*rsa.PublicKey {
	f, err := d.Guest.Files(true).Open(keysFile, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeys))
	if err != nil {
		return nil
	}
	var keys []*rsa.PublicKey
	for line := range strings.Lines(string(text)) {
		encoded, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key, err := parsePublic(encoded); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// parsePublic reads a public key in Android's form (android_pubkey.cpp): the count of words, a
// number for Montgomery's method, the modulus, another such number, the exponent.
func parsePublic(encoded string) (*rsa.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	if len(raw) != publicSize || binary.LittleEndian.Uint32(raw) != keyBytes/4 {
		return nil, errors.New("not a key of 2048 bits")
	}
	modulus := slices.Clone(raw[8 : 8+keyBytes])
	slices.Reverse(modulus)
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(binary.LittleEndian.Uint32(raw[publicSize-4:]))}
	if key.N.BitLen() != 8*keyBytes || key.E != 3 && key.E != 65537 {
		return nil, errors.New("not an RSA key")
	}
	return key, nil
}
