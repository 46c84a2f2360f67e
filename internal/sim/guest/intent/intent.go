package intent

import (
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
)

// The actions and the category that stand for "open the app".
const (
	Main     = apk.ActionMain
	View     = apk.ActionView
	Launcher = apk.CategoryLauncher
)

// Intent is a request to open something.
type Intent struct {
	Action     string
	Categories []string
	Data, Type string
	Flags      uint32
	Package    string
	Component  Component
	Extras     []Extra
}

// Extra is a value that an intent carries along.
type Extra struct{ Name, Kind, Value string }

// Extra finds an extra's text by its name.
func (in Intent) Extra(name string) (string, bool) {
	for _, e := range in.Extras {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// Component is an activity: its package and the full name of its class.
type Component struct{ Package, Class string }

// ParseComponent reads PACKAGE/CLASS, where CLASS may begin with a dot.
func ParseComponent(text string) (Component, bool) {
	pkg, class, ok := strings.Cut(text, "/")
	if !ok || pkg == "" || class == "" {
		return Component{}, false
	}
	if strings.HasPrefix(class, ".") {
		class = pkg + class
	}
	return Component{pkg, class}, true
}

// Short is PACKAGE/.Class where the class is in the package, as Android writes it.
func (c Component) Short() string {
	if rest, ok := strings.CutPrefix(c.Class, c.Package+"."); ok {
		return c.Package + "/." + rest
	}
	return c.Package + "/" + c.Class
}

// Full is PACKAGE/CLASS.
func (c Component) Full() string { return c.Package + "/" + c.Class }

// String is the intent as Android prints it: Intent { act=… cat=[…] dat=… }.
func (in Intent) String() string { return "Intent { " + in.Words() + " }" }

// Words is what stands between the braces.
func (in Intent) Words() string {
	var words []string
	add := func(name, text string) {
		if text != "" {
			words = append(words, name+"="+text)
		}
	}
	add("act", in.Action)
	if len(in.Categories) > 0 {
		add("cat", "["+strings.Join(in.Categories, ",")+"]")
	}
	add("dat", in.Data)
	add("typ", in.Type)
	if in.Flags != 0 {
		add("flg", fmt.Sprintf("0x%x", in.Flags))
	}
	add("pkg", in.Package)
	if in.Component != (Component{}) {
		add("cmp", in.Component.Short())
	}
	if len(in.Extras) > 0 {
		words = append(words, "(has extras)")
	}
	return strings.Join(words, " ")
}
