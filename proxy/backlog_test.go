package proxy

import (
	"testing"
	"testing/synctest"
	"time"
)

// Ensure a viewer that takes nothing holds nobody up: what it may owe is bounded, and then it is given up.
func TestBacklogOfADeafViewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads := make(chan struct{})
		sent := 0
		b := &backlog{send: func([]byte) error { <-reads; sent++; return nil }, failed: func() {}}
		const size = 64 << 10
		taken := 0
		for b.add(make([]byte, size)) {
			taken++
		}
		if taken != maxBacklog/size {
			t.Errorf("%d messages were taken, want %d", taken, maxBacklog/size)
		}
		began := time.Now()
		go func() { time.Sleep(time.Minute); close(reads) }()
		b.finish(slowViewer)
		if took := time.Since(began); took != time.Minute || sent != 1 {
			t.Errorf("after %s %d messages were sent, want the one that was under way", took, sent)
		}
		if b.add(nil) {
			t.Error("a message is taken after the end")
		}
	})
}
