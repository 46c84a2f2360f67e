package adb

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	keyBits  = 2048 // the only size that devices take
	keyWords = keyBits / 32
	// tokenSize is what a device sends to be signed: it is taken for a SHA-1 digest.
	tokenSize = 20
	// maxKeyFile is far over what a key needs.
	maxKeyFile = 64 << 10
)

// Key is an adb key: devices that know its public half let its owner in.
type Key struct {
	private *rsa.PrivateKey
	public  string
}

// NewKey makes a key. The comment stands behind its public half; adb writes user@host.
func NewKey(comment string) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make an adb key: %w", err)
	}
	return newKey(private, comment)
}

func newKey(private *rsa.PrivateKey, comment string) (*Key, error) {
	if private.N.BitLen() != keyBits || private.E != 65537 {
		return nil, fault.Invalidf("an adb key has %d bits and the exponent 65537, this has %d and %d",
			keyBits, private.N.BitLen(), private.E)
	}
	text := base64.StdEncoding.EncodeToString(androidKey(&private.PublicKey))
	if comment = strings.Join(strings.Fields(comment), "_"); comment == "" {
		comment = "@unknown"
	}
	return &Key{private, text + " " + comment}, nil
}

// androidKey is the form in which devices keep a public key (adb's android_pubkey.cpp): words,
// -1/n[0] mod 2^32, n, 2^(2*2048) mod n, exponent, all little-endian.
func androidKey(key *rsa.PublicKey) []byte {
	word := new(big.Int).Lsh(big.NewInt(1), 32)
	inverse := new(big.Int).ModInverse(new(big.Int).Mod(key.N, word), word) // n is odd
	inverse.Sub(word, inverse)
	square := new(big.Int).Lsh(big.NewInt(1), 2*keyBits)
	square.Mod(square, key.N)
	out := binary.LittleEndian.AppendUint32(nil, keyWords)
	out = binary.LittleEndian.AppendUint32(out, uint32(inverse.Uint64()))
	for _, n := range []*big.Int{key.N, square} {
		b := n.FillBytes(make([]byte, keyBits/8))
		slices.Reverse(b)
		out = append(out, b...)
	}
	return binary.LittleEndian.AppendUint32(out, uint32(key.E))
}

// Public is the line that goes into a device's /data/misc/adb/adb_keys.
func (k *Key) Public() string { return k.public }

// sign answers a device's challenge.
func (k *Key) sign(token []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, k.private, crypto.SHA1, token)
}

// ReadKey reads a key as adb keeps it ("adbkey": PKCS #8 or PKCS #1 in PEM). The comment of its
// public half is taken from the file beside it (".pub"), if there is one. A missing file is
// NotFound, one that holds no usable key Invalid.
func ReadKey(path string) (*Key, error) {
	op := "read adb key " + path
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(fault.NotFound, op, err)
	case err != nil:
		return nil, fault.Wrap(fault.Forbidden, op, err)
	}
	k, err := parseKey(raw, commentBeside(path))
	return k, fault.Op(op, err)
}

func commentBeside(path string) string {
	raw, err := os.ReadFile(path + ".pub")
	if err != nil || len(raw) > maxKeyFile {
		return ""
	}
	_, comment, _ := strings.Cut(strings.TrimSpace(string(raw)), " ")
	return comment
}

func parseKey(raw []byte, comment string) (*Key, error) {
	block, _ := pem.Decode(raw[:min(len(raw), maxKeyFile)])
	if block == nil {
		return nil, fault.Invalidf("no PEM block")
	}
	if private, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return newKey(private, comment)
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "parse", err)
	}
	private, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, fault.Invalidf("no RSA key")
	}
	return newKey(private, comment)
}

// ReadKeys reads keys from files, and from directories all files named *.adb_key, in the order
// given. Paths that do not exist are passed over. With an error, the keys that could be read
// are returned as well.
func ReadKeys(paths ...string) ([]*Key, error) {
	var keys []*Key
	var errs []error
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			// A pattern of our own never fails; Glob sorts.
			files, _ = filepath.Glob(filepath.Join(escapeGlob(path), "*.adb_key"))
		}
		for _, file := range files {
			k, err := ReadKey(file)
			switch {
			case err == nil:
				keys = append(keys, k)
			case !fault.Is(err, fault.NotFound):
				errs = append(errs, err)
			}
		}
	}
	return keys, errors.Join(errs...)
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
