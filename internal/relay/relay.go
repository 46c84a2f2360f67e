package relay

import (
	"context"
	"io"
	"sync"
	"time"
)

// lastWords is how long the guest may go on when the client has hung up.
const lastWords = 5 * time.Second

// Join copies both ways until the guest hangs up, or has had five seconds after the client did. Then the guest is
// closed or has ended, and interrupt has been called, which makes reads of the client fail. The client is not
// closed.
func Join(client io.ReadWriter, interrupt func(), guest io.ReadWriteCloser) {
	var wg sync.WaitGroup
	wg.Go(func() {
		pump(client, guest)
		interrupt()
	})
	pump(guest, client)
	late := time.AfterFunc(lastWords, func() { _ = guest.Close() })
	defer late.Stop()
	wg.Wait()
}

// pump copies until either side fails or ends.
func pump(to io.Writer, from io.Reader) {
	b := newBuffer()
	defer b.release()
	for {
		n, err := from.Read(b.room)
		if n > 0 {
			if _, err := to.Write(b.room[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		b.fit(n)
	}
}

// Watch calls f when ctx ends. After forget, f is not called, and does not run any more: what it uses may
// belong to another by then.
func Watch(ctx context.Context, f func()) (forget func()) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !unwatch() {
			<-done
		}
	}
}
