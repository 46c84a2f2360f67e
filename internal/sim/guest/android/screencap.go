package android

import (
	"io"
	"os"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/screen"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// displayID is the physical id of the only display, as dumpsys SurfaceFlinger --display-id shows it.
const displayID = "4619827259835644672"

const screencapUsage = `usage: screencap [-ahp] [-d display-id] [FILENAME]
   -h: this message
   -a: captures all the active displays. This appends an integer postfix to the FILENAME.
       e.g., FILENAME_0.png, FILENAME_1.png. If both -a and -d are given, it ignores -d.
   -d: specify the display ID to capture (If the id is not given, it defaults to 4619827259835644672)
       see "dumpsys SurfaceFlinger --display-id" for valid display IDs.
   -p: outputs in png format.
If FILENAME ends with .png it will be saved as a png.
If FILENAME is not given, the results will be printed to stdout.
`

// screencap writes the screen as it is: raw, or as PNG if asked, or if the file is named so.
func (d Device) screencap(c *toybox.Call) int {
	asPNG, file := false, ""
	args := c.Args[1:]
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "-p":
			asPNG = true
		case arg == "-d":
			if len(args) == 0 {
				return refuse(c, "screencap: option requires an argument -- d")
			}
			// Until Android 9 displays had the ids 0 and 1; both are still taken for the first one.
			if args[0] != displayID && args[0] != "0" {
				return refuse(c, "Display Id '%s' is not valid.", args[0])
			}
			args = args[1:]
		case arg == "-h":
			io.WriteString(c.Err, screencapUsage)
			return 0
		case arg == "-a", arg == "--":
		case strings.HasPrefix(arg, "-"):
			io.WriteString(c.Err, screencapUsage)
			return 1
		default:
			file = arg
		}
	}
	out := c.Out
	if file != "" {
		f, err := c.View.Open(vfs.Abs(c.Dir, file), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o664)
		if err != nil {
			return refuse(c, "Error opening file: %s (%s)", file, vfs.Reason(err))
		}
		defer f.Close()
		out = f
		asPNG = asPNG || strings.HasSuffix(file, ".png")
	}
	img := screen.Paint(d.Phone.Tree(), d.Phone.Size())
	write := screen.WriteRaw
	if asPNG {
		write = screen.WritePNG
	}
	if write(out, img) != nil {
		return 1
	}
	return 0
}
