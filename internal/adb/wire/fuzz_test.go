package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func FuzzReader(f *testing.F) {
	f.Add(AppendPacket(nil, CNXN, Version, MaxPayload, []byte(adbHostBanner)))
	f.Add(AppendPacket(AppendPacket(nil, OKAY, 1, 2, nil), WRTE, 1, 2, []byte("hi")))
	f.Add([]byte("CNXN"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 10
		r := NewReader(bytes.NewReader(in), limit)
		var again []byte
		for {
			h, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrMalformed) {
					t.Fatalf("unexpected error %v", err)
				}
				break
			}
			payload, err := io.ReadAll(io.LimitReader(r, limit+1))
			if len(payload) > limit || (err == nil && len(payload) != int(h.Length)) {
				t.Fatalf("payload of %d bytes for %+v", len(payload), h)
			}
			if err != nil {
				break
			}
			again = append(h.Append(again), payload...)
		}
		if !bytes.HasPrefix(in, again) {
			t.Fatalf("read % x and wrote % x", in, again)
		}
	})
}

func FuzzShellDecoder(f *testing.F) {
	f.Add(AppendShell(AppendShell(nil, ShellStdout, []byte("hi\n")), ShellExit, []byte{0}), uint8(3))
	f.Add([]byte{1, 255, 255, 255, 255, 0}, uint8(1))
	f.Add([]byte{4, 0, 0, 0, 0}, uint8(5))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		whole, wholeErr := decodeAll(in, len(in)+1)
		cut, cutErr := decodeAll(in, int(step)+1)
		if (wholeErr == nil) != (cutErr == nil) || !reflect.DeepEqual(whole, cut) {
			t.Fatalf("whole: %v %v; cut by %d: %v %v", whole, wholeErr, int(step)+1, cut, cutErr)
		}
		var again []byte
		for _, p := range whole {
			again = AppendShell(again, p.id, p.data)
		}
		if !bytes.HasPrefix(in, again) {
			t.Fatalf("read % x and wrote % x", in, again)
		}
	})
}

type shellPacket struct {
	id   ShellID
	data []byte
}

// decodeAll feeds in to a decoder, step bytes at a time, and returns the finished packets.
func decodeAll(in []byte, step int) (done []shellPacket, err error) {
	var d ShellDecoder
	var cur shellPacket
	for len(in) > 0 {
		part := in[:min(step, len(in))]
		in = in[len(part):]
		for len(part) > 0 {
			f, rest, err := d.Next(part)
			if err != nil {
				return done, err
			}
			part = rest
			cur.id = f.ID
			cur.data = append(cur.data, f.Data...)
			if f.Last {
				done = append(done, cur)
				cur = shellPacket{}
			}
		}
	}
	return done, nil
}

func FuzzParseBanner(f *testing.F) {
	f.Add([]byte(adbHostBanner))
	f.Add([]byte("device::ro.product.name=a;ro.product.model=b;ro.product.device=c;features=d,e\x00"))
	f.Add([]byte(":::==;;,,"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := ParseBanner(in)
		if err != nil {
			return
		}
		again, err := ParseBanner([]byte(b.String()))
		if err != nil || !reflect.DeepEqual(b, again) {
			t.Fatalf("%q became %+v, then %+v, %v", in, b, again, err)
		}
	})
}
