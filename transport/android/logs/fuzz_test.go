package logs_test

import (
	"bytes"
	"testing"

	"github.com/daytonaio/runner-android/transport/android/logs"
)

// Ensure whatever a guest sends is read without harm, keeps little, and means the same in whatever pieces it comes.
func FuzzRecords(f *testing.F) {
	f.Add(all(some...), 30)
	f.Add(all(entry{pid: 1, buffer: 2, payload: []byte("\x01\x00\x00\x00\x03\x02\x00\x01\x00\x00\x00\x02\x03\x00\x00\x00abc")}), 7)
	f.Add(all(entry{pid: 1, header: 20, level: 'I', tag: "t", message: "m"}, entry{pid: 1, header: 250, payload: []byte{}}), 21)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = min(max(at, 0), len(data))
		whole, left, err := logs.Feed(data)
		parts, leftOver, errs := logs.Feed(data[:at], data[at:])
		if (err == nil) != (errs == nil) || left > 1<<16 {
			t.Fatalf("%v in one piece, %v in two; %d bytes are kept", err, errs, left)
		}
		if !bytes.Equal(whole, parts) || err == nil && left != leftOver {
			t.Errorf("in one piece\n%s\nin two\n%s", whole, parts)
		}
	})
}
