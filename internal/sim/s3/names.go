package s3

import (
	"net/url"
	"path/filepath"
	"strings"
)

// metaSuffix ends the names of files that describe objects. No element of an escaped key has it.
const metaSuffix = "%meta"

// escape makes a relative path of a key: each element is a name of its own, and none leads elsewhere.
func escape(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		switch part {
		case "":
			parts[i] = "%"
		case ".", "..":
			parts[i] = strings.ReplaceAll(part, ".", "%2E")
		default:
			parts[i] = url.PathEscape(part)
		}
	}
	return filepath.Join(parts...)
}

// unescape is the key of a path that escape made; false if it made none such.
func unescape(path string) (string, bool) {
	parts := strings.Split(path, string(filepath.Separator))
	for i, part := range parts {
		if part == "%" {
			parts[i] = ""
			continue
		}
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return "", false
		}
	}
	key := strings.Join(parts, "/")
	return key, escape(key) == path
}
