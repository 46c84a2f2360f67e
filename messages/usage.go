package messages

import (
	"sync/atomic"
	"time"
)

// Usage counts who uses a device now, and knows when that was last. Safe for concurrent use; a nil
// Usage counts nothing.
type Usage struct {
	now  atomic.Int64
	last atomic.Int64 // nanoseconds since 1970
}

// Touch notes that the device is used.
func (u *Usage) Touch() {
	if u != nil {
		u.last.Store(time.Now().UnixNano())
	}
}

// Begin notes that a use begins. Its end is noted by calling end, once.
func (u *Usage) Begin() (end func()) {
	if u == nil {
		return func() {}
	}
	u.now.Add(1)
	return func() {
		u.Touch()
		u.now.Add(-1)
	}
}

// Last returns when the device was used last: the present while it is in use, zero if it never was.
func (u *Usage) Last() time.Time {
	if u == nil {
		return time.Time{}
	}
	if u.now.Load() > 0 {
		return time.Now()
	}
	if last := u.last.Load(); last != 0 {
		return time.Unix(0, last)
	}
	return time.Time{}
}
