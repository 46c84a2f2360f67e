package apps_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openSpools counts the files without a name that this process has open below dir.
func openSpools(t *testing.T, dir string) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, dir+"/") {
			n++
		}
	}
	return n
}
