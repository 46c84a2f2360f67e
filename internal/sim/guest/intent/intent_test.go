package intent_test

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
)

// Ensure arguments become the intent that am prints on a device, and bad ones Java's exceptions.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want, err string }{
		{"-n a.b/.C", "Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] cmp=a.b/.C }", ""},
		{"a.b/c.D", "Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] cmp=a.b/c.D }", ""},
		{"a.b", "Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] pkg=a.b }", ""},
		{"-a android.intent.action.VIEW -d demo://x?a=1&b=2 -p a.b", "Intent { act=android.intent.action.VIEW dat=demo://x?a=1&b=2 pkg=a.b }", ""},
		{"demo://x", "Intent { act=android.intent.action.VIEW dat=demo://x }", ""},
		{"-a X -c C -c D -t text/plain -f 0x10000000 --ez k t --esn n", "Intent { act=X cat=[C,D] typ=text/plain flg=0x10000000 (has extras) }", ""},
		{"--ei k 1x a.b", "", `For input string: "1x"`},
		{"--ez k maybe a.b", "", "Invalid boolean value: maybe"},
		{"--nope a.b", "", "Unknown option: --nope"},
		{"-n a.b", "", "Bad component name: a.b"},
		{"", "", "No intent supplied"},
		{"-a", "", `Argument expected after "-a"`},
	} {
		in, _, err := intent.Parse(strings.Fields(c.args), nil)
		switch {
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: error %v, want %s", c.args, err, c.err)
		case c.err == "" && (err != nil || in.String() != c.want):
			t.Errorf("%s: %s, %v; want %s", c.args, in, err, c.want)
		}
	}
	in, _, err := intent.Parse(strings.Fields("-a A -e s text --ez z 1 --esa l a,b x.y"), nil)
	if err != nil || len(in.Extras) != 3 || in.Extras[1] != (intent.Extra{Name: "z", Kind: "Boolean", Value: "true"}) {
		t.Errorf("extras: %+v, %v", in.Extras, err)
	}
	if v, ok := in.Extra("l"); !ok || v != "a,b" {
		t.Errorf("extra l is %q", v)
	}
}

// Ensure filters match as Android's do.
func TestMatch(t *testing.T) {
	t.Parallel()
	view := apk.Filter{Actions: []string{intent.View}, Categories: []string{apk.CategoryDefault, apk.CategoryBrowse}}
	with := func(change func(*apk.Filter)) apk.Filter {
		f := view
		change(&f)
		return f
	}
	demo := with(func(f *apk.Filter) { f.Schemes = []string{"demo"} })
	host := with(func(f *apk.Filter) { f.Schemes, f.Hosts = []string{"https"}, []string{"*.example.com"} })
	path := with(func(f *apk.Filter) {
		f.Schemes, f.Hosts, f.PathPattern = []string{"https"}, []string{"a"}, []string{"/x/.*/z"}
	})
	image := with(func(f *apk.Filter) { f.Types = []string{"image/*"} })
	for _, c := range []struct {
		name string
		in   intent.Intent
		f    apk.Filter
		want bool
	}{
		{"the scheme", intent.Intent{Action: intent.View, Data: "demo://any/where"}, demo, true},
		{"opaque data", intent.Intent{Action: intent.View, Data: "demo:thing"}, demo, true},
		{"another scheme", intent.Intent{Action: intent.View, Data: "other://x"}, demo, false},
		{"no action", intent.Intent{Data: "demo:x"}, demo, true},
		{"another action", intent.Intent{Action: intent.Main, Data: "demo:x"}, demo, false},
		{"no data", intent.Intent{Action: intent.View}, demo, false},
		{"a category", intent.Intent{Action: intent.View, Data: "demo:x", Categories: []string{apk.CategoryBrowse}}, demo, true},
		{"a category it has not", intent.Intent{Action: intent.View, Data: "demo:x", Categories: []string{intent.Launcher}}, demo, false},
		{"a host below", intent.Intent{Action: intent.View, Data: "https://www.EXAMPLE.com/a"}, host, true},
		{"another host", intent.Intent{Action: intent.View, Data: "https://example.org/"}, host, false},
		{"a path", intent.Intent{Action: intent.View, Data: "https://a/x/y/z?q=1"}, path, true},
		{"another path", intent.Intent{Action: intent.View, Data: "https://a/x/y"}, path, false},
		{"a type", intent.Intent{Action: intent.View, Data: "content://m/1", Type: "image/png"}, image, true},
		{"another type", intent.Intent{Action: intent.View, Type: "text/plain"}, image, false},
		{"data without a type", intent.Intent{Action: intent.View, Data: "demo:x"}, image, false},
	} {
		if got := intent.Match(c.in, c.f); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
