package guestfs

import "sort"

// extent says that length bytes of a file from off on are at pos on the device.
type extent struct {
	off, length, pos int64
}

func (e extent) end() int64 { return e.off + e.length }

// extents is the content of one file, sorted and without overlap. What lies between is a hole.
type extents []extent

// from is the index of the first extent that ends behind off.
func (x extents) from(off int64) int {
	return sort.Search(len(x), func(i int) bool { return x[i].end() > off })
}

// covered counts the bytes of [off, end) that are stored.
func (x extents) covered(off, end int64) (n int64) {
	for _, e := range x[x.from(off):] {
		if e.off >= end {
			break
		}
		n += min(e.end(), end) - max(e.off, off)
	}
	return n
}

// cut removes the bytes of [off, end).
func (x extents) cut(off, end int64) extents {
	first := x.from(off)
	last := first
	var keep [2]extent
	n := 0
	for ; last < len(x) && x[last].off < end; last++ {
		e := x[last]
		if e.off < off {
			keep[n], n = extent{e.off, off - e.off, e.pos}, n+1
		}
		if e.end() > end {
			keep[n], n = extent{end, e.end() - end, e.pos + end - e.off}, n+1
		}
	}
	return splice(x, first, last, keep[:n])
}

// put stores e over whatever was there.
func (x extents) put(e extent) extents {
	if n := len(x); n == 0 || x[n-1].end() <= e.off { // append: the usual case
		if n > 0 && x[n-1].end() == e.off && x[n-1].pos+x[n-1].length == e.pos {
			x[n-1].length += e.length
			return x
		}
		return append(x, e)
	}
	x = x.cut(e.off, e.end())
	at := x.from(e.off)
	if at > 0 && x[at-1].end() == e.off && x[at-1].pos+x[at-1].length == e.pos {
		x[at-1].length += e.length
		return x
	}
	return splice(x, at, at, []extent{e})
}

// splice replaces x[first:last] by with.
func splice(x extents, first, last int, with []extent) extents {
	if grow := len(with) - (last - first); grow > 0 {
		old := len(x)
		x = append(x, with[:grow]...)
		copy(x[last+grow:], x[last:old])
	} else if grow < 0 {
		copy(x[last+grow:], x[last:])
		x = x[:len(x)+grow]
	}
	copy(x[first:], with)
	return x
}
