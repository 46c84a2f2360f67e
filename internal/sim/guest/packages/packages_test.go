package packages_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

// device is a package manager on a disk, with one app of the system.
type device struct {
	*packages.Manager
	t       testing.TB
	files   *vfs.View
	options packages.Options
}

func newDevice(t testing.TB, size int) *device {
	t.Helper()
	fsys, err := guestfs.Open(guestfstest.NewDisk(size), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, files: vfs.New(vfs.OnDisk(fsys), vfs.Dir(0o755, nil), "data").As(vfs.Cred{})}
	for _, dir := range []string{"/data", "/data/app", "/data/data", "/data/system"} {
		if err := fsys.Mkdir(dir, 0o771); err != nil {
			t.Fatal(err)
		}
	}
	system := packages.System{Name: "com.example.notes", Label: "Notes", UID: 10121, Activities: []apk.Activity{apkbuild.DefaultActivity("com.example.notes")}}
	clock := time.Unix(1e9, 0)
	d.options = packages.Options{Files: d.files, SDK: 35, System: []packages.System{system},
		Now: func() time.Time { clock = clock.Add(time.Hour); return clock }}
	d.reboot()
	return d
}

// reboot reads everything again.
func (d *device) reboot() {
	d.t.Helper()
	var err error
	if d.Manager, err = packages.Open(d.options); err != nil {
		d.t.Fatal(err)
	}
}

// install stages APKs and commits them.
func (d *device) install(o packages.Install, specs ...apkbuild.Spec) (*packages.Package, error) {
	d.t.Helper()
	id, err := d.Create(o)
	if err != nil {
		return nil, err
	}
	for i, s := range specs {
		data := build(d.t, s)
		name := string(rune('a'+i)) + ".apk"
		if n, err := d.Write(context.Background(), id, name, int64(len(data)), bytes.NewReader(data)); err != nil || n != int64(len(data)) {
			d.t.Fatalf("write: %d, %v", n, err)
		}
	}
	return d.Commit(id)
}

func build(t testing.TB, s apkbuild.Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := apkbuild.Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// leftovers are what is in /data/app beside installed apps.
func (d *device) leftovers() (names []string) {
	entries, err := d.files.ReadDir("/data/app")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		owned := false
		for _, p := range d.List() {
			owned = owned || strings.HasPrefix(p.Path, "/data/app/"+e.Name+"/")
		}
		if !owned {
			names = append(names, e.Name)
		}
	}
	return names
}

const app = "com.example.app"

// Ensure an app is installed as files, survives a boot with all that belongs to it, and goes.
func TestLifeOfAnApp(t *testing.T) {
	t.Parallel()
	d := newDevice(t, 64<<20)
	spec := apkbuild.Spec{Package: app, VersionCode: 3, Label: "My App", Permissions: []string{"android.permission.CAMERA", "android.permission.INTERNET"}}
	p, err := d.install(packages.Install{Installer: "com.example.store"}, spec, apkbuild.Spec{Package: app, VersionCode: 3, Split: "config.de"})
	if err != nil {
		t.Fatal(err)
	}
	if p.UID != 10150 || p.Label() != "My App" || len(p.Files()) != 2 || !strings.HasPrefix(p.Path, "/data/app/~~") || !p.HasGrant("android.permission.INTERNET") || p.HasGrant("android.permission.CAMERA") {
		t.Errorf("installed %+v", p)
	}
	if err := d.Grant(app, "android.permission.CAMERA"); err != nil {
		t.Fatal(err)
	}
	if err := d.SetEnabled(app, packages.DisabledByUser); err != nil {
		t.Fatal(err)
	}
	d.reboot()
	again := d.Get(app)
	if again == nil || again.UID != 10150 || again.Label() != "My App" || again.Installer != "com.example.store" || !again.HasGrant("android.permission.CAMERA") ||
		again.Usable() || len(again.Splits) != 1 || !again.First.Equal(p.First) {
		t.Fatalf("after a boot: %+v", again)
	}
	spec.VersionCode = 4
	next, err := d.install(packages.Install{}, spec)
	if err != nil || !next.First.Equal(p.First) || !next.Last.After(p.Last) || next.UID != p.UID || next.Installer != "com.example.store" || len(next.Splits) != 0 {
		t.Errorf("updated: %+v, %v", next, err)
	}
	if info, err := d.files.Stat(next.Data()); err != nil || info.UID != 10150 || info.Mode.Perm() != 0o700 {
		t.Errorf("its data: %+v, %v", info, err)
	}
	if err := d.Clear(app); err != nil || d.Get(app).HasGrant("android.permission.CAMERA") {
		t.Errorf("clear: %v", err)
	}
	if left := d.leftovers(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if err := d.Uninstall(app, false, false); err != nil || d.Get(app) != nil {
		t.Errorf("uninstall: %v", err)
	}
	if _, err := d.files.Stat("/data/data/" + app); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its data after that: %v", err)
	}
}

// Ensure Android's refusals have Android's words, and change nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	d := newDevice(t, 64<<20)
	if _, err := d.install(packages.Install{}, apkbuild.Spec{Package: app, VersionCode: 5}); err != nil {
		t.Fatal(err)
	}
	other := "com.example.other"
	for _, c := range []struct {
		name  string
		how   packages.Install
		specs []apkbuild.Spec
		want  string
	}{
		{"a lower version", packages.Install{}, []apkbuild.Spec{{Package: app, VersionCode: 4}}, "INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code 4 is older than current 5"},
		{"another key", packages.Install{}, []apkbuild.Spec{{Package: app, VersionCode: 5, Key: "other"}}, "INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package com.example.app signatures do not match newer version; ignoring!"},
		{"an app of the system", packages.Install{}, []apkbuild.Spec{{Package: "com.example.notes", VersionCode: 99}}, "INSTALL_FAILED_UPDATE_INCOMPATIBLE"},
		{"no replacement", packages.Install{NoReplace: true}, []apkbuild.Spec{{Package: app, VersionCode: 6}}, "INSTALL_FAILED_ALREADY_EXISTS: Attempt to re-install com.example.app without first uninstalling."},
		{"for a newer release", packages.Install{}, []apkbuild.Spec{{Package: other, MinSDK: 36}}, "INSTALL_FAILED_OLDER_SDK: "},
		{"for an old release", packages.Install{}, []apkbuild.Spec{{Package: other, MinSDK: 9, TargetSDK: 19}}, "INSTALL_FAILED_DEPRECATED_SDK_VERSION: App package must target at least SDK version 24, but found 19"},
		{"for another machine", packages.Install{}, []apkbuild.Spec{{Package: other, ABIs: []string{"arm64-v8a"}}}, "INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract native libraries, res=-113"},
		{"for tests", packages.Install{}, []apkbuild.Spec{{Package: other, TestOnly: true}}, "INSTALL_FAILED_TEST_ONLY: "},
		{"without its splits", packages.Install{}, []apkbuild.Spec{{Package: other, SplitRequired: true}}, "INSTALL_FAILED_MISSING_SPLIT: Missing split for com.example.other"},
		{"only a split", packages.Install{}, []apkbuild.Spec{{Package: other, Split: "a"}}, "INSTALL_FAILED_INVALID_APK: Full install must include a base package"},
		{"a split of something else", packages.Install{}, []apkbuild.Spec{{Package: other}, {Package: app, Split: "a"}}, "INSTALL_FAILED_INVALID_APK: "},
		{"a split of another key", packages.Install{}, []apkbuild.Spec{{Package: other}, {Package: other, Split: "a", Key: "k"}}, "INSTALL_FAILED_INVALID_APK: "},
		{"a split of another version", packages.Install{}, []apkbuild.Spec{{Package: other}, {Package: other, Split: "a", VersionCode: 9}}, "INSTALL_FAILED_INVALID_APK: "},
		{"a split twice", packages.Install{}, []apkbuild.Spec{{Package: other}, {Package: other, Split: "a"}, {Package: other, Split: "a"}}, "INSTALL_FAILED_INVALID_APK: Split a was defined multiple times"},
		{"a split for nothing", packages.Install{Inherit: other}, []apkbuild.Spec{{Package: other, Split: "a"}}, "INSTALL_FAILED_INVALID_APK: Missing existing base package for com.example.other"},
		{"no signature", packages.Install{}, []apkbuild.Spec{{Package: other, Key: apkbuild.Unsigned}}, "INSTALL_PARSE_FAILED_NO_CERTIFICATES: "},
		{"a name that is a path", packages.Install{}, []apkbuild.Spec{{Package: "a/../../b.c"}}, "INSTALL_PARSE_FAILED_BAD_PACKAGE_NAME: "},
		{"a split that is a path", packages.Install{}, []apkbuild.Spec{{Package: other}, {Package: other, Split: "../a"}}, "INSTALL_FAILED_INVALID_APK: Invalid split name: ../a"},
		{"nothing", packages.Install{}, nil, "INSTALL_FAILED_INVALID_APK: No packages staged in "},
		{"more than there is room", packages.Install{Size: 1 << 40}, nil, "INSTALL_FAILED_INSUFFICIENT_STORAGE: Requested internal only, but not enough space"},
	} {
		_, err := d.install(c.how, c.specs...)
		var f *packages.Failure
		if !errors.As(err, &f) || !strings.HasPrefix(f.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if p := d.Get(app); p == nil || p.App.VersionCode != 5 || d.Get(other) != nil || len(d.leftovers()) != 0 || len(d.Sessions()) != 0 {
		t.Errorf("afterwards: %+v, left %v, sessions %v", p, d.leftovers(), d.Sessions())
	}
	for _, ok := range []struct {
		how  packages.Install
		spec apkbuild.Spec
	}{
		{packages.Install{Downgrade: true}, apkbuild.Spec{Package: app, VersionCode: 4}},
		{packages.Install{TestOnly: true, LowTarget: true}, apkbuild.Spec{Package: other, TestOnly: true, MinSDK: 9, TargetSDK: 19, ABIs: []string{"arm64-v8a", "x86_64"}}},
		{packages.Install{Inherit: other, TestOnly: true, LowTarget: true}, apkbuild.Spec{Package: other, Split: "more"}},
	} {
		if _, err := d.install(ok.how, ok.spec); err != nil {
			t.Errorf("%+v: %v", ok, err)
		}
	}
	if p := d.Get(other); len(p.Files()) != 2 {
		t.Errorf("with the split that was added: %+v", p)
	}
}

// Ensure a stream that ends early, a full disk and an abandoned session leave nothing.
func TestInstallsThatDoNotArrive(t *testing.T) {
	t.Parallel()
	d := newDevice(t, 16<<20)
	data := build(t, apkbuild.Spec{Package: app, Size: 1 << 20})
	id, err := d.Create(packages.Install{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(t.Context(), id, "base.apk", int64(len(data)), bytes.NewReader(data[:len(data)-1])); !errors.Is(err, packages.ErrShort) {
		t.Errorf("a short stream: %v", err)
	}
	if _, err := d.Write(t.Context(), id, "../../evil", 1, bytes.NewReader(data)); err == nil {
		t.Error("a file beside the session")
	}
	if _, err := d.Write(t.Context(), id, "big.apk", -1, endless{}); !packages.IsFull(err) {
		t.Errorf("a stream without end: %v", err)
	}
	if _, err := d.Write(t.Context(), id, "cut.apk", int64(len(data)), bytes.NewReader(data[:len(data)/2])); err == nil {
		t.Error("half an APK")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Write(ctx, id, "base.apk", int64(len(data)), bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := d.Write(t.Context(), id, "torn.apk", 5000, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := d.Abandon(id); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Commit(id); err == nil {
		t.Error("an abandoned session was committed")
	}
	if left := d.leftovers(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	id, _ = d.Create(packages.Install{})
	d.Write(t.Context(), id, "base.apk", 5000, bytes.NewReader(data))
	if _, err := d.Commit(id); err == nil || !strings.HasPrefix(err.Error(), "INSTALL_PARSE_FAILED_NOT_APK: Failed to parse /data/app/vmdl") {
		t.Errorf("a torn APK: %v", err)
	}
	id, _ = d.Create(packages.Install{})
	d.Write(t.Context(), id, "base.apk", int64(len(data)), bytes.NewReader(data))
	d.reboot()
	if left := d.leftovers(); len(left) != 0 || len(d.Sessions()) != 0 || d.Get(app) != nil {
		t.Errorf("after a boot: %v, %v", left, d.Sessions())
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Ensure the system's apps can be hidden and brought back, but not removed; and what -k keeps.
func TestRemoving(t *testing.T) {
	t.Parallel()
	d := newDevice(t, 64<<20)
	for _, c := range []struct {
		name          string
		keep, forUser bool
		want          string
	}{
		{"com.none", false, false, "DELETE_FAILED_INTERNAL_ERROR"},
		{"com.none", false, true, "not installed for 0"},
		{"com.example.notes", false, false, "DELETE_FAILED_INTERNAL_ERROR"},
	} {
		if err := d.Uninstall(c.name, c.keep, c.forUser); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := d.Uninstall("com.example.notes", false, true); err != nil || d.Get("com.example.notes") != nil {
		t.Errorf("hidden: %v", err)
	}
	d.reboot()
	if d.Get("com.example.notes") != nil || !d.Restore("com.example.notes") || d.Get("com.example.notes") == nil {
		t.Error("it does not come back")
	}
	p, err := d.install(packages.Install{}, apkbuild.Spec{Package: app})
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.files.Open(p.Data()+"/saved", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "x")
	f.Close()
	if err := d.Uninstall(app, true, false); err != nil {
		t.Fatal(err)
	}
	d.reboot()
	if _, err := d.install(packages.Install{}, apkbuild.Spec{Package: app, Key: "thief"}); err == nil {
		t.Error("another key takes the data over")
	}
	again, err := d.install(packages.Install{}, apkbuild.Spec{Package: app})
	if err != nil || again.UID != p.UID {
		t.Errorf("installed again: %+v, %v", again, err)
	}
	if _, err := d.files.Stat(p.Data() + "/saved"); err != nil {
		t.Errorf("the data: %v", err)
	}
}

// Ensure intents find the activities of usable apps only.
func TestResolve(t *testing.T) {
	t.Parallel()
	d := newDevice(t, 64<<20)
	if _, err := d.install(packages.Install{}, apkbuild.Spec{Package: app, Activities: []apk.Activity{apkbuild.DefaultActivity(app), apkbuild.Link(app, "Open", "demo", "")}}); err != nil {
		t.Fatal(err)
	}
	find := func(in intent.Intent) string {
		var names []string
		for _, r := range d.Resolve(in) {
			names = append(names, r.Component().Short())
		}
		return strings.Join(names, " ")
	}
	home := intent.Intent{Action: intent.Main, Categories: []string{intent.Launcher}}
	if got := find(home); got != "com.example.app/.MainActivity com.example.notes/.MainActivity" {
		t.Errorf("launcher: %s", got)
	}
	if got := find(intent.Intent{Action: intent.View, Data: "demo:x"}); got != "com.example.app/.Open" {
		t.Errorf("a link: %s", got)
	}
	d.SetEnabled(app, packages.Disabled)
	if got := find(home); got != "com.example.notes/.MainActivity" {
		t.Errorf("with the app disabled: %s", got)
	}
}
