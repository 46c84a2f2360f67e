package frames

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// Ensure a stream is cut where pictures begin, however it arrives.
func TestSplitter(t *testing.T) {
	t.Parallel()
	nal := func(long bool, kind, first byte, more ...byte) []byte {
		start := []byte{0, 0, 1}
		if long {
			start = []byte{0, 0, 0, 1}
		}
		return append(append(start, kind, first), more...)
	}
	join := func(units ...[]byte) []byte { return bytes.Join(units, nil) }
	pictures := [][]byte{
		join(nal(true, 0x67, 0x42, 1, 2), nal(true, 0x68, 0xce), nal(true, 0x65, 0x88, 9, 9, 9, 9, 9, 9), nal(false, 0x65, 0x40, 9)), // two slices
		nal(true, 0x41, 0x9a, 5, 0, 0, 3, 1),
		nal(false, 0x41, 0x9a, 6),
		join(nal(true, 0x09, 0xf0), nal(true, 0x06, 5), nal(true, 0x41, 0x9a, 7)),
		join(nal(true, 0x67, 0x42, 1), nal(true, 0x68, 0xce), nal(true, 0x65, 0x88, 8)),
	}
	stream := join(pictures...)
	for range 200 {
		var s splitter
		var got [][]byte
		for rest := stream; len(rest) > 0; {
			n := 1 + rand.IntN(min(12, len(rest)))
			if err := s.add(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			for unit := s.next(); unit != nil; unit = s.next() {
				got = append(got, unit)
			}
		}
		if last := s.flush(); last != nil {
			got = append(got, last)
		}
		if len(got) != len(pictures) {
			t.Fatalf("%d pictures, want %d: %x", len(got), len(pictures), got)
		}
		for i := range got {
			if !bytes.Equal(got[i], pictures[i]) {
				t.Errorf("picture %d: %x, want %x", i, got[i], pictures[i])
			}
		}
	}
	var torn splitter
	if err := torn.add(pictures[0][:20]); err != nil || torn.next() != nil || torn.flush() == nil {
		t.Fatal(err, "nothing was flushed")
	}
	if err := torn.add(pictures[0][20:]); !errors.Is(err, errTorn) {
		t.Errorf("the second part of a picture: %v", err)
	}
	var s splitter
	if err := s.add(make([]byte, maxUnit+1)); err == nil {
		t.Error("a picture without end was taken")
	}
}
