package guestshell

// Head is a writer that keeps the first Max bytes and counts the rest.
type Head struct {
	Max     int64
	Bytes   []byte
	Dropped int64
}

// Write implements io.Writer. It never fails.
func (h *Head) Write(p []byte) (int, error) {
	keep := p[:min(int64(len(p)), max(h.Max-int64(len(h.Bytes)), 0))]
	h.Bytes = append(h.Bytes, keep...)
	h.Dropped += int64(len(p) - len(keep))
	return len(p), nil
}
