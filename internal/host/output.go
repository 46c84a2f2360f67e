package host

const (
	defaultOut = 4 << 20
	stderrTail = 4 << 10
)

// head keeps the first limit bytes. What comes after is dropped, and full is called once: the
// command is not left waiting at a full pipe, it is ended.
type head struct {
	limit int64
	full  func()
	buf   []byte
	over  bool
}

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	keep := min(int64(len(p)), h.limit-int64(len(h.buf)))
	h.buf = append(h.buf, p[:keep]...)
	if keep < int64(len(p)) && !h.over {
		h.over = true
		h.full()
	}
	return len(p), nil
}

// tail keeps the last limit bytes and holds at most twice as many.
type tail struct {
	limit int
	buf   []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	written := len(p)
	if len(p) > t.limit {
		p = p[len(p)-t.limit:]
	}
	if len(t.buf)+len(p) > 2*t.limit {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.limit:]...)
	}
	t.buf = append(t.buf, p...)
	return written, nil
}

// bytes returns what is kept.
func (t *tail) bytes() []byte {
	return t.buf[max(0, len(t.buf)-t.limit):]
}
