package apps

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// maxFilter bounds the text that names are filtered by.
const maxFilter = 223

// listed is one package of the list.
type listed struct {
	Package     string  `json:"name"`
	VersionCode int64   `json:"versionCode"`
	VersionName *string `json:"versionName,omitempty"` // asked for only
	UID         int     `json:"uid"`
	Path        string  `json:"path"`
	System      bool    `json:"system"`
	Enabled     bool    `json:"enabled"`
	Installer   string  `json:"installer,omitempty"`
}

// selection is which packages are wanted.
type selection struct {
	filter   string
	kind     string // all, system, third-party
	disabled *bool
	versions bool
}

func selectionOf(c *transport.Ctx) (s selection, err error) {
	s = selection{filter: c.Optional("filter"), kind: c.Optional("type")}
	if s.kind == "" {
		s.kind = "all"
	}
	if !slices.Contains([]string{"all", "system", "third-party"}, s.kind) {
		return s, fault.Invalidf("type is all, system or third-party, not %.40q", s.kind)
	}
	if len(s.filter) > maxFilter {
		return s, fault.Invalidf("filter is longer than a name can be: %d characters", maxFilter)
	}
	if text := c.Optional("disabled"); text != "" {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return s, fault.Invalidf("disabled is true or false, not %.40q", text)
		}
		s.disabled = &yes
	}
	if text := c.Optional("versions"); text != "" {
		if s.versions, err = strconv.ParseBool(text); err != nil {
			return s, fault.Invalidf("versions is true or false, not %.40q", text)
		}
	}
	return s, nil
}

func (s selection) wants(p *listed) bool {
	return strings.Contains(p.Package, s.filter) && (s.kind == "all" || p.System == (s.kind == "system")) &&
		(s.disabled == nil || p.Enabled != *s.disabled)
}

// packages lists what is installed, by one shell command.
func (d *Door) packages(c *transport.Ctx) error {
	want, err := selectionOf(c)
	if err != nil {
		return err
	}
	u, err := d.query(c)
	if err != nil {
		return err
	}
	defer u.End()
	const list = "cmd package list packages"
	commands := []string{list + " -f -U -i --show-versioncode", list + " -s", list + " -d"}
	if want.versions {
		commands = append(commands, `dumpsys package packages | grep -e '^  Package \[' -e '^    versionName='`)
	}
	answers, err := ask(u, commands...)
	if err != nil {
		return err
	}
	if !strings.Contains(answers[0].text, "package:") {
		return transport.Unprocessablef("the device does not list its packages: %s", firstLines(answers[0].text))
	}
	system, disabled := namesOf(answers[1].text), namesOf(answers[2].text)
	var versions map[string]string
	if want.versions {
		versions = versionsOf(answers[3].text)
	}
	found := []listed{}
	for row := range strings.Lines(answers[0].text) {
		p, ok := parseListed(row)
		if !ok {
			continue
		}
		p.System, p.Enabled = system[p.Package], !disabled[p.Package]
		if !want.wants(&p) {
			continue
		}
		if want.versions {
			version := versions[p.Package]
			p.VersionName = &version
		}
		found = append(found, p)
	}
	slices.SortFunc(found, func(a, b listed) int { return strings.Compare(a.Package, b.Package) })
	return c.JSON(http.StatusOK, map[string]any{"packages": found})
}

// parseListed reads package:/path/base.apk=com.x versionCode:12  installer=com.y uid:10123. A path may hold "=", a name does not.
func parseListed(row string) (p listed, ok bool) {
	fields := strings.Fields(row)
	if len(fields) == 0 {
		return p, false
	}
	file, ok := strings.CutPrefix(fields[0], "package:")
	if !ok {
		return p, false
	}
	if at := strings.LastIndexByte(file, '='); at >= 0 {
		p.Path, p.Package = file[:at], file[at+1:]
	} else {
		p.Package = file
	}
	if _, err := name.Package(p.Package); err != nil {
		return p, false
	}
	for _, field := range fields[1:] {
		if text, found := strings.CutPrefix(field, "versionCode:"); found {
			p.VersionCode, _ = strconv.ParseInt(text, 10, 64)
		}
		if text, found := strings.CutPrefix(field, "uid:"); found {
			text, _, _ = strings.Cut(text, ",") // one for each user
			p.UID, _ = strconv.Atoi(text)
		}
		if text, found := strings.CutPrefix(field, "installer="); found && text != "null" {
			p.Installer = text
		}
	}
	return p, true
}

// namesOf reads lines of package:com.x.
func namesOf(text string) map[string]bool {
	names := map[string]bool{}
	for row := range strings.Lines(text) {
		if one, ok := strings.CutPrefix(strings.TrimSpace(row), "package:"); ok {
			names[one] = true
		}
	}
	return names
}

// versionsOf reads the heads of packages and the lines of versionName behind them. Of a system app that was updated
// the one that runs comes first.
func versionsOf(text string) map[string]string {
	versions, pkg := map[string]string{}, ""
	for row := range strings.Lines(text) {
		row = strings.TrimSpace(row)
		if head, ok := strings.CutPrefix(row, "Package ["); ok {
			pkg, _, _ = strings.Cut(head, "]")
			continue
		}
		version, ok := strings.CutPrefix(row, "versionName=")
		if _, known := versions[pkg]; ok && !known && pkg != "" && version != "null" {
			versions[pkg] = version
		}
	}
	return versions
}

// details tells all of one package.
func (d *Door) details(c *transport.Ctx) error {
	text, err := c.Param("package")
	if err != nil {
		return err
	}
	pkg, err := name.Package(text)
	if err != nil {
		return err
	}
	u, err := d.query(c)
	if err != nil {
		return err
	}
	defer u.End()
	answers, err := ask(u, line("dumpsys", "package", pkg), pathsOf(pkg), launchersOf(pkg), "date +%z", line("pidof", pkg))
	if err != nil {
		return err
	}
	about, found := parseDump(answers[0].text, pkg, zoneOf(answers[3].text))
	if !found || !answers[1].isInstalled() {
		return unknown(pkg)
	}
	about.Activities = activitiesIn(answers[2].text, pkg)
	about.Running = answers[4].code == 0
	return c.JSON(http.StatusOK, about)
}

// launchersOf asks for the activities that a launcher shows.
func launchersOf(pkg string) string {
	return line("cmd", "package", "query-activities", "--brief", pkg)
}

// activitiesIn finds the components of a package in what query-activities says.
func activitiesIn(text, pkg string) []string {
	found := []string{}
	for row := range strings.Lines(text) {
		of, activity, err := name.Component(strings.TrimSpace(row))
		if err == nil && of == pkg && !slices.Contains(found, activity) {
			found = append(found, activity)
		}
	}
	return found
}
