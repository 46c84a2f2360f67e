package toybox

import (
	"sync"
	"time"
	_ "time/tzdata" // the guest has the table, whatever the host has
)

// zones are those that were asked for; there are some six hundred in all.
var zones sync.Map // name to *time.Location

// Zone is the time zone of a name. What is none is UTC.
func Zone(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC
	}
	zones.Store(name, zone)
	return zone
}
