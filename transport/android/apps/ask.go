package apps

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps/apk"
	"github.com/daytonaio/runner-android/transport/android/apps/archive"
	"github.com/daytonaio/runner-android/transport/android/name"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// maxDump bounds what is read of what a device says of its packages; a thousand with their paths are 200 KiB.
const maxDump = 8 << 20

// endMark stands on a line of its own behind what each command of several printed, before its exit code.
const endMark = "--end-of-command--"

// said is what a command came to.
type said struct {
	text string // stdout and stderr, without blank ends
	code int
}

// ask runs commands one after the other in one shell, whatever becomes of each, and returns what each said.
func ask(u *android.Use, commands ...string) ([]said, error) {
	var script strings.Builder
	for _, command := range commands {
		fmt.Fprintf(&script, "{ %s\n} </dev/null 2>&1; code=$?; echo; echo %s $code\n", command, endMark)
	}
	out, err := u.Ask(script.String(), maxDump)
	if err != nil {
		return nil, err
	}
	all := make([]said, len(commands))
	for i := range all {
		text, rest, found := bytes.Cut(out, []byte("\n"+endMark+" "))
		line, rest, _ := bytes.Cut(rest, []byte("\n"))
		code, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if !found || err != nil {
			return nil, transport.Unprocessablef("the device did not answer to the end: %.200q", bytes.TrimSpace(text))
		}
		all[i], out = said{string(bytes.TrimSpace(text)), code}, rest
	}
	return all, nil
}

// line is guestcommand.Line.
func line(words ...string) string { return guestcommand.Line(words...) }

// query takes the device for a question.
func (d *Door) query(c *transport.Ctx) (*android.Use, error) { return d.kit.Take(c, d.Query) }

// pathsOf asks whether a package is installed; see isInstalled.
func pathsOf(pkg string) string { return line("pm", "path", pkg) }

func (s said) isInstalled() bool { return strings.Contains(s.text, "package:") }

func unknown(pkg string) error {
	return fault.NotFoundf("no package %s is installed: GET …/android/packages lists what is", pkg)
}

// shape asks what splits are chosen by.
func shape(u *android.Use) (archive.Device, error) {
	answers, err := ask(u, "getprop ro.product.cpu.abilist", "getprop ro.sf.lcd_density", "wm density")
	if err != nil {
		return archive.Device{}, err
	}
	var device archive.Device
	for _, abi := range strings.Split(answers[0].text, ",") {
		if abi = strings.TrimSpace(abi); abi != "" {
			device.ABIs = append(device.ABIs, abi)
		}
	}
	device.Density, _ = strconv.Atoi(answers[1].text)
	for text := range strings.Lines(answers[2].text) { // "Physical density: 320", and perhaps "Override density: 420"
		_, number, _ := strings.Cut(text, "density: ")
		if n, err := strconv.Atoi(strings.TrimSpace(number)); err == nil && n > 0 {
			device.Density = n
		}
	}
	return device, nil
}

// identify fills in what the device says of the package that was just installed: the APK may have told something
// else. A package that the device does not know stays unnamed.
func identify(u *android.Use, m apk.Manifest, into *installed) error {
	if _, err := name.Package(m.Package); err != nil {
		return nil
	}
	answers, err := ask(u, line("dumpsys", "package", m.Package))
	if err != nil {
		return err
	}
	if about, found := parseDump(answers[0].text, m.Package, nil); found {
		into.Package, into.VersionCode, into.VersionName = m.Package, about.VersionCode, about.VersionName
	}
	return nil
}
