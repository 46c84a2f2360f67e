package guestfs

// Frozen is a file system that stands still: every call on it waits. What it had written is on the device, what waits in
// its volatile cache stays there, as a guest's memory does that is not running.
type Frozen struct{ fs *FS }

// Freeze waits for the calls that are under way and makes all others wait until Thaw.
func (f *FS) Freeze() *Frozen {
	f.mu.Lock()
	return &Frozen{f}
}

// Flush writes the volatile cache to the device, and stays frozen.
func (z *Frozen) Flush() error { return pathError("sync", "/", z.fs.syncLocked()) }

// Thaw lets the calls go on. Only the first one of a Frozen is allowed.
func (z *Frozen) Thaw() { z.fs.mu.Unlock() }
