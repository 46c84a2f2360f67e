// Package name knows the grammar of the names that Android gives to packages, components and permissions, so
// that none of them can be taken for an option, a path or a piece of shell.
//
//	pkg, err := name.Package(text)
//
// The grammars are those of Android's package parser: letters, digits and underscores, in parts joined by dots,
// each of which begins with a letter.
package name

import (
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// longest is how long a name may be: a package's is a directory's name in the device.
const longest = 223

// dotted is a name of at least two parts; part is one of them; a nested class has a dollar sign.
var (
	dotted = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	class  = regexp.MustCompile(`^\.?[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`)
)

// Package checks the name of a package: com.example.app, or android itself. Invalid says what is wrong.
func Package(text string) (string, error) {
	if text == "" {
		return "", fault.Invalidf("a package name is wanted, such as com.example.app")
	}
	if len(text) > longest || text != "android" && !dotted.MatchString(text) {
		return "", fault.Invalidf("%q is no package name: it is letters, digits and _ in parts joined by dots, such as com.example.app", clip(text))
	}
	return text, nil
}

// Activity checks the class of an activity or another component: .MainActivity, com.example.app.MainActivity.
func Activity(text string) (string, error) {
	if len(text) > longest || !class.MatchString(text) {
		return "", fault.Invalidf("%q is no activity: it is a class, such as .MainActivity or com.example.app.MainActivity", clip(text))
	}
	return text, nil
}

// Component checks PACKAGE/CLASS and returns both.
func Component(text string) (pkg, activity string, err error) {
	pkg, activity, found := strings.Cut(text, "/")
	if !found {
		return "", "", fault.Invalidf("%q is no component: it is PACKAGE/CLASS", clip(text))
	}
	if pkg, err = Package(pkg); err != nil {
		return "", "", err
	}
	activity, err = Activity(activity)
	return pkg, activity, err
}

// Permission checks the name of a permission, android.permission.CAMERA; a short one, CAMERA, gets that prefix.
func Permission(text string) (string, error) {
	full := text
	if !strings.Contains(text, ".") {
		full = "android.permission." + text
	}
	if len(full) > longest || !dotted.MatchString(full) {
		return "", fault.Invalidf("%q is no permission: they look like android.permission.CAMERA", clip(text))
	}
	return full, nil
}

// clip keeps a message short.
func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}
