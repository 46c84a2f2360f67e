package name_test

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// Ensure names are taken as Android takes them, and nothing that a shell or a command could take for more.
func TestNames(t *testing.T) {
	t.Parallel()
	pkg := func(s string) error { _, err := name.Package(s); return err }
	activity := func(s string) error { _, err := name.Activity(s); return err }
	component := func(s string) error { _, _, err := name.Component(s); return err }
	permission := func(s string) error { _, err := name.Permission(s); return err }
	for _, c := range []struct {
		check func(string) error
		text  string
		good  bool
	}{
		{pkg, "com.example.app", true},
		{pkg, "android", true},
		{pkg, "io.appium.settings", true},
		{pkg, "com.example.App_2", true},
		{pkg, "", false},
		{pkg, "single", false},
		{pkg, "-r", false},
		{pkg, "com.example;reboot", false},
		{pkg, "com.example.app\n", false},
		{pkg, "com..app", false},
		{pkg, "com.example.1app", false},
		{pkg, "com.example/../app", false},
		{pkg, "com.é", false},
		{pkg, "a." + strings.Repeat("b", 300), false},
		{activity, ".MainActivity", true},
		{activity, "com.example.Main$Inner", true},
		{activity, "--es", false},
		{activity, "a b", false},
		{component, "com.example/.Main", true},
		{component, "com.example", false},
		{component, "/.Main", false},
		{component, "com.example/", false},
		{permission, "android.permission.CAMERA", true},
		{permission, "CAMERA", true},
		{permission, "--all", false},
		{permission, "", false},
	} {
		if err := c.check(c.text); (err == nil) != c.good || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v; good is %t", c.text, err, c.good)
		}
	}
	if got, err := name.Permission("CAMERA"); got != "android.permission.CAMERA" {
		t.Error(got, err)
	}
}
