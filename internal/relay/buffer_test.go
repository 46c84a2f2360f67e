package relay

import "testing"

// Ensure a direction that streams gets the large buffer, that one which has little to say gives it back, and that only so
// many are out.
func TestBuffer(t *testing.T) { //nolint:paralleltest // the large buffers are everybody's
	b := newBuffer()
	defer b.release()
	for _, is := range []struct{ read, room int }{
		{100, smallCopy}, {smallCopy, 4 * smallCopy}, {4 * smallCopy, 16 * smallCopy}, {16 * smallCopy, mediumCopy}, {mediumCopy - 1, mediumCopy},
		{mediumCopy, largeCopy}, {largeCopy, largeCopy}, {smallCopy + 1, largeCopy}, {smallCopy, mediumCopy}, {10, mediumCopy}, {mediumCopy, largeCopy},
	} {
		if b.fit(is.read); len(b.room) != is.room {
			t.Errorf("after a read of %d bytes there is room for %d, want %d", is.read, len(b.room), is.room)
		}
	}
	var others []*buffer
	for range 2 * maxLarge {
		other := newBuffer()
		for range 5 {
			other.fit(len(other.room))
		}
		others = append(others, other)
	}
	if out := largeOut.Load(); out != maxLarge {
		t.Errorf("%d large buffers are out, want %d", out, maxLarge)
	}
	if room := len(others[len(others)-1].room); room != mediumCopy {
		t.Errorf("who came too late has room for %d", room)
	}
	for _, other := range others {
		other.release()
	}
	if out := largeOut.Load(); out != 1 {
		t.Errorf("%d large buffers are out, want the first one's", out)
	}
}
