package apk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// APK is what is known of one APK file.
type APK struct {
	Package     string
	Split       string // name of the split; "" is the base
	VersionCode int64
	VersionName string
	// MinSDK is 1 and TargetSDK is MinSDK where the manifest names none. A version that is a code name
	// of a release to come is math.MaxInt32.
	MinSDK, TargetSDK    int
	Label                string // "" if there is none
	TestOnly, Debuggable bool
	SplitRequired        bool // the base is of no use alone
	Permissions, ABIs    []string
	Activities           []Activity
	Metadata             map[string]string // texts of the application's meta-data
	Signer               string            // SHA-256 of the signer's certificate in hex, or Unsigned

	labelID    uint32
	hasPackage bool
}

// Unsigned is the Signer of an APK without a signature.
const Unsigned = "unsigned"

// Activity is one that others may start, or the app itself.
type Activity struct {
	Name     string // its class, in full
	Target   string // of an alias: the class behind it
	Exported bool
	Filters  []Filter
}

// Filter is what an activity says that it can do.
type Filter struct {
	Actions, Categories          []string
	Schemes, Hosts, Types        []string
	Paths, Prefixes, PathPattern []string
}

// Actions and categories that mean something to the system.
const (
	ActionMain       = "android.intent.action.MAIN"
	ActionView       = "android.intent.action.VIEW"
	CategoryLauncher = "android.intent.category.LAUNCHER"
	CategoryDefault  = "android.intent.category.DEFAULT"
	CategoryBrowse   = "android.intent.category.BROWSABLE"
)

// Launcher is the class that the launcher's icon starts; "" if the app has none.
func (a *APK) Launcher() string {
	for _, act := range a.Activities {
		for _, f := range act.Filters {
			if slices.Contains(f.Actions, ActionMain) && slices.Contains(f.Categories, CategoryLauncher) {
				return act.Name
			}
		}
	}
	return ""
}

// Activity finds one by its class; nil means there is none.
func (a *APK) Activity(class string) *Activity {
	i := slices.IndexFunc(a.Activities, func(act Activity) bool { return act.Name == class })
	if i < 0 {
		return nil
	}
	return &a.Activities[i]
}

// Bounds on what is kept of one manifest.
const (
	maxItems = 20_000  // activities, filters and their parts, permissions, meta-data
	maxText  = 1 << 20 // bytes of all their names
)

// collector builds an APK from the elements of its manifest.
type collector struct {
	apk         *APK
	items, text int
}

func (c *collector) count(texts ...string) error {
	c.items++
	for _, t := range texts {
		c.text += len(t)
	}
	if c.items > maxItems || c.text > maxText {
		return errors.New("it says too much")
	}
	return nil
}

// start takes one element.
func (c *collector) start(path []string, e element) error {
	a := c.apk
	switch strings.Join(path, "/") + "/" + e.name {
	case "/manifest":
		return c.manifest(e)
	case "manifest/uses-sdk":
		a.MinSDK = sdkVersion(e.attrs["minSdkVersion"], 1)
		a.TargetSDK = sdkVersion(e.attrs["targetSdkVersion"], a.MinSDK)
		return nil
	case "manifest/uses-permission", "manifest/uses-permission-sdk-23":
		name := e.attrs["name"].text
		if name != "" && !slices.Contains(a.Permissions, name) {
			a.Permissions = append(a.Permissions, name)
		}
		return c.count(name)
	case "manifest/application":
		a.Debuggable = isTrue(e.attrs["debuggable"])
		a.TestOnly = isTrue(e.attrs["testOnly"])
		switch label := e.attrs["label"]; label.kind {
		case valueString:
			a.Label = label.text
		case valueReference:
			a.labelID = label.data
		}
		return c.count(a.Label)
	case "manifest/application/meta-data":
		name, v := e.attrs["name"].text, e.attrs["value"]
		text := v.text
		if v.isInt() {
			text = fmt.Sprint(int32(v.data))
		}
		if v.kind == valueIntBoolean {
			text = fmt.Sprint(v.data != 0)
		}
		a.Metadata[name] = text
		return c.count(name, text)
	case "manifest/application/activity", "manifest/application/activity-alias":
		act := Activity{Name: c.class(e.attrs["name"].text), Target: c.class(e.attrs["targetActivity"].text), Exported: isTrue(e.attrs["exported"])}
		a.Activities = append(a.Activities, act)
		return c.count(act.Name, act.Target)
	}
	if len(path) >= 3 && len(a.Activities) > 0 && strings.HasPrefix(path[2], "activity") {
		return c.filter(&a.Activities[len(a.Activities)-1], path[3:], e)
	}
	return nil
}

func (c *collector) manifest(e element) error {
	a := c.apk
	a.hasPackage = true
	a.Package = e.attrs["package"].text
	a.Split = e.attrs["split"].text
	a.VersionCode = int64(e.attrs["versionCodeMajor"].data)<<32 | int64(e.attrs["versionCode"].data)
	a.VersionName = e.attrs["versionName"].text
	a.SplitRequired = isTrue(e.attrs["isSplitRequired"])
	a.MinSDK, a.TargetSDK = 1, 1
	return c.count(a.Package, a.Split, a.VersionName)
}

// class writes a class out in full.
func (c *collector) class(name string) string {
	switch {
	case strings.HasPrefix(name, "."):
		return c.apk.Package + name
	case name != "" && !strings.Contains(name, "."):
		return c.apk.Package + "." + name
	}
	return name
}

// filter takes an element inside of an activity.
func (c *collector) filter(act *Activity, path []string, e element) error {
	if len(path) == 0 {
		if e.name == "intent-filter" {
			act.Filters = append(act.Filters, Filter{})
		}
		return c.count()
	}
	if path[0] != "intent-filter" || len(act.Filters) == 0 {
		return nil
	}
	f := &act.Filters[len(act.Filters)-1]
	add := func(list *[]string, attr string) error {
		text := e.attrs[attr].text
		if text == "" || slices.Contains(*list, text) && len(*list) < 64 {
			return nil
		}
		*list = append(*list, text)
		return c.count(text)
	}
	switch e.name {
	case "action":
		return add(&f.Actions, "name")
	case "category":
		return add(&f.Categories, "name")
	case "data":
		return errors.Join(add(&f.Schemes, "scheme"), add(&f.Hosts, "host"), add(&f.Types, "mimeType"),
			add(&f.Paths, "path"), add(&f.Prefixes, "pathPrefix"), add(&f.PathPattern, "pathPattern"))
	}
	return nil
}

func isTrue(v value) bool { return v.kind == valueIntBoolean && v.data != 0 || v.text == "true" }

func sdkVersion(v value, otherwise int) int {
	switch {
	case v.isInt():
		return int(min(v.data, math.MaxInt32))
	case v.kind == valueString && v.text != "":
		return math.MaxInt32
	}
	return otherwise
}
