package adb

import (
	"testing"
	"testing/synctest"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

func TestASmallPacketDoesNotWaitForTheWriteBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, dev := scripted(t)
		first, second := dev.open(c, 9), dev.open(c, 10)
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = first.Write([]byte("first"))
		}()
		synctest.Wait() // the device has not read it
		if n, err := second.Write([]byte("second")); n != 6 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if h := dev.expect(wire.WRTE); h.Arg1 != 9 {
			t.Errorf("first packet: %+v", h)
		}
		if h := dev.expect(wire.WRTE); h.Arg1 != 10 || h.Length != 6 {
			t.Errorf("second packet: %+v", h)
		}
		<-written
	})
}
