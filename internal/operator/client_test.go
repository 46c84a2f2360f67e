package operator_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/operator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client asks a server until the test ends.
func client(t *testing.T, o operator.Options) *operator.Client {
	t.Helper()
	c, err := operator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Ensure the lists of all releases are understood, and that an id is a name whatever it holds.
func TestDevices(t *testing.T) {
	t.Parallel()
	const odd = `a "b"/<c>?d#e%2F`
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		switch r.URL.Path {
		case "/devices":
			fmt.Fprint(w, `[{"device_id":"a","group_name":"","adb_port":6520},"old"]`)
		case "/devices/" + odd:
			fmt.Fprint(w, `{"device_id":"x","adb_port":0,"registration_info":{"adb_port":6530,"displays":[]}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c := client(t, operator.Options{URL: server.URL + "/"})
	all, err := c.Devices(t.Context())
	if want := []operator.Device{{ID: "a", ADBPort: 6520}, {ID: "old"}}; err != nil || fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", all, err)
	}
	if got, err := c.Device(t.Context(), odd); err != nil || got.ADBPort != 6530 {
		t.Errorf("%+v, %v, asked for %s", got, err, asked)
	}
	if _, err := c.Device(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := c.Connect(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// Ensure a probe tells apart what can be wrong with a display, and never waits longer than it may.
func TestProbe(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[2] {
		case "good":
			fmt.Fprint(w, "<html>")
		case "stale":
			w.Header().Set("x-cutf-proxy", "op-device")
			w.WriteHeader(http.StatusBadGateway)
		case "frozen":
			<-r.Context().Done()
		case "trickles":
			w.Header().Set("Content-Length", "10")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c := client(t, operator.Options{URL: server.URL})
	ok := fault.Kind(-1)
	for id, want := range map[string]fault.Kind{
		"good": ok, "stale": fault.Unavailable, "frozen": fault.Timeout, "trickles": fault.Timeout, "broken": fault.Unavailable, "none": fault.NotFound,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := c.Probe(ctx, id); (want == ok) != (err == nil) || err != nil && !fault.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
		cancel()
	}
	down := client(t, operator.Options{URL: "http://127.0.0.1:1"})
	if err := down.Probe(t.Context(), "good"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Error(err)
	}
}

// shelf remembers one fingerprint.
type shelf struct{ pin string }

func (s *shelf) Pin() (string, error)      { return s.pin, nil }
func (s *shelf) SavePin(text string) error { s.pin = text; return nil }

// secure is an operator with a certificate of its own, which has no name, like the real one's.
func secure(t *testing.T) (url, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, plain, plain, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}} //nolint:gosec // a test's
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	sum := sha256.Sum256(der)
	return server.URL, hex.EncodeToString(sum[:])
}

// Ensure an operator is known by its certificate: the given one, or the one that was met first, also after a restart,
// and that another one is refused with words that help.
func TestPins(t *testing.T) {
	t.Parallel()
	one, pinOne := secure(t)
	two, pinTwo := secure(t)
	colons := strings.ToUpper(strings.Join(strings.SplitAfter(pinOne, ""), ""))
	colons = colons[:2] + ":" + colons[2:]
	met := &shelf{}
	for _, c := range []struct {
		name string
		o    operator.Options
		good bool
	}{
		{"the given one", operator.Options{URL: one, CertSHA256: colons}, true},
		{"another than the given one", operator.Options{URL: two, CertSHA256: pinOne}, false},
		{"the first one met", operator.Options{URL: one, Pins: met}, true},
		{"another than was met before", operator.Options{URL: two, Pins: met}, false},
		{"the one that is remembered", operator.Options{URL: two, Pins: &shelf{pinTwo}}, true},
	} {
		_, err := client(t, c.o).Devices(t.Context())
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (!fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), pinTwo) || !strings.Contains(err.Error(), "CVD_OPERATOR_CERT_SHA256")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if met.pin != pinOne {
		t.Errorf("remembered %q", met.pin)
	}
	for _, o := range []operator.Options{{URL: "ftp://x"}, {URL: "http://x/path"}, {URL: "http://u@x"}, {URL: "https://x", CertSHA256: "ab"}, {}} {
		if _, err := operator.New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
