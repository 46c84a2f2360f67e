package ports

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAConnectionHasTwoEnds(t *testing.T) {
	t.Parallel()
	var r Registry
	defer r.Close()
	l, err := r.Listen(3000, 2000, true)
	if err != nil {
		t.Fatal(err)
	}
	near, err := r.Dial(t.Context(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := io.WriteString(near, "ask"); err != nil {
		t.Fatal(err)
	}
	if err := near.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(far); string(got) != "ask" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := io.WriteString(far, "answer"); err != nil {
		t.Errorf("a half-closed connection takes no answer: %v", err)
	}
	far.Close()
	if got, err := io.ReadAll(near); string(got) != "answer" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPortsAreRefusedAsByAKernel(t *testing.T) {
	t.Parallel()
	var r Registry
	if _, err := r.Dial(t.Context(), 1); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nothing listens: %v", err)
	}
	if _, err := r.Listen(80, 2000, false); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a low port: %v", err)
	}
	l, err := r.Listen(0, 2000, false)
	if err != nil || l.Port() < 1024 {
		t.Fatalf("any port: %v", err)
	}
	if _, err := r.Listen(l.Port(), 0, false); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken port: %v", err)
	}
	for range backlog {
		c, err := r.Dial(t.Context(), l.Port())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := r.Dial(ctx, l.Port()); err == nil {
		c.Close()
		t.Error("the backlog has no end")
	}
	r.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := r.Listen(4000, 0, false); err == nil {
		t.Error("a closed registry listens")
	}
}

func TestTheTableIsProcs(t *testing.T) {
	t.Parallel()
	var r Registry
	defer r.Close()
	for port, loopback := range map[int]bool{8080: false, 5555: true} {
		if _, err := r.Listen(port, 2000, loopback); err != nil {
			t.Fatal(err)
		}
	}
	if four := r.Table(false); !strings.Contains(four, "   0: 0100007F:15B3 00000000:0000 0A ") || strings.Contains(four, "1F90") {
		t.Errorf("tcp: %s", four)
	}
	if six := r.Table(true); !strings.Contains(six, ":1F90 ") || strings.Count(six, "\n") != 2 {
		t.Errorf("tcp6: %s", six)
	}
}
