package qcow2_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/qcow2"
	simulated "github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// overlay writes an overlay as the crosvm of either age does, with text at 4 KiB, and returns its path.
func overlay(t *testing.T, style simulated.Style, backing, text string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "overlay.img")
	img, err := simulated.Create(path, simulated.Options{Size: size, Backing: backing, Style: style})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := img.WriteAt([]byte(text), 4096); err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func first(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data[:qcow2.ClusterSize]
}

func parsed(t *testing.T, path string) qcow2.Header {
	t.Helper()
	h, err := qcow2.Parse(first(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Ensure a grafted disk has its own data and the other's backing path, whichever crosvm wrote which.
func TestGraft(t *testing.T) {
	t.Parallel()
	for _, from := range []simulated.Style{simulated.Old, simulated.New} {
		for _, to := range []simulated.Style{simulated.Old, simulated.New} {
			backing := filepath.Join(t.TempDir(), "os_composite.img")
			if err := os.WriteFile(backing, make([]byte, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			saved := overlay(t, from, "/somewhere/else/os_composite.img", "kept", 1<<20)
			fresh := overlay(t, to, backing, "lost", 1<<20)
			if err := parsed(t, saved).Fits(parsed(t, fresh)); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(saved)
			if err != nil {
				t.Fatal(err)
			}
			copy(data, first(t, fresh))
			if err := os.WriteFile(saved, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := parsed(t, saved).Backing; got != backing {
				t.Errorf("%s onto %s: backing %q", from, to, got)
			}
			img, err := simulated.Open(saved)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4)
			if _, err := img.ReadAt(buf, 4096); err != nil || string(buf) != "kept" {
				t.Errorf("%s onto %s: got %q, %v", from, to, buf, err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			checkByQemu(t, saved)
		}
	}
}

func checkByQemu(t *testing.T, path string) {
	t.Helper()
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("skipped: needs qemu-img (Debian: qemu-utils)")
	}
	if out, err := exec.Command(program, "check", "-f", "qcow2", path).CombinedOutput(); err != nil {
		t.Errorf("qemu-img check: %v: %s", err, out)
	}
}

// Ensure another backing path, longer or shorter, changes nothing else of a disk of either crosvm, up to the longest that is read.
func TestWithBacking(t *testing.T) {
	t.Parallel()
	for _, style := range []simulated.Style{simulated.Old, simulated.New} {
		backing := filepath.Join(t.TempDir(), "os_composite.img")
		if err := os.WriteFile(backing, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		file := overlay(t, style, "/a/rather/long/path/that/leaves/something/behind/where/it/is/not/cleared/os_composite.img", "kept", 1<<20)
		was := parsed(t, file)
		for _, path := range []string{"/" + strings.Repeat("x", 1022), backing} {
			head, err := qcow2.WithBacking(first(t, file), path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			copy(data, head)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			got := parsed(t, file)
			if got.Backing != path {
				t.Errorf("%s: backing %q", style, got.Backing)
			}
			if got.Backing = was.Backing; got != was {
				t.Errorf("%s: got %+v, want %+v", style, got, was)
			}
		}
		checkByQemu(t, file)
		if bytes.Contains(first(t, file), []byte("xx")) {
			t.Errorf("%s: something of the longer path is left", style)
		}
		if _, err := qcow2.WithBacking(first(t, file), strings.Repeat("x", 1024)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: a longer path: %v", style, err)
		}
	}
	if _, err := qcow2.WithBacking(make([]byte, qcow2.ClusterSize), "/x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	saved, fresh := parsed(t, overlay(t, simulated.Old, "/b", "", 1<<20)), parsed(t, overlay(t, simulated.Old, "/b", "", 2<<20))
	err := saved.Fits(fresh)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "virtual size 1048576, here 2097152") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	good := first(t, overlay(t, simulated.New, "/b", "", 1<<20))
	for says, spoil := range map[string]func([]byte){
		"not a qcow2":      func(b []byte) { b[0] = 0 },
		"version is 2":     func(b []byte) { b[7] = 2 },
		"cluster bits":     func(b []byte) { b[23] = 12 },
		"encryption":       func(b []byte) { b[35] = 1 },
		"snapshots is 1":   func(b []byte) { b[63] = 1 },
		"features is 8":    func(b []byte) { b[79] = 8 },
		"refcount order":   func(b []byte) { b[99] = 3 },
		"header of 72":     func(b []byte) { b[103] = 72 },
		"backing path":     func(b []byte) { binary.BigEndian.PutUint64(b[8:], 1<<40) },
		"with 2000 bytes":  func(b []byte) { binary.BigEndian.PutUint32(b[16:], 2000) },
		"without size":     func(b []byte) { clear(b[24:32]) },
		"lies at 65536 wi": func(b []byte) { binary.BigEndian.PutUint64(b[8:], qcow2.ClusterSize) },
	} {
		bad := append([]byte{}, good...)
		spoil(bad)
		if _, err := qcow2.Parse(bad); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
	if _, err := qcow2.Parse(good[:100]); err == nil {
		t.Error("a header cut short was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, qcow2.ClusterSize))
	f.Fuzz(func(_ *testing.T, data []byte) {
		buf := make([]byte, qcow2.ClusterSize)
		copy(buf, data)
		_, _ = qcow2.Parse(buf)
	})
}
