package relay_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Ensure bytes pass both ways in any amount, and that the guest's end is the end.
func TestJoin(t *testing.T) {
	t.Parallel()
	client, ours := net.Pipe()
	guest, theirs := net.Pipe()
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		relay.Join(ours, func() { _ = ours.SetReadDeadline(time.Now()) }, theirs)
	}()
	go func() {
		_, _ = io.Copy(guest, io.LimitReader(guest, 1<<20)) // an echo of 1 MiB, and then it hangs up
		_ = guest.Close()
	}()
	text := strings.Repeat("0123456789abcdef", 1<<16)
	go func() { _, _ = io.WriteString(client, text) }()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != text {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	<-joined
}

// Ensure that which was watched for is not done once it is forgotten.
func TestWatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	called := make(chan struct{}, 2)
	forget := relay.Watch(ctx, func() { called <- struct{}{} })
	other := relay.Watch(ctx, func() { called <- struct{}{} })
	other()
	cancel()
	<-called
	forget()
	if len(called) != 0 {
		t.Error("it was done though it was forgotten")
	}
}
