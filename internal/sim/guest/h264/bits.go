package h264

import "math/bits"

// bitWriter writes bits, the most significant first.
type bitWriter struct {
	data []byte
	part uint64 // the last free bits of it are in use
	n    int    // how many
}

// u writes the n lowest bits of v; n is at most 32.
func (w *bitWriter) u(n int, v uint32) {
	w.part = w.part<<n | uint64(v)
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.data = append(w.data, byte(w.part>>(w.n-8)))
	}
}

// ue writes v as an unsigned Exp-Golomb code, ue(v) of the standard.
func (w *bitWriter) ue(v int) {
	n := bits.Len32(uint32(v + 1))
	w.u(n-1, 0)
	w.u(n, uint32(v+1))
}

// align fills the byte with zeros.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.u(8-w.n, 0)
	}
}

// end is the bit that ends the payload of a unit, and the zeros behind it.
func (w *bitWriter) end() {
	w.u(1, 1)
	w.align()
}

// unit makes a unit of a payload: no three bytes of it can be taken for a start code.
func unit(header byte, payload []byte) Unit {
	out := make([]byte, 1, len(payload)+len(payload)/64+8)
	out[0] = header
	zeros := 0
	for _, b := range payload {
		if zeros == 2 && b <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}
