package android

import (
	"slices"
	"strconv"
	"sync"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// battery is what the battery service reports: the truth of a Cuttlefish phone, until somebody says otherwise.
type battery struct {
	mu      sync.Mutex
	stopped bool // it reports what it was told
	values  map[string]int
}

// charged is a battery on the mains.
func charged() map[string]int {
	return map[string]int{"ac": 1, "usb": 0, "wireless": 0, "dock": 0, "present": 1, "status": 4, "health": 2, "level": 85, "temp": 250, "counter": 10000}
}

// batteryCommand is dumpsys battery with arguments, and cmd battery: set, unplug, reset, get.
func (d Device) batteryCommand(c *toybox.Call, args []string) int {
	b := d.state.battery
	b.mu.Lock()
	defer b.mu.Unlock()
	verb := args[0]
	args = slices.DeleteFunc(args[1:], func(a string) bool { return a == "-f" })
	switch verb {
	case "unplug":
		b.stopped = true
		b.values["ac"], b.values["usb"], b.values["wireless"], b.values["dock"] = 0, 0, 0, 0
	case "reset":
		b.stopped, b.values = false, charged()
	case "set":
		return b.set(c, args)
	case "get":
		if len(args) == 1 {
			if n, ok := b.values[args[0]]; ok {
				say(c, "%d", n)
				return 0
			}
		}
		return refuse(c, "Unknown get option: %v", args)
	default:
		return refuse(c, "Unknown command: %s", verb)
	}
	return 0
}

func (b *battery) set(c *toybox.Call, args []string) int {
	switch {
	case len(args) == 0:
		return refuse(c, "No property specified")
	case len(args) == 1:
		return refuse(c, "No value specified")
	}
	if _, ok := b.values[args[0]]; !ok || args[0] == "health" {
		return refuse(c, "Unknown set option: %s", args[0])
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return refuse(c, "Bad value: %s", args[1])
	}
	b.stopped = true
	b.values[args[0]] = n
	return 0
}

func (d Device) dumpBattery(c *toybox.Call) {
	b := d.state.battery
	b.mu.Lock()
	defer b.mu.Unlock()
	say(c, "Current Battery Service state:")
	if b.stopped {
		say(c, "  (UPDATES STOPPED -- use 'reset' to restart)")
	}
	v := b.values
	say(c, "  AC powered: %t\n  USB powered: %t\n  Wireless powered: %t", v["ac"] != 0, v["usb"] != 0, v["wireless"] != 0)
	if d.Release >= dock {
		say(c, "  Dock powered: %t", v["dock"] != 0)
	}
	say(c, "  Max charging current: 0\n  Max charging voltage: 0\n  Charge counter: %d\n  status: %d\n  health: %d\n  present: %t\n  level: %d\n  scale: 100\n  voltage: 5000\n  temperature: %d\n  technology: Li-ion",
		v["counter"], v["status"], v["health"], v["present"] != 0, v["level"], v["temp"])
}
