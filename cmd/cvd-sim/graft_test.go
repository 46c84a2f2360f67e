package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/secureenv"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// The restore of cuttlefish-cvd facts, "Restore procedure", A: by hand, between two instances of one host.

const headerCluster = 65536

// grafting is what a restore takes over, and how it dates it.
type grafting struct {
	whole  bool                   // keeps the first cluster of the saved overlay
	forget []string               // host files that are not put back
	dated  func(composite string) // sets the times; nil: as the rule says
}

// graft puts the disks of instance 1 into instance 2. Both are stopped.
func (s *sim) graft(how grafting) {
	s.t.Helper()
	files := slices.Collect(maps.Keys(secureenv.Files()))
	for _, name := range append(files, "overlay.img") {
		next := s.image(2, name) + ".new"
		if slices.Contains(how.forget, name) {
			continue
		}
		if out, err := exec.Command("cp", "--sparse=always", s.image(1, name), next).CombinedOutput(); err != nil {
			s.t.Fatalf("copy %s: %v\n%s", name, err, out)
		}
		if name == "overlay.img" && !how.whole {
			s.graftHeader(next)
		}
		if err := os.Rename(next, s.image(2, name)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.checkImage(s.image(2, "overlay.img"))
	if how.dated == nil {
		how.dated = func(string) { s.date(2) }
	}
	how.dated(s.image(2, "os_composite.img"))
}

// graftHeader puts the first cluster of instance 2's overlay over that of a saved one.
func (s *sim) graftHeader(saved string) {
	s.t.Helper()
	f, err := os.OpenFile(saved, os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(s.read(s.image(2, "overlay.img"))[:headerCluster]), 0); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		s.t.Fatal(err)
	}
}

// date is the rule that keeps an overlay: the composite first, then the overlay.
func (s *sim) date(n int) {
	s.t.Helper()
	for _, name := range []string{"os_composite.img", "overlay.img"} {
		if err := os.Chtimes(s.image(n, name), time.Time{}, time.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// newPair is a host with a stopped instance 1 that has data and a fresh stopped instance 2.
func newPair(t *testing.T, version string) *sim {
	t.Helper()
	s := newSim(t, version)
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.guest(1, "echo precious > /data/local/tmp/note; sync")
	s.ok("--group_name=s_1", "stop")
	s.ok(s.createArgs("s_2", "--instance_nums=2")...)
	s.ok("--group_name=s_2", "stop")
	return s
}

func TestARestoreByHandBringsTheDataBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, version string
		updated       bool // crosvm demands the format extension from the second instance on
	}{
		{"1.40", "1.40.0", false},
		{"1.55", "1.55.2", false},
		{"1.55, onto a newer crosvm", "1.55.2", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, tt.version)
			apk := filepath.Join(t.TempDir(), "bakery.apk")
			if code := buildAPK([]string{"--package=com.example.bakery", apk}); code != 0 {
				t.Fatalf("cvd-sim apk: %d", code)
			}
			s.ok(s.createArgs("s_1", "--instance_nums=1")...)
			if out := s.realADB()("install", apk); !strings.Contains(out, "Success") {
				t.Fatalf("install: %s", out)
			}
			s.guest(1, "echo precious > /sdcard/Download/note; settings put system screen_brightness 17; sync")
			s.ok("--group_name=s_1", "stop")
			s.checkImage(s.image(1, "overlay.img"))

			if tt.updated {
				settings := s.root.Settings
				settings.CompositeBacking = true
				if _, err := simroot.Create(s.root.Dir, settings); err != nil {
					t.Fatal(err)
				}
			}
			s.ok(s.createArgs("s_2", "--instance_nums=2")...)
			s.ok("--group_name=s_2", "stop")
			s.graft(grafting{})
			restored := inode(t, s.image(2, "overlay.img"))
			s.ok("--group_name=s_1", "rm") // nothing of the restored one may be needed
			s.ok("--group_name=s_2", "start")

			look := "cat /sdcard/Download/note; settings get system screen_brightness; pm list packages -3; getprop sim.host_files"
			if got := s.guest(2, look); got != "precious\n17\npackage:com.example.bakery\nok" {
				t.Errorf("the restored guest says %q", got)
			}
			if got := inode(t, s.image(2, "overlay.img")); got[strings.LastIndex(got, " "):] != restored[strings.LastIndex(restored, " "):] {
				t.Error("the overlay is not the file that was put there")
			}
			if log := s.read(s.image(2, "logs/assemble_cvd.log")); strings.Contains(log, "Wiping") {
				t.Errorf("assemble_cvd.log: %s", log)
			}
			s.ok("--group_name=s_2", "stop")
			s.checkImage(s.image(2, "overlay.img"))
			s.date(2)
			s.ok("--group_name=s_2", "start")
			if got := s.guest(2, look); !strings.HasPrefix(got, "precious\n17\n") {
				t.Errorf("after one more start the guest says %q", got)
			}
		})
	}
}

func TestARestoreThatForgetsAHostFileIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, secret := range secureenv.Files() {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			s := newPair(t, "1.55.2")
			s.graft(grafting{forget: []string{name}})
			if !secret {
				s.ok("--group_name=s_2", "start")
				if got := s.guest(2, "cat /data/local/tmp/note; getprop sim.host_files"); got != "precious\n"+name {
					t.Errorf("the guest says %q", got)
				}
				return
			}
			s.fails("/data cannot be unlocked: not the host files that it was encrypted with: "+name, "--group_name=s_2", "start")
			if got := s.state("s_2"); got != "Boot Failed" {
				t.Errorf("state %s, want Boot Failed", got)
			}
			s.date(2)
			s.ok("--group_name=s_2", "start", "--secure_hals=guest_keymint_insecure,guest_gatekeeper_insecure")
			if got := s.guest(2, "cat /data/local/tmp/note"); got != "precious" {
				t.Errorf("with keys of its own the guest says %q", got)
			}
		})
	}
}

func TestRestoresThatGoWrong(t *testing.T) {
	t.Parallel()
	dated := func(t *testing.T, path string, at time.Time) {
		t.Helper()
		if err := os.Chtimes(path, time.Time{}, at); err != nil {
			t.Fatal(err)
		}
	}
	const note = "cat /data/local/tmp/note 2>/dev/null || echo none"
	t.Run("an overlay older than its composite is made anew", func(t *testing.T) {
		t.Parallel()
		s := newPair(t, "1.55.2")
		s.graft(grafting{dated: func(composite string) {
			now := time.Now()
			dated(t, composite, now)
			dated(t, s.image(2, "overlay.img"), now.Add(-time.Second))
		}})
		s.ok("--group_name=s_2", "start")
		if got := s.guest(2, note+"; getprop sim.host_files"); got != "none\nok" {
			t.Errorf("the guest says %q", got)
		}
		if log := s.read(s.image(2, "logs/assemble_cvd.log")); strings.Contains(log, "Wiping") || !strings.Contains(log, "Creating the overlay") {
			t.Errorf("assemble_cvd.log: %s", log)
		}
	})
	t.Run("a component newer than the composite wipes", func(t *testing.T) {
		t.Parallel()
		s := newPair(t, "1.55.2")
		s.graft(grafting{dated: func(composite string) {
			s.date(2)
			dated(t, filepath.Join(filepath.Dir(composite), "metadata"), time.Now().Add(time.Second))
		}})
		s.ok("--group_name=s_2", "start")
		if got := s.guest(2, note); got != "none" {
			t.Errorf("the guest says %q", got)
		}
		if log := s.read(s.image(2, "logs/assemble_cvd.log")); !strings.Contains(log, "Wiping") {
			t.Errorf("assemble_cvd.log: %s", log)
		}
	})
	t.Run("an overlay without graft works until its origin is gone", func(t *testing.T) {
		t.Parallel()
		s := newPair(t, "1.55.2")
		s.graft(grafting{whole: true})
		s.ok("--group_name=s_2", "start")
		if got := s.guest(2, note); got != "precious" {
			t.Errorf("the guest says %q", got)
		}
		s.ok("--group_name=s_2", "stop")
		s.ok("--group_name=s_1", "rm")
		s.date(2)
		s.fails("failed to open backing file", "--group_name=s_2", "start")
	})
	t.Run("a newer crosvm refuses an overlay of an older one", func(t *testing.T) {
		t.Parallel()
		s := newPair(t, "1.55.2")
		s.graft(grafting{whole: true})
		settings := s.root.Settings
		settings.CompositeBacking = true
		if _, err := simroot.Create(s.root.Dir, settings); err != nil {
			t.Fatal(err)
		}
		s.fails("MissingBackingFileFormat", "--group_name=s_2", "start")
	})
}
