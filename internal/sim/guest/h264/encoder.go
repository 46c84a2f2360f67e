package h264

import (
	"encoding/binary"
	"fmt"
	"image"
)

// Unit is a NAL unit: its header byte and its payload, escaped.
type Unit []byte

// MaxSide bounds width and height.
const MaxSide = 4096

// Encoder encodes frames of one size, one after the other. It is for one goroutine.
type Encoder struct {
	width, height int
	last, next    *picture
	begun         bool
	number        int     // frame_num of the next frame
	refreshed     int     // idr_pic_id of the next IDR
	full          []uint8 // macroblocks that came sample by sample count as full of coefficients: 16
}

// New makes an encoder of frames of an even width and height, from 16 to MaxSide.
func New(width, height int) (*Encoder, error) {
	if width%2 != 0 || height%2 != 0 || width < 16 || height < 16 || width > MaxSide || height > MaxSide {
		return nil, fmt.Errorf("h264: %dx%d: both must be even, and from 16 to %d", width, height, MaxSide)
	}
	e := &Encoder{width: width, height: height, last: newPicture(width, height), next: newPicture(width, height)}
	e.full = make([]uint8, e.last.across*e.last.down)
	return e, nil
}

// Encode encodes a frame; img is at least as large, and its first pixels count. The first frame, and each with
// refresh, can be decoded without those before it and begins with SPS and PPS. Another one in which nothing has
// changed is nil.
func (e *Encoder) Encode(img *image.RGBA, refresh bool) []Unit {
	e.next.set(img, e.width, e.height)
	var units []Unit
	if refresh || !e.begun {
		units = []Unit{e.SPS(), e.PPS(), e.idr()}
		e.begun, e.number = true, 1
	} else if slice := e.difference(); slice != nil {
		units = []Unit{slice}
		e.number = (e.number + 1) % 16
	}
	e.last, e.next = e.next, e.last
	return units
}

// Types of macroblocks in an intra slice; in a slice of differences 5 is added.
const (
	fromAbove = 1 // I_16x16_0_0_0
	fromLeft  = 2 // I_16x16_1_0_0
	samples   = 25
	afterP    = 5
)

// idr is a frame of its own.
func (e *Encoder) idr() Unit {
	w := &bitWriter{data: make([]byte, 0, len(e.next.y)/2)}
	w.ue(0)   // first_mb_in_slice
	w.ue(7)   // slice_type: all I
	w.ue(0)   // pic_parameter_set_id
	w.u(4, 0) // frame_num
	w.ue(e.refreshed)
	e.refreshed ^= 1
	w.u(2, 0) // no_output_of_prior_pics_flag, long_term_reference_flag
	w.ue(0)   // slice_qp_delta: se(0) is the same
	w.ue(1)   // disable_deblocking_filter_idc
	for y := range e.next.down {
		for x := range e.next.across {
			e.macroblock(w, x, y, 0)
		}
	}
	w.end()
	return unit(0x65, w.data)
}

// difference is what has changed since the last frame; nil: nothing.
func (e *Encoder) difference() Unit {
	w := &bitWriter{}
	w.ue(0)                  // first_mb_in_slice
	w.ue(5)                  // slice_type: all P
	w.ue(0)                  // pic_parameter_set_id
	w.u(4, uint32(e.number)) // frame_num
	w.u(3, 0)                // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0, adaptive_ref_pic_marking_mode_flag
	w.ue(0)                  // slice_qp_delta
	w.ue(1)                  // disable_deblocking_filter_idc
	skipped, changed := 0, false
	for y := range e.next.down {
		for x := range e.next.across {
			if now, before := e.next.blocks(x, y), e.last.blocks(x, y); now[0].same(before[0]) && now[1].same(before[1]) && now[2].same(before[2]) {
				e.full[y*e.next.across+x] = 0
				skipped++
				continue
			}
			w.ue(skipped)
			skipped, changed = 0, true
			e.macroblock(w, x, y, afterP)
		}
	}
	if !changed {
		return nil
	}
	if skipped > 0 {
		w.ue(skipped)
	}
	w.end()
	return unit(0x61, w.data)
}

// macroblock writes one that is not skipped.
func (e *Encoder) macroblock(w *bitWriter, x, y, add int) {
	blocks := e.next.blocks(x, y)
	at := y*e.next.across + x
	switch {
	case y > 0 && every(blocks, block.fromAbove):
		e.predicted(w, x, y, add+fromAbove, 2)
	case x > 0 && every(blocks, block.fromLeft):
		e.predicted(w, x, y, add+fromLeft, 1)
	default:
		w.ue(add + samples)
		w.align()
		for _, b := range blocks {
			for i := range b.size {
				w.data = append(w.data, b.row(i)...)
			}
		}
		e.full[at] = 16
		return
	}
	e.full[at] = 0
}

// predicted writes a macroblock that is as its neighbours say: there is no residual.
func (e *Encoder) predicted(w *bitWriter, x, y, kind, chromaMode int) {
	w.ue(kind)
	w.ue(chromaMode) // intra_chroma_pred_mode
	w.ue(0)          // mb_qp_delta
	if e.around(x, y) < 2 {
		w.u(1, 1) // coeff_token: none, where the neighbours have none
	} else {
		w.u(6, 3) // the same, where they have many
	}
}

// around is nC of the standard: how many coefficients the neighbours have.
func (e *Encoder) around(x, y int) int {
	left, above := 0, 0
	if x > 0 {
		left = int(e.full[y*e.next.across+x-1])
	}
	if y > 0 {
		above = int(e.full[(y-1)*e.next.across+x])
	}
	if x > 0 && y > 0 {
		return (left + above + 1) / 2
	}
	return left + above
}

// AnnexB appends units as a byte stream has them: each behind a start code.
func AnnexB(dst []byte, units []Unit) []byte {
	for _, u := range units {
		dst = append(append(dst, 0, 0, 0, 1), u...)
	}
	return dst
}

// Sized appends units as a sample of MP4 has them: each behind its size, in four bytes.
func Sized(dst []byte, units []Unit) []byte {
	for _, u := range units {
		dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(u))), u...)
	}
	return dst
}
