package frames

import (
	"bytes"
	"errors"

	"github.com/daytonaio/runner-android/internal/fault"
)

// maxUnit bounds one picture.
const maxUnit = 16 << 20

// Kinds of NAL units (ITU-T H.264, table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalAUD   = 9
)

// splitter cuts a stream in Annex B form into access units: what belongs to one picture.
type splitter struct {
	buf     []byte
	scanned int  // where to look for the next start code
	slices  bool // buf has a slice of the picture that is being gathered
	begins  int  // where in buf the next picture begins; 0: it has not
	flushed bool // what comes next has to begin a unit
}

// errTorn is a picture that was taken for whole and was not.
var errTorn = errors.New("a picture was sent in two parts")

// add takes what came.
func (s *splitter) add(piece []byte) error {
	if len(s.buf)+len(piece) > maxUnit {
		return fault.Unavailablef("one picture of the device is over the limit of %d bytes", maxUnit)
	}
	s.buf = append(s.buf, piece...)
	if start := []byte{0, 0, 0, 1}; s.flushed && len(s.buf) >= len(start) {
		if !bytes.HasPrefix(s.buf, start) && !bytes.HasPrefix(s.buf, start[1:]) {
			return errTorn
		}
		s.flushed = false
	}
	return nil
}

// next returns the first picture if the one behind it has begun, else nil. It is the caller's.
func (s *splitter) next() []byte {
	for s.begins == 0 {
		at := bytes.Index(s.buf[s.scanned:], []byte{0, 0, 1})
		if at < 0 {
			s.scanned = max(s.scanned, len(s.buf)-2)
			return nil
		}
		at += s.scanned
		if at+5 > len(s.buf) { // the kind and the first bits of a slice are not here yet
			s.scanned = at
			return nil
		}
		s.scanned = at + 3
		if s.opens(s.buf[at+3], s.buf[at+4]) && s.slices {
			if at > 0 && s.buf[at-1] == 0 { // a start code of four bytes
				at--
			}
			s.begins = at
		}
		if kind := s.buf[s.scanned] & 31; kind == nalSlice || kind == nalIDR {
			s.slices = true
		}
	}
	return s.cut()
}

// opens reports whether a unit is the first of a picture: a parameter set, a delimiter, or a slice that begins with
// the first macroblock.
func (s *splitter) opens(header, first byte) bool {
	switch header & 31 {
	case nalSlice, nalIDR:
		return first&0x80 != 0 // first_mb_in_slice is ue(v): a single one bit is 0
	case nalSEI, nalSPS, nalPPS, nalAUD:
		return true
	}
	return false
}

// cut takes the first picture off.
func (s *splitter) cut() []byte {
	unit := bytes.Clone(s.buf[:s.begins])
	rest := s.buf[s.begins:]
	s.scanned -= s.begins
	kind := rest[s.scanned] & 31 // of the unit that began the next picture, which has been looked at
	s.buf = append(s.buf[:0], rest...)
	s.begins, s.slices = 0, kind == nalSlice || kind == nalIDR
	return unit
}

// whole reports whether there is something that could be a picture.
func (s *splitter) whole() bool { return s.slices }

// flush returns what is gathered as a picture, if it has a slice: nothing more seems to come.
func (s *splitter) flush() []byte {
	if !s.slices {
		return nil
	}
	unit := bytes.Clone(s.buf)
	s.buf, s.scanned, s.slices, s.begins, s.flushed = s.buf[:0], 0, false, 0, true
	return unit
}
