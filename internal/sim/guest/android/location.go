package android

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// locations are the test providers of the location service, by name. There are no others: the phone does not
// know where it is.
type locations struct {
	mu      sync.Mutex
	allowed bool // the shell may make up places
	mocks   map[string]*fix
}

// complaint is an error in the words of the device.
type complaint string

func (c complaint) Error() string { return string(c) }

// fix is where a provider says that the phone is.
type fix struct {
	enabled                       bool
	known                         bool
	latitude, longitude, accuracy float64
	at                            time.Duration // since boot
}

// appops is get and set of what the shell may do; of all that only android:mock_location has an effect.
func (d Device) appops(c *toybox.Call) int {
	args := c.Args[1:]
	if len(args) > 0 && args[0] == "set" && len(args) == 4 {
		if !slices.Contains([]string{"allow", "ignore", "deny", "default", "foreground"}, args[3]) {
			return refuse(c, "Error: Mode %s is not valid", args[3])
		}
		if (args[1] == "com.android.shell" || args[1] == "2000") && slices.Contains([]string{"android:mock_location", "MOCK_LOCATION"}, args[2]) {
			l := d.state.locations
			l.mu.Lock()
			defer l.mu.Unlock()
			l.allowed = args[3] == "allow"
		}
		return 0
	}
	if len(args) > 1 && args[0] == "get" {
		say(c, "No operations.")
		return 0
	}
	if len(args) > 0 && args[0] != "set" {
		return refuse(c, "Unknown command: %s", args[0])
	}
	return refuse(c, "Error: Mode not specified")
}

// location is cmd location providers.
func (d Device) location(c *toybox.Call) int {
	args := c.Args[1:]
	switch {
	case len(args) > 0 && args[0] == "is-location-enabled":
		mode, _ := c.Sys.Setting("secure", "location_mode")
		say(c, "%t", mode != "" && mode != "0")
		return 0
	case len(args) == 2 && args[0] == "set-location-enabled":
		c.Sys.PutSetting("secure", "location_mode", map[bool]string{true: "3", false: "0"}[args[1] == "true"])
		return 0
	case len(args) == 0 || args[0] != "providers" || d.Release < mockProviders:
		return refuse(c, "Unknown command: %s", strings.Join(args[:min(1, len(args))], " "))
	}
	if len(args) < 3 {
		return exception(c, "providers", "IllegalArgumentException", `Argument expected after "`+args[len(args)-1]+`"`, locationWhere)
	}
	if err := d.state.locations.tell(args[1], args[2], args[3:], time.Since(c.Sys.Booted())); err != nil {
		return exception(c, "providers", "IllegalArgumentException", err.Error(), locationWhere)
	}
	return 0
}

const locationWhere = "com.android.server.location.LocationShellCommand.handleProviders(LocationShellCommand.java:195)"

// tell does what a verb says to a provider. A shell that is not allowed to is not told so.
func (l *locations) tell(verb, provider string, rest []string, now time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	place, err := parseFix(verb, rest)
	mock := l.mocks[provider]
	switch {
	case err != nil:
		return err
	case !slices.Contains([]string{"add-test-provider", "remove-test-provider", "set-test-provider-enabled", "set-test-provider-location"}, verb):
		return complaint("Unknown command: " + verb)
	case !l.allowed:
		return nil
	case verb == "add-test-provider":
		if mock == nil {
			l.mocks[provider] = &fix{}
		}
	case verb == "remove-test-provider":
		delete(l.mocks, provider)
	case mock == nil:
		return complaint(provider + " provider is not a test provider")
	case verb == "set-test-provider-enabled":
		mock.enabled = len(rest) > 0 && rest[0] == "true"
	default:
		place.enabled, place.known, place.at = mock.enabled, true, now
		*mock = place
	}
	return nil
}

// parseFix reads the options of set-test-provider-location.
func parseFix(verb string, args []string) (place fix, err error) {
	if verb != "set-test-provider-location" {
		return place, nil
	}
	place.accuracy = 100
	has := false
	for ; len(args) > 1; args = args[2:] {
		switch args[0] {
		case "--location":
			a, b, found := strings.Cut(args[1], ",")
			var errA, errB error
			place.latitude, errA = strconv.ParseFloat(a, 64)
			place.longitude, errB = strconv.ParseFloat(b, 64)
			if !found || errA != nil || errB != nil {
				return place, complaint(`Location argument must be in the form of "<LATITUDE>,<LONGITUDE>", not [` + args[1] + "]")
			}
			has = true
		case "--accuracy":
			if place.accuracy, err = strconv.ParseFloat(args[1], 64); err != nil {
				return place, complaint(`For input string: "` + args[1] + `"`)
			}
		case "--time":
		default:
			return place, complaint("Unknown option: " + args[0])
		}
	}
	if !has {
		return place, complaint(`Option "--location" is required`)
	}
	return place, nil
}

func (d Device) dumpLocation(c *toybox.Call) {
	l := d.state.locations
	l.mu.Lock()
	defer l.mu.Unlock()
	mode, _ := c.Sys.Setting("secure", "location_mode")
	say(c, "Location Manager State:\n  User Info:\n    current users: u[0]\n  Location Settings:\n    location [u0]: %t", mode != "" && mode != "0")
	say(c, "  Location Providers:\n    passive provider:\n      last location=null\n      enabled=true")
	for _, name := range slices.Sorted(maps.Keys(l.mocks)) {
		mock := l.mocks[name]
		say(c, "    %s provider [mock]:", name)
		where := "null"
		if mock.known {
			where = fmt.Sprintf("Location[%s %.6f,%.6f hAcc=%g et=+%dms mock]", name, mock.latitude, mock.longitude, mock.accuracy, mock.at.Milliseconds())
		}
		say(c, "      last location=%s\n      enabled=%t", where, mock.enabled)
	}
}
