package device

import "time"

// watch is what one look at a device leaves to the next, guarded by the device's mu.
type watch struct {
	changed time.Time // when an operation last began or ended: what was said before is of another device
	stale   time.Time // what was read of the process table before may be over
	used    *reading  // by the last look
	alive   time.Time // when it was last seen alive
	stopper bool      // a cvd that ends it was seen since
	doubts  bool      // cvd's list was asked for since it was last as it should be
	marked  bool      // the boot of the host in which it runs is on record
}

// touched says that an operation begins or ends.
func (d *Device) touched() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch.changed = time.Now()
	d.watch.stale, d.watch.marked = d.watch.changed, false
}

// renewals is how often the device's ADB connection was made anew because it hung.
func (d *Device) renewals() int {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil {
		return 0
	}
	return conn.State().Renewals
}

// stale says that something happened to the device of which an older reading of the process table does not know.
func (d *Device) stale() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch.stale = time.Now()
}

// freshness is what a look demands of a reading of the process table.
func (d *Device) freshness() (floor time.Time, used *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.watch.stale, d.watch.used
}

func (d *Device) used(r *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch.used = r
}

func (d *Device) changedAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.watch.changed
}

func (d *Device) lastAlive() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.watch.alive
}

func (d *Device) seenAlive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch.alive, d.watch.stopper = time.Now(), false
}

// stopperSeen keeps whether a cvd that ends the device was seen since it was last seen alive.
func (d *Device) stopperSeen(now bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch.stopper = d.watch.stopper || now
	return d.watch.stopper
}

// wonder has cvd asked what it has, once for each time that the device begins not to be as it should be.
func (d *Device) wonder(doubts bool) {
	d.mu.Lock()
	began := doubts && !d.watch.doubts
	d.watch.doubts = doubts
	d.mu.Unlock()
	if began {
		d.inventory.doubt()
	}
}
