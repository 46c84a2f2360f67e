package s3store

import (
	"fmt"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Kind says where the content of a piece is to be had.
type Kind int

// The kinds of pieces.
const (
	Data Kind = iota // in the source alone
	Zero             // nothing but zero bytes
	Copy             // in another object of the bucket too, at Piece.From
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case Data:
		return "data"
	case Zero:
		return "zero"
	case Copy:
		return "copy"
	default:
		return fmt.Sprintf("kind(%d)", int(k))
	}
}

// Origin is a place in an object of the bucket.
type Origin struct {
	Key    string
	ETag   string // of the object; where it is given and the object has another, nothing is copied
	Offset int64  // bytes
}

// Piece is a range of the content of an upload: Length bytes which begin where the piece before
// ends. A plan is pieces that cover all of the content.
type Piece struct {
	Length int64
	Kind   Kind
	From   Origin // of a Copy
}

// sizeOf returns the sum of the lengths; a plan that makes no sense is Invalid.
func sizeOf(plan []Piece) (size int64, err error) {
	for i, p := range plan {
		switch {
		case p.Length < 0 || p.Length > maxSize-size:
			return 0, fault.Invalidf("piece %d of the plan has %d bytes", i, p.Length)
		case p.Kind < Data || p.Kind > Copy:
			return 0, fault.Invalidf("piece %d of the plan is of no known kind", i)
		case p.Kind == Copy && (p.From.Key == "" || p.From.Offset < 0):
			return 0, fault.Invalidf("piece %d of the plan does not say where it comes from", i)
		}
		size += p.Length
	}
	return size, nil
}

// tidy returns the plan without empty pieces, and with neighbours joined that continue each other.
func tidy(plan []Piece) []Piece {
	var out []Piece
	for _, p := range plan {
		if p.Length == 0 {
			continue
		}
		if n := len(out) - 1; n >= 0 && out[n].Kind == p.Kind && (p.Kind != Copy || p.From == out[n].From.after(out[n].Length)) {
			out[n].Length += p.Length
			continue
		}
		if p.Kind != Copy {
			p.From = Origin{}
		}
		out = append(out, p)
	}
	return out
}

// after returns the place n bytes on.
func (o Origin) after(n int64) Origin {
	o.Offset += n
	return o
}
