package apps

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// details is what a device knows of a package.
type details struct {
	Package     string      `json:"package"`
	VersionCode int64       `json:"versionCode"`
	VersionName string      `json:"versionName"`
	MinSDK      int         `json:"minSdk,omitempty"`
	TargetSDK   int         `json:"targetSdk,omitempty"`
	UID         int         `json:"uid"`
	Path        string      `json:"path"`
	DataDir     string      `json:"dataDir,omitempty"`
	Splits      []string    `json:"splits,omitempty"`
	System      bool        `json:"system"`
	Enabled     bool        `json:"enabled"`
	Debuggable  bool        `json:"debuggable"`
	Installer   string      `json:"installer,omitempty"`
	Installed   *time.Time  `json:"firstInstalled,omitempty"`
	Updated     *time.Time  `json:"lastUpdated,omitempty"`
	Permissions permissions `json:"permissions"`
	Activities  []string    `json:"activities"` // that a launcher shows
	Running     bool        `json:"running"`
}

// permissions are by name, in order.
type permissions struct {
	Requested []string `json:"requested"`
	Granted   []string `json:"granted"`
}

// timeLayout is how dumpsys writes times, in the device's zone.
const timeLayout = "2006-01-02 15:04:05"

// parseDump reads the block of a package in what "dumpsys package" says. zone is the device's; nil: times are left out.
// found is false where there is no block.
func parseDump(text, pkg string, zone *time.Location) (d details, found bool) {
	d = details{Package: pkg, Enabled: true, Permissions: permissions{Requested: []string{}, Granted: []string{}}, Activities: []string{}}
	section := ""
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\r\n")
		if !found {
			found = strings.HasPrefix(row, "  Package ["+pkg+"] (")
			continue
		}
		if row != "" && !strings.HasPrefix(row, "    ") {
			break // the next block; the version that came with the image may follow, hidden
		}
		switch word := strings.TrimSpace(row); {
		case strings.HasSuffix(word, "permissions:"):
			section = strings.TrimSuffix(word, " permissions:")
		case strings.Contains(word, ": granted="):
			if permission, rest, _ := strings.Cut(word, ": "); strings.HasPrefix(rest, "granted=true") {
				d.Permissions.Granted = append(d.Permissions.Granted, permission)
			}
		case section == "requested" && requested.MatchString(word):
			permission, _, _ := strings.Cut(word, ":")
			d.Permissions.Requested = append(d.Permissions.Requested, permission)
		default:
			d.read(word, zone)
		}
	}
	slices.Sort(d.Permissions.Granted)
	d.Permissions.Granted = slices.Compact(d.Permissions.Granted)
	slices.Sort(d.Permissions.Requested)
	return d, found
}

// requested is a permission that an app wants, and perhaps what that depends on.
var requested = regexp.MustCompile(`^[\w.]+\.\w+(: .*)?$`)

// enabledState is the package's in one of its users.
var enabledState = regexp.MustCompile(`^User 0:.* enabled=(\d)`)

// read takes one line of the form name=value, or several.
func (d *details) read(word string, zone *time.Location) {
	if m := enabledState.FindStringSubmatch(word); m != nil {
		d.Enabled = m[1] == "0" || m[1] == "1" // the manifest's default, or enabled; the others are ways of being disabled
		return
	}
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "versionCode":
		for field := range strings.FieldsSeq(word) {
			key, value, _ := strings.Cut(field, "=")
			n, _ := strconv.ParseInt(value, 10, 64)
			switch key {
			case "versionCode":
				d.VersionCode = n
			case "minSdk":
				d.MinSDK = int(n)
			case "targetSdk":
				d.TargetSDK = int(n)
			}
		}
	case "versionName":
		if value != "null" {
			d.VersionName = value
		}
	case "userId", "appId":
		value, _, _ = strings.Cut(value, " ")
		d.UID, _ = strconv.Atoi(value)
	case "codePath":
		d.Path = value
	case "dataDir":
		d.DataDir = value
	case "splits":
		d.Splits = strings.Split(strings.Trim(value, "[]"), ", ")
	case "installerPackageName":
		if value != "null" {
			d.Installer = value
		}
	case "flags", "pkgFlags":
		flags := strings.Fields(strings.Trim(value, "[]"))
		d.System = d.System || slices.Contains(flags, "SYSTEM")
		d.Debuggable = d.Debuggable || slices.Contains(flags, "DEBUGGABLE")
	case "firstInstallTime":
		setTime(&d.Installed, value, zone)
	case "lastUpdateTime":
		setTime(&d.Updated, value, zone)
	}
}

func setTime(into **time.Time, text string, zone *time.Location) {
	if zone == nil {
		return
	}
	if at, err := time.ParseInLocation(timeLayout, text, zone); err == nil {
		*into = &at
	}
}

// zoneOf is the zone that "date +%z" tells; nil: it does not.
func zoneOf(text string) *time.Location {
	at, err := time.Parse("-0700", text)
	if err != nil {
		return nil
	}
	return at.Location()
}
