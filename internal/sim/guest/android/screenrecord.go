package android

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// Bounds and defaults of screenrecord.
const (
	defaultRate  = 20_000_000
	leastRate    = 100_000
	mostRate     = 200_000_000
	longestVideo = 180 * time.Second
	unlimited    = 14 // --time-limit 0 is none, and longer ones are taken
)

const screenrecordUsage = `Usage: screenrecord [options] <filename>

Records the device's display to a .mp4 file.

Options:
--size WIDTHxHEIGHT
    Set the video size, e.g. "1280x720".  Default is the device's main display resolution.
--bit-rate RATE
    Set the video bit rate, in bits per second; '4000000' is equivalent to '4M'.  Default 20Mbps.
--bugreport
    Add additional information, such as a timestamp overlay.
--time-limit TIME
    Set the maximum recording time, in seconds.  Default is 180.
--display-id ID
    specify the physical display ID to record.
--verbose
    Display interesting information on stdout.
--help
    Show this message.

Recording continues until Ctrl-C is hit or the time limit is reached.

`

// filmOptions are those that take a value.
var filmOptions = []string{"--size", "--bit-rate", "--time-limit", "--display-id", "--output-format", "--codec-name", "--bframes"}

// filming is what screenrecord was told.
type filming struct {
	width, height int // 0: the screen's
	rate          int
	limit         time.Duration // 0: none
	raw, verbose  bool
	file          string
}

// screenrecord films the screen until SIGINT or SIGHUP, or the end of its time. It exits with 2 when it was
// called wrongly.
func (d Device) screenrecord(c *toybox.Call) int {
	how, problem := d.parseFilming(c.Args[1:])
	switch {
	case problem == "help":
		io.WriteString(c.Err, screenrecordUsage)
		return 0
	case problem != "":
		fmt.Fprintln(c.Err, problem)
		return 2
	}
	size := d.Phone.Size()
	if how.width == 0 {
		how.width, how.height = size.X&^1, size.Y&^1
	}
	if how.verbose {
		say(c, "Main display is %dx%d @60.00fps (orientation=%d)", size.X, size.Y, d.Phone.Rotation())
		say(c, "Configuring recorder for %dx%d %s at %.2fMbps", how.width, how.height, "video/avc", float64(how.rate)/1e6)
	}
	return d.film(c, how)
}

func (d Device) parseFilming(args []string) (how filming, problem string) {
	how = filming{rate: defaultRate, limit: longestVideo}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-" {
		name, value, has := strings.Cut(args[0], "=")
		args = args[1:]
		if slices.Contains(filmOptions, name) && !has {
			if len(args) == 0 {
				return how, "screenrecord: option '" + name + "' requires an argument"
			}
			value, args = args[0], args[1:]
		}
		switch name {
		case "--":
		case "--size":
			var ok bool
			if how.width, how.height, ok = parseWidthHeight(value); !ok {
				return how, fmt.Sprintf("Invalid size '%s', must be width x height", value)
			}
		case "--bit-rate":
			problem = how.setRate(value)
		case "--time-limit":
			problem = how.setLimit(value, d.Release)
		case "--output-format":
			if how.raw = value == "h264"; !how.raw && value != "mp4" {
				problem = fmt.Sprintf("Unknown format '%s'", value)
			}
		case "--display-id":
			if value != displayID {
				problem = "Invalid physical display ID"
			}
		case "--verbose":
			how.verbose = true
		case "--bugreport", "--rotate", "--codec-name", "--bframes":
		case "--help":
			problem = "help"
		default:
			problem = "screenrecord: unrecognized option '" + name + "'"
		}
		if problem != "" {
			return how, problem
		}
	}
	if len(args) != 1 {
		return how, "Must specify output file (see --help)."
	}
	how.file = args[0]
	return how, ""
}

// parseWidthHeight reads WIDTHxHEIGHT.
func parseWidthHeight(text string) (w, h int, ok bool) {
	a, b, found := strings.Cut(text, "x")
	w, errW := strconv.Atoi(a)
	h, errH := strconv.Atoi(b)
	return w, h, found && errW == nil && errH == nil && w > 0 && h > 0
}

func (how *filming) setRate(text string) (problem string) {
	number, mega := strings.CutSuffix(strings.ToUpper(text), "M")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return "Invalid bit rate '" + text + "'"
	}
	if mega {
		n *= 1e6
	}
	if how.rate = int(n); how.rate < leastRate || how.rate > mostRate {
		return fmt.Sprintf("Bit rate %dbps outside acceptable range [%d,%d]", how.rate, leastRate, mostRate)
	}
	return ""
}

func (how *filming) setLimit(text string, release int) (problem string) {
	n, err := strconv.Atoi(text)
	switch most := int(longestVideo / time.Second); {
	case err != nil && release >= unlimited:
		return "Error parsing time limit argument"
	case release >= unlimited && n < 0:
		return fmt.Sprintf("Time limit %ds outside acceptable range [0,4294967295] seconds", n)
	case release < unlimited && (err != nil || n < 1 || n > most):
		return fmt.Sprintf("Time limit %ds outside acceptable range [1,%d]", n, most)
	}
	how.limit = time.Duration(n) * time.Second
	return ""
}
