package apkbuild

import (
	"errors"
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
)

// Spec is an app. The zero value of every field but Package has a default.
type Spec struct {
	Package     string
	VersionCode int64  // 1
	VersionName string // 1.0
	// Label is a text, or the name behind a resource if LabelResource is set. Default: the package's name.
	Label         string
	LabelResource bool
	MinSDK        int // 24
	TargetSDK     int // 34
	Split         string
	SplitRequired bool
	// Key is who signs: "debug", or any other name; Unsigned leaves the signature out.
	Key string
	// Size is the file's, in bytes, if it is more than the app needs; at most 4 GiB less 1 MiB.
	Size                 int64
	TestOnly, Debuggable bool
	// Crash makes an app with buttons that crash it, and that obeys the extra "crash" of an intent.
	Crash       bool
	Permissions []string
	// Activities take the place of MainActivity, which the launcher starts.
	Activities []apk.Activity
	ABIs       []string // machines it has code for
	Wide       bool     // the manifest's strings in UTF-16, as older tools write them
}

// Unsigned is the Key of an APK without a signature.
const Unsigned = "none"

// CrashMetadata is the meta-data that marks an app built with Crash.
const CrashMetadata = "com.example.simulator.CRASH"

// DefaultActivity is what an app of this name has if nothing else is said.
func DefaultActivity(pkg string) apk.Activity {
	return apk.Activity{Name: pkg + ".MainActivity", Exported: true,
		Filters: []apk.Filter{{Actions: []string{apk.ActionMain}, Categories: []string{apk.CategoryLauncher}}}}
}

// Link is an activity that opens a scheme's URLs: those of host, or all if it is empty.
func Link(pkg, class, scheme, host string) apk.Activity {
	f := apk.Filter{Actions: []string{apk.ActionView}, Categories: []string{apk.CategoryDefault, apk.CategoryBrowse}, Schemes: []string{scheme}}
	if host != "" {
		f.Hosts = []string{host}
	}
	return apk.Activity{Name: pkg + "." + class, Exported: true, Filters: []apk.Filter{f}}
}

// maxSize is what a zip without its 64-bit form can be, with room for the directory.
const maxSize = 4<<30 - 1<<20

// Write writes the APK. The same Spec makes the same bytes.
func Write(w io.Writer, s Spec) error {
	if s.Package == "" {
		return errors.New("an app needs a package name")
	}
	if s.Size > maxSize {
		return fmt.Errorf("an APK of %d bytes: at most %d", s.Size, int64(maxSize))
	}
	s = s.withDefaults()
	z := &archive{}
	z.add("AndroidManifest.xml", document(s.manifest(), s.Wide))
	if s.LabelResource {
		z.add("resources.arsc", table(s.Package, s.Label))
	}
	if s.Split == "" {
		z.add("classes.dex", []byte("dex\n035\x00 (simulated)\n"))
	}
	for _, abi := range s.ABIs {
		z.add("lib/"+abi+"/libnative.so", []byte("\x7fELF (simulated)\n"))
	}
	if s.Key != Unsigned {
		z.block = signingBlock(s.Key)
	}
	return z.write(w, s.Size, s.Package+s.Split+s.VersionName)
}

func (s Spec) withDefaults() Spec {
	atLeast := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	text := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	if s.VersionCode == 0 {
		s.VersionCode = 1
	}
	text(&s.VersionName, "1.0")
	text(&s.Label, s.Package)
	text(&s.Key, "debug")
	atLeast(&s.MinSDK, 24)
	atLeast(&s.TargetSDK, max(34, s.MinSDK))
	if s.Activities == nil && s.Split == "" {
		s.Activities = []apk.Activity{DefaultActivity(s.Package)}
	}
	return s
}

func (s Spec) manifest() *node {
	root := &node{name: "manifest", attrs: []attr{str("package", s.Package), num("versionCode", s.VersionCode&0xffffffff)}}
	if s.VersionCode>>32 != 0 {
		root.attrs = append(root.attrs, num("versionCodeMajor", s.VersionCode>>32))
	}
	if s.Split != "" {
		root.attrs = append(root.attrs, str("split", s.Split))
		root.add("application")
		return root
	}
	root.attrs = append(root.attrs, str("versionName", s.VersionName))
	if s.SplitRequired {
		root.attrs = append(root.attrs, yes("isSplitRequired"))
	}
	root.add("uses-sdk", num("minSdkVersion", int64(s.MinSDK)), num("targetSdkVersion", int64(s.TargetSDK)))
	for _, p := range s.Permissions {
		root.add("uses-permission", str("name", p))
	}
	label := str("label", s.Label)
	if s.LabelResource {
		label = attr{"label", valueReference, "", labelID}
	}
	app := root.add("application", label)
	if s.TestOnly {
		app.attrs = append(app.attrs, yes("testOnly"))
	}
	if s.Debuggable {
		app.attrs = append(app.attrs, yes("debuggable"))
	}
	if s.Crash {
		app.add("meta-data", str("name", CrashMetadata), yes("value"))
	}
	for _, a := range s.Activities {
		app.addActivity(a)
	}
	return root
}

func (n *node) addActivity(a apk.Activity) {
	act := n.add("activity", str("name", a.Name))
	if a.Target != "" {
		act.name = "activity-alias"
		act.attrs = append(act.attrs, str("targetActivity", a.Target))
	}
	if a.Exported {
		act.attrs = append(act.attrs, yes("exported"))
	}
	for _, f := range a.Filters {
		filter := act.add("intent-filter")
		for _, action := range f.Actions {
			filter.add("action", str("name", action))
		}
		for _, category := range f.Categories {
			filter.add("category", str("name", category))
		}
		for _, data := range []struct {
			name string
			list []string
		}{{"scheme", f.Schemes}, {"host", f.Hosts}, {"mimeType", f.Types}, {"path", f.Paths}, {"pathPrefix", f.Prefixes}, {"pathPattern", f.PathPattern}} {
			for _, text := range data.list {
				filter.add("data", str(data.name, text))
			}
		}
	}
}

// signingBlock says that key has signed: a block with one certificate that names it, and no signature.
func signingBlock(key string) []byte {
	prefixed := func(b []byte) []byte { return append(le.AppendUint32(nil, uint32(len(b))), b...) }
	certificates := prefixed(prefixed([]byte("certificate of " + key + " (simulated)")))
	signed := append(prefixed(nil), certificates...)
	pair := prefixed(prefixed(prefixed(signed)))
	const schemeV2 = 0x7109871a
	block := le.AppendUint64(nil, uint64(4+len(pair)))
	block = append(le.AppendUint32(block, schemeV2), pair...)
	size := uint64(len(block) + 24)
	whole := append(le.AppendUint64(nil, size), block...)
	return append(le.AppendUint64(whole, size), "APK Sig Block 42"...)
}
