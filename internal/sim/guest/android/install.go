package android

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"

	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func itoa(n int) string { return strconv.Itoa(n) }

// errOption is an option that install does not know.
type errOption string

func (e errOption) Error() string { return "Unknown option " + string(e) }

// installOptions reads the options of install and install-create.
func installOptions(w *words) (o packages.Install, err error) {
	for {
		option, ok := w.option()
		if !ok {
			return o, nil
		}
		switch option {
		case "-r", "-f", "-l", "-s", "--dont-kill", "--full", "--skip-verification", "--force-queryable", "--update-ownership", "--no-incremental":
		case "-R":
			o.NoReplace = true
		case "-d", "--request-downgrade", "--allow-downgrade":
			o.Downgrade = true
		case "-t":
			o.TestOnly = true
		case "-g", "--restrict-permissions":
			o.Grant = option == "-g"
		case "--bypass-low-target-sdk-block":
			o.LowTarget = true
		case "-i":
			o.Installer = w.next()
		case "-p":
			o.Inherit = w.next()
		case "-S":
			text := w.next()
			if o.Size, err = strconv.ParseInt(text, 10, 64); err != nil || o.Size < 0 {
				return o, &packages.Misuse{Class: "NumberFormatException", Text: fmt.Sprintf("For input string: %q", text)}
			}
		case "--user", "--abi", "--install-location", "--install-reason", "--originating-uri", "--referrer", "--package", "--dexopt-compiler-filter":
			w.next()
		default:
			return o, errOption(option)
		}
	}
}

// badOptions prints what is wrong with the options.
func badOptions(c *toybox.Call, err error) int {
	if bad := errOption(""); errors.As(err, &bad) {
		return pmMisuse(c, "IllegalArgumentException", bad.Error())
	}
	return failed(c, err)
}

// install takes an APK from the standard input, or APKs by their paths.
func (d Device) install(c *toybox.Call, args []string) int {
	w := &words{args}
	o, err := installOptions(w)
	if err != nil {
		return badOptions(c, err)
	}
	streamed := len(w.args) == 0 || w.args[0] == "-"
	switch {
	case streamed && len(w.args) > 1:
		return d.installError(c, "Error: can't specify SPLIT(s) along with STDIN")
	case streamed && o.Size == 0:
		return d.installError(c, "Error: must either specify a package size or an APK file")
	}
	if !streamed {
		if status := d.measure(c, w.args, &o); status != 0 {
			return status
		}
	}
	id, err := d.Packages.Create(o)
	if err != nil {
		return failed(c, err)
	}
	defer func() { _ = d.Packages.Abandon(id) }() // of one that was committed there is nothing left
	if streamed {
		_, err = d.Packages.Write(c.Ctx, id, "base.apk", o.Size, c.In)
	}
	for i, file := range w.args {
		if !streamed && err == nil {
			err = d.stage(c, id, fmt.Sprintf("%d_%s", i, path.Base(file)), file)
		}
	}
	if err != nil {
		return writeFailed(c, err)
	}
	if _, err := d.Packages.Commit(id); err != nil {
		return failed(c, err)
	}
	say(c, "Success")
	return 0
}

func (d Device) installError(c *toybox.Call, text string) int {
	io.WriteString(c.Err, text+"\n")
	return 1
}

// measure adds the sizes of the APKs up; they must be readable.
func (d Device) measure(c *toybox.Call, files []string, o *packages.Install) int {
	o.Size = 0
	for _, file := range files {
		f, err := c.View.Open(vfs.Abs(c.Dir, file), os.O_RDONLY, 0)
		if err != nil {
			text := "Error: Can't open file: " + file
			io.WriteString(c.Err, text+"\n")
			return pmMisuse(c, "IllegalArgumentException", text)
		}
		if info, err := f.Stat(); err == nil {
			o.Size += info.Size
		}
		f.Close()
	}
	return 0
}

// stage copies a file of the guest into a session.
func (d Device) stage(c *toybox.Call, id int, name, file string) error {
	f, err := c.View.Open(vfs.Abs(c.Dir, file), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = d.Packages.Write(c.Ctx, id, name, -1, f)
	return err
}

// writeFailed prints why an APK did not arrive.
func writeFailed(c *toybox.Call, err error) int {
	var misuse *packages.Misuse
	switch {
	case errors.As(err, &misuse), errors.Is(err, context.Canceled):
		return failed(c, err)
	case packages.IsFull(err):
		say(c, "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE: Failed to write: %s]", vfs.Reason(err))
		return 1
	case errors.Is(err, packages.ErrShort):
		fmt.Fprintf(c.Err, "Error: failed to write; %v\n", err)
		return 1
	}
	fmt.Fprintf(c.Err, "Error: failed to write; %s\n", vfs.Reason(err))
	return 1
}

func (d Device) installCreate(c *toybox.Call, args []string) int {
	o, err := installOptions(&words{args})
	if err != nil {
		return badOptions(c, err)
	}
	id, err := d.Packages.Create(o)
	if err != nil {
		return failed(c, err)
	}
	say(c, "Success: created install session [%d]", id)
	return 0
}

// sessionID reads the number of a session.
func sessionID(c *toybox.Call, text string) (id, status int) {
	id, err := strconv.Atoi(text)
	if err != nil {
		return 0, pmMisuse(c, "NumberFormatException", fmt.Sprintf("For input string: %q", text))
	}
	return id, 0
}

func (d Device) installWrite(c *toybox.Call, args []string) int {
	w := &words{args}
	size := int64(-1)
	for {
		option, ok := w.option()
		if !ok {
			break
		}
		if option != "-S" {
			return pmMisuse(c, "IllegalArgumentException", "Unknown option: "+option)
		}
		text := w.next()
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return pmMisuse(c, "NumberFormatException", fmt.Sprintf("For input string: %q", text))
		}
		size = n
	}
	id, status := sessionID(c, w.next())
	if status != 0 {
		return status
	}
	name, file := w.next(), w.next()
	if name == "" {
		return pmMisuse(c, "IllegalArgumentException", "Argument expected after \""+itoa(id)+"\"")
	}
	var n int64
	var err error
	switch streamed := file == "" || file == "-"; {
	case streamed && size < 0:
		return d.installError(c, "Error: must specify a APK size")
	case streamed:
		n, err = d.Packages.Write(c.Ctx, id, name, size, c.In)
	default:
		if status := d.measure(c, []string{file}, &packages.Install{}); status != 0 {
			return status
		}
		if err = d.stage(c, id, name, file); err == nil {
			info, _ := c.View.Stat(vfs.Abs(c.Dir, file))
			n = info.Size
		}
	}
	if err != nil {
		return writeFailed(c, err)
	}
	say(c, "Success: streamed %d bytes", n)
	return 0
}

func (d Device) installCommit(c *toybox.Call, args []string) int {
	w := &words{args}
	id, status := sessionID(c, w.next())
	if status != 0 {
		return status
	}
	if _, err := d.Packages.Commit(id); err != nil {
		return failed(c, err)
	}
	say(c, "Success")
	return 0
}

func (d Device) installAbandon(c *toybox.Call, args []string) int {
	w := &words{args}
	id, status := sessionID(c, w.next())
	if status != 0 {
		return status
	}
	if err := d.Packages.Abandon(id); err != nil {
		return failed(c, err)
	}
	say(c, "Success")
	return 0
}

func (d Device) installExisting(c *toybox.Call, args []string) int {
	w := &words{args}
	for {
		option, ok := w.option()
		if !ok {
			break
		}
		if option == "--user" {
			w.next()
		}
	}
	name := w.next()
	if !d.Packages.Restore(name) {
		io.WriteString(c.Err, "android.content.pm.PackageManager$NameNotFoundException: Package "+name+" doesn't exist\n")
		return 1
	}
	say(c, "Package %s installed for user: 0", name)
	return 0
}

func (d Device) uninstall(c *toybox.Call, args []string) int {
	w := &words{args}
	keep, forUser := false, false
	version := int64(-1)
	for {
		option, ok := w.option()
		if !ok {
			break
		}
		switch option {
		case "-k":
			keep = true
		case "--user":
			forUser = w.next() != "all"
		case "--versionCode":
			version, _ = strconv.ParseInt(w.next(), 10, 64)
		default:
			return d.installError(c, "Error: Unknown option: "+option)
		}
	}
	name := w.next()
	if name == "" {
		return d.installError(c, "Error: package name not specified")
	}
	if p := d.Packages.Get(name); len(w.args) > 0 || version >= 0 && p != nil && p.App.VersionCode != version {
		say(c, "Failure [DELETE_FAILED_INTERNAL_ERROR]") // removing single splits is not simulated
		return 1
	}
	if err := d.Packages.Uninstall(name, keep, forUser); err != nil {
		return failed(c, err)
	}
	say(c, "Success")
	return 0
}
