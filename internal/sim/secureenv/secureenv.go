// Package secureenv is what a simulated host keeps outside of a guest's disk and the guest's data cannot do without: the
// state of the TPM, of gatekeeper, keymint, weaver and oemlock, which secure_env writes on a real host, and the small disks
// beside the overlay.
//
// Words: a *host file* is one of them. Its *identity* is the digest of its beginning, which is made at random once and
// never changed. A guest's data are *bound* to the identities that they met first; they *fit* while these are the same.
// A *secret* is a host file without which /data cannot be unlocked.
//
// The package refuses to keep anything in them: their content is there to be missed.
//
//	if err := secureenv.Make(instanceDir); err != nil {
//		return err
//	}
//	misfits := bound.Misfits(secureenv.Look(instanceDir))
package secureenv

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files are the host files, by their names in the instance's directory, and whether they are secrets.
func Files() map[string]bool {
	return map[string]bool{
		"NVChip": true, "gatekeeper_secure": true, "gatekeeper_insecure": true, "keymint_secure_deletion_data": true,
		"internal/weaver_storage.json": true,
		"oemlock_secure":               false, "oemlock_insecure": false, "internal/factory_reset_protected.img": false,
		"pflash.img": false, "sdcard.img": false,
	}
}

// head is how much of a file its identity is made of.
const head = 4096

// Make gives each host file that is missing, or begins with nothing but zeros, a beginning of its own.
func Make(instanceDir string) error {
	for name := range Files() {
		if err := makeFile(filepath.Join(instanceDir, name)); err != nil {
			return fmt.Errorf("make a host file: %w", err)
		}
	}
	return nil
}

func makeFile(path string) error {
	old, err := beginning(path)
	if err == nil && !bytes.Equal(old, make([]byte, len(old))) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o775); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content(filepath.Base(path)), 0)
	return errors.Join(err, f.Close())
}

// content is what a new file begins with.
func content(name string) []byte {
	id := make([]byte, sha256.Size)
	_, _ = rand.Read(id) // it never fails
	switch name {
	case "weaver_storage.json":
		return fmt.Appendf(nil, "{\n\t\"slots\" : \n\t{\n\t\t\"0\" : \"%x\"\n\t}\n}\n", id)
	case "sdcard.img": // a boot sector with the signature of its disk
		sector := make([]byte, 512)
		copy(sector[440:], id[:4])
		sector[510], sector[511] = 0x55, 0xaa
		return sector
	}
	b := make([]byte, head)
	copy(b, fmt.Appendf(nil, "simulated %s %x\n", name, id))
	return b
}

func beginning(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, head))
}

// Identities are the digests of host files by name.
type Identities map[string]string

// Look reads what is there. What is not, or cannot be read, has no identity.
func Look(instanceDir string) Identities {
	found := Identities{}
	for name := range Files() {
		if b, err := beginning(filepath.Join(instanceDir, name)); err == nil {
			sum := sha256.Sum256(b)
			found[name] = hex.EncodeToString(sum[:])
		}
	}
	return found
}

// Encode is the form that Decode reads: a line for each file.
func (ids Identities) Encode() []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		fmt.Fprintf(&b, "%s %s\n", ids[name], name)
	}
	return []byte(b.String())
}

// Decode reads identities and ignores what is none.
func Decode(text []byte) Identities {
	ids := Identities{}
	for line := range strings.Lines(string(text)) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			ids[name] = id
		}
	}
	return ids
}

// Misfits are the files that are not those of ids, sorted; secrets and others.
func (ids Identities) Misfits(have Identities) (secrets, others []string) {
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		secret, known := Files()[name]
		switch {
		case !known || have[name] == ids[name]:
		case secret:
			secrets = append(secrets, name)
		default:
			others = append(others, name)
		}
	}
	return secrets, others
}
