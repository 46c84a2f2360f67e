package seqpacket_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

// Ensure packets keep their boundaries whatever their length, and that the end of the peer is the end.
func TestPackets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	old, err := seqpacket.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	listener, err := seqpacket.Listen(path) // over the file of the other
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := seqpacket.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	large := bytes.Repeat([]byte("x"), 60_000)
	for _, packet := range [][]byte{[]byte("a"), large, []byte("bc")} {
		if err := client.Send(packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Send(map[string]int{"n": 1}); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]byte{[]byte("a"), large, []byte("bc"), []byte(`{"n":1}`)} {
		got, err := server.Receive()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	client.Close()
	if _, err := server.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}
