package sandbox

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ID names a sandbox. Values come from [ParseID], so that every ID in the program is safe as
// a file name, a log field and a part of a URL.
type ID string

// maxID keeps the hex form within a group name and the paths derived from it within the
// 107 bytes of a Unix socket address.
const maxID = 63

// ParseID checks s against [A-Za-z0-9][A-Za-z0-9_.-]{0,62}.
func ParseID(s string) (ID, error) {
	if s == "" {
		return "", fmt.Errorf("sandbox id is empty")
	}
	if len(s) > maxID {
		return "", fmt.Errorf("sandbox id has %d characters, at most %d are allowed", len(s), maxID)
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return "", fmt.Errorf("sandbox id %q: character %d is not allowed: want [A-Za-z0-9][A-Za-z0-9_.-]*", s, i+1)
		}
	}
	return ID(s), nil
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

const groupPrefix = "s_"

// Group returns the cvd group name of the sandbox: letters, digits and underscores only, as
// cvd demands, and reversible, so that a lost record can be rebuilt from `cvd fleet`.
func (id ID) Group() string { return groupPrefix + hex.EncodeToString([]byte(id)) }

// ParseGroup is the reverse of [ID.Group]; ok is false for groups that are not ours.
func ParseGroup(group string) (id ID, ok bool) {
	digits, ours := strings.CutPrefix(group, groupPrefix)
	raw, err := hex.DecodeString(digits)
	if !ours || err != nil || hex.EncodeToString(raw) != digits {
		return "", false
	}
	id, err = ParseID(string(raw))
	return id, err == nil
}
