package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind says when a fault takes effect.
type kind int

const (
	onCall kind = iota + 1
	onDevice
	onHost
)

// kinds is the catalogue. docs/simulator.md explains each.
func kinds() map[string]kind {
	return map[string]kind{
		"hang": onCall, "hang_for": onCall, "exit": onCall, "lie": onCall,
		"slow_boot": onCall, "boot_failed": onCall, "boot_timeout": onCall, "cancelled": onCall, "starting_forever": onCall,
		"survive": onCall, "lock_permission": onCall, "db_corrupt": onCall,
		"stale_socket": onCall, "files_in_use": onCall, "port_in_use": onCall, "no_tap": onCall, "disk_full": onCall,
		"wipe_on_start": onCall, "stop_fails": onCall, "rm_partial": onCall, "lock_stale": onCall, "leak_helper": onCall,
		"fleet_garbage": onCall, "fleet_slow": onCall, "host_reboot": onCall,
		"unreachable": onDevice, "vm_dies_after": onDevice, "guest_poweroff": onDevice, "zombie_vm": onDevice,
		"adb_offline": onDevice, "adb_refused": onDevice, "adb_flap": onDevice, "adb_auth": onDevice,
		"adb_never_exit": onDevice, "adb_stall_acks": onDevice, "adb_drop_after": onDevice,
		"webrtc_vanish": onDevice, "webrtc_stale": onDevice, "webrtc_freeze": onDevice, "webrtc_offer_error": onDevice,
		"webrtc_no_ice": onDevice, "webrtc_flood": onDevice, "webrtc_hostile": onDevice, "webrtc_slow": onDevice,
		"webrtc_orphan":       onDevice,
		"suspend_unsupported": onDevice, "suspend_hang": onDevice,
		"snapshot_hang": onCall, "restore_mismatch": onCall,
		"operator_down": onHost,
	}
}

// arguments lists what may stand behind the colon of those faults that take one of a few words.
func arguments() map[string][]string {
	return map[string][]string{
		"lie":           {"nothing", "done"},
		"cancelled":     {"", "dead", "alive"},
		"db_corrupt":    {"", "garbage", "truncated"},
		"suspend_hang":  {"", "suspend", "resume", "suspended", "resumed"},
		"fleet_garbage": {"", "nonjson", "truncated", "empty", "warnings"},
	}
}

// Names lists all faults.
func Names() []string { return slices.Sorted(maps.Keys(kinds())) }

// Fault is one thing that goes wrong.
type Fault struct {
	Name string
	Arg  string // what stands behind the first colon
}

// ParseFault reads "name" or "name:argument".
func ParseFault(s string) (Fault, error) {
	name, arg, _ := strings.Cut(s, ":")
	if kinds()[name] == 0 {
		return Fault{}, fmt.Errorf("fault %q is not known; there are %s", name, strings.Join(Names(), ", "))
	}
	if known := arguments()[name]; known != nil && !slices.Contains(known, arg) {
		return Fault{}, fmt.Errorf("fault %s has no argument %q; there are %s", name, arg, strings.Join(known, ", "))
	}
	return Fault{name, arg}, nil
}

// String is the form that ParseFault reads.
func (f Fault) String() string {
	if f.Arg == "" {
		return f.Name
	}
	return f.Name + ":" + f.Arg
}

// Seconds reads the argument as seconds ("2.5") or as a duration ("300ms").
func (f Fault) Seconds(fallback time.Duration) time.Duration {
	if d, err := time.ParseDuration(f.Arg); err == nil {
		return d
	}
	if s, err := strconv.ParseFloat(f.Arg, 64); err == nil {
		return time.Duration(s * float64(time.Second))
	}
	return fallback
}

// Bytes reads the argument as a number of bytes; 0 when it is none.
func (f Fault) Bytes() int64 {
	n, err := strconv.ParseInt(f.Arg, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Faults are those that one call meets.
type Faults []Fault

// Find returns the fault of that name.
func (fs Faults) Find(name string) (Fault, bool) {
	for _, f := range fs {
		if f.Name == name {
			return f, true
		}
	}
	return Fault{}, false
}

// Has reports whether the fault is among them.
func (fs Faults) Has(name string) bool {
	_, ok := fs.Find(name)
	return ok
}

// Variable carries the faults of a launch from cvd to the programs that it starts.
const Variable = "CVD_SIM_FAULTS"

// Encode renders the faults for Variable.
func (fs Faults) Encode() string {
	words := make([]string, len(fs))
	for i, f := range fs {
		words[i] = f.String()
	}
	data, err := json.Marshal(words)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return string(data)
}

// Decode reads what Encode wrote and ignores what it cannot read.
func Decode(s string) Faults {
	var words []string
	if json.Unmarshal([]byte(s), &words) != nil {
		return nil
	}
	var fs Faults
	for _, w := range words {
		if f, err := ParseFault(w); err == nil {
			fs = append(fs, f)
		}
	}
	return fs
}
