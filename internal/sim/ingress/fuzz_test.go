package ingress

import (
	"strings"
	"testing"
)

// Ensure a host is either left alone or taken apart without loss.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"6080-dev1.proxy.localhost:4000", "6080-a-b.x", "127.0.0.1:4000", "-.", "1-.", "1-a", "\x00-a.b", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		port, label, isHostForm := parseHost(host)
		if !isHostForm {
			return
		}
		if port == "" || strings.Trim(port, "0123456789") != "" || label == "" || strings.Contains(label, ".") ||
			!strings.HasPrefix(host, port+"-"+label+".") {
			t.Errorf("%q: port %q, label %q", host, port, label)
		}
	})
}
