package s3store

// part is one part of a multipart upload as it is planned. Its number is its place in the list,
// counted from 1.
type part struct {
	Offset int64 // in the content
	Length int64
	Kind   Kind
	From   Origin // of a Copy
}

// limits is what the planner keeps to, in bytes.
type limits struct {
	part int64 // how much data one part takes
	copy int64 // how much one copied part takes
	zero int64 // the same, of zeros: the size of the block they are copied from
	free int64 // the shortest run that is worth a part of its own that is not sent
}

const (
	// copyPart is what a copied part takes unless there would be too many: less than S3 allows, so
	// that copies go on beside each other, and a break costs little.
	copyPart = 256 * MiB
	// partsAim leaves room below S3's limit for parts that end early at a boundary.
	partsAim = 8000
)

// partition turns a plan of size bytes into parts: MinPart bytes at least but for the last, no more
// than maxParts. A part of zeros or a copy lies within one piece; a run that is too short for a part
// is data instead, and joins its neighbours.
func partition(plan []Piece, size, partSize int64) []part {
	l := limits{part: partSize, copy: copyPart, zero: zeroBlock(size), free: MinPart}
	l.part = max(l.part, min(roundUp(size/partsAim, MiB), maxPart-MinPart))
	for {
		parts := split(runsOf(plan, size, l.free), l)
		if len(parts) <= maxParts {
			return parts
		}
		// Beyond some length no run is free, and all parts are as long as they can be.
		l.free *= 2
		l.part = min(2*l.part, maxPart-MinPart)
		l.copy = min(2*l.copy, maxCopy-MinPart)
		l.zero = zeroBlocks[len(zeroBlocks)-1]
	}
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// run is a piece with its place in the content.
type run struct {
	Piece
	at int64
}

func (r run) end() int64 { return r.at + r.Length }

// runsOf returns the content as runs of which those that are not data can be parts: they have free
// bytes at least, and so has the data between them MinPart. Data that is too short takes the bytes
// from a neighbour that can spare them; if there is none, the neighbour is data.
func runsOf(plan []Piece, size, free int64) []run {
	var kept []run // zeros and copies
	var at int64
	for _, p := range tidy(plan) {
		r := run{p, at}
		at += p.Length
		if r.Kind == Data || r.Length < free {
			continue
		}
		var before int64 // where the data before r begins
		n := len(kept) - 1
		if n >= 0 {
			before = kept[n].end()
		}
		if gap := r.at - before; gap > 0 && gap < MinPart {
			need := MinPart - gap
			switch {
			case r.Length-need >= MinPart:
				r.Piece, r.at = r.Piece.skip(need), r.at+need
			case n >= 0 && kept[n].Length-need >= MinPart:
				kept[n].Length -= need
			default:
				continue
			}
		}
		kept = append(kept, r)
	}

	var runs []run
	at = 0
	for _, r := range append(kept, run{at: size}) {
		if r.at > at {
			runs = append(runs, run{Piece{Length: r.at - at}, at})
		}
		if r.Length > 0 {
			runs = append(runs, r)
		}
		at = r.end()
	}
	return runs
}

// skip returns the piece without its first n bytes.
func (p Piece) skip(n int64) Piece {
	p.Length -= n
	if p.Kind == Copy {
		p.From = p.From.after(n)
	}
	return p
}

// split cuts runs into parts.
func split(runs []run, l limits) []part {
	most := map[Kind]int64{Data: l.part, Zero: l.zero, Copy: l.copy}
	var parts []part
	for i, r := range runs {
		for p := r.Piece; p.Length > 0; {
			n := min(p.Length, most[p.Kind])
			if rest := p.Length - n; rest > 0 && rest < MinPart && i < len(runs)-1 {
				// Only the last part of all may be so short. A block of zeros cannot give more than it has.
				n = p.Length
				if p.Kind == Zero {
					n = roundUp(p.Length/2, block)
				}
			}
			parts = append(parts, part{Offset: r.end() - p.Length, Length: n, Kind: p.Kind, From: p.From})
			p = p.skip(n)
		}
	}
	return parts
}

// asData returns the plan with the pieces for which send holds as data.
func asData(plan []Piece, send func(Piece) bool) []Piece {
	out := make([]Piece, len(plan))
	for i, p := range plan {
		if p.Kind != Data && send(p) {
			p = Piece{Length: p.Length}
		}
		out[i] = p
	}
	return out
}
