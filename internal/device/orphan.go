package device

import (
	"time"

	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Groups lists the groups under our names that cvd's last list had, each with its number, and when that list was
// asked for. Left out are those of which it says too little, or more than one. While the ledger has lost what could not
// be found again there are none: they may be sandboxes.
func (d *Devices) Groups() (groups map[sandbox.ID]sandbox.Instance, asked time.Time) {
	if d.lost {
		return nil, time.Time{}
	}
	d.inventory.mu.Lock()
	defer d.inventory.mu.Unlock()
	groups = map[sandbox.ID]sandbox.Instance{}
	for _, g := range d.inventory.fleet.Groups {
		id, ours := sandbox.ParseGroup(g.Name)
		if !ours {
			continue
		}
		if rec, ok := d.unrecorded(id); ok {
			groups[id] = rec.Instance
		}
	}
	return groups, d.inventory.asked
}

// TakeOver puts a group that belongs to no sandbox on record with an intent: [Devices.Open] then returns its
// device. It is false where cvd's list says too little of it.
func (d *Devices) TakeOver(id sandbox.ID, intent sandbox.Intent) bool {
	d.inventory.mu.Lock()
	rec, ok := d.unrecorded(id)
	d.inventory.mu.Unlock()
	if !ok {
		return false
	}
	rec.Intent = intent
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[id] = rec
	return true
}

// unrecorded is the record of a group that has none. The caller holds the inventory.
func (d *Devices) unrecorded(id sandbox.ID) (ledger.Record, bool) {
	groups := d.inventory.fleet.ByGroup(id.Group())
	if len(groups) != 1 || len(groups[0].Instances) != 1 {
		return ledger.Record{}, false
	}
	instance := groups[0].Instances[0]
	n, numbered := instance.Number()
	home := instance.GroupHome()
	if !numbered || home == "" {
		return ledger.Record{}, false
	}
	rec := adopted(ledger.Record{ID: id, Instance: n})
	rec.Paths.GroupHome, rec.Paths.InstanceDir = home, instance.InstanceDir
	return rec, true
}
