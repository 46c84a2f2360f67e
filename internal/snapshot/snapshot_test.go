package snapshot_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

const size = 64 << 20

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func wantKind(t *testing.T, err error, kind fault.Kind, says string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("got %v (%v); want %v with %q", err, fault.KindOf(err), kind, says)
	}
}

// Ensure a snapshot has the specification's layout and a manifest that says what is in it, and that a device of the
// same images gets data, secrets and nothing else of another's from it.
func TestTakeAndGraft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	m, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	dir := filepath.Join(w.artifacts, "snapshots", "acme", "golden")
	if target, err := os.Readlink(filepath.Join(dir, "super.img")); err != nil || target != filepath.Join(w.base, "super.img") {
		t.Errorf("super.img leads to %q, %v", target, err)
	}
	for name, want := range map[string]string{
		"sdcard.img": "sd kept", "metadata.img": "zeros", "NVChip": "tpm kept", "internal/factory_reset_protected.img": "frp kept",
	} {
		if got := read(t, dir, "instance_data", name); got != want {
			t.Errorf("%s holds %q", name, got)
		}
	}
	again, _, err := w.store.Read(t.Context(), dir)
	must(t, err)
	if !again.Verified() || again.Name != "golden" || again.Org != "acme" || again.Disk.Size != size || len(again.Files) != 5 ||
		again.Consistency != snapshot.Stopped || !strings.HasPrefix(again.Memory, "not saved: ") || !slices.Equal(again.Flags, m.Flags) || again.Files[1].SHA256 != hexOf("sd kept") {
		t.Errorf("the manifest: %+v", again)
	}
	if w.resumes != 1 {
		t.Errorf("resumed %d times", w.resumes)
	}

	other := instance(t, "lost", qcow2.New, size)
	put(t, "of the other", other, "gatekeeper_secure")
	for range 2 { // doing it again does the same
		must(t, w.store.Graft(t.Context(), dir, again, other))
	}
	if got := onDisk(t, other); got != "kept" {
		t.Errorf("its disk holds %q", got)
	}
	if read(t, other, "NVChip") != "tpm kept" || read(t, other, "sdcard.img") != "sd kept" || read(t, other, "metadata") != "zeros" {
		t.Error("its other files")
	}
	if _, err := os.Stat(filepath.Join(other, "gatekeeper_secure")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a secret that does not fit the data was left")
	}
	checkByQemu(t, filepath.Join(other, "overlay.img"), filepath.Join(dir, "instance_data", "overlay.img"))
	if _, err := w.store.Take(t.Context(), "acme/golden", w.source(other, snapshot.Stopped), quietly); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second of the same name: %v", err)
	}
	for _, want := range []bool{true, false} {
		if removed, err := w.store.Remove(t.Context(), "acme/golden"); err != nil || removed != want {
			t.Errorf("removed: %v, %v; want %v", removed, err, want)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
}

func checkByQemu(t *testing.T, paths ...string) {
	t.Helper()
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("skipped: needs qemu-img (Debian: qemu-utils)")
	}
	for _, path := range paths {
		if out, err := exec.Command(program, "check", "-f", "qcow2", path).CombinedOutput(); err != nil {
			t.Errorf("qemu-img check %s: %v: %s", path, err, out)
		}
	}
}

// Ensure whatever fails while the device is quiet lets it go on, and leaves nothing.
func TestADeviceIsLetGoOn(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, string){
		"no disk": func(_ *world, dir string) { must(t, os.Remove(filepath.Join(dir, "overlay.img"))) },
		"a link": func(_ *world, dir string) {
			f := filepath.Join(dir, "NVChip")
			must(t, errors.Join(os.Remove(f), os.Symlink("/etc/passwd", f)))
		},
		"not a disk":      func(_ *world, dir string) { put(t, "text", dir, "overlay.img") },
		"cannot go on":    func(w *world, _ string) { w.stuck = errDead },
		"somebody leaves": func(*world, string) {},
	} {
		w := newWorld(t, local(t))
		dir := instance(t, "kept", qcow2.Old, size)
		src := w.source(dir, snapshot.Paused)
		quiet := src.Quiet
		src.Quiet = func(ctx context.Context) (snapshot.Quiet, error) {
			spoil(w, dir)
			return quiet(ctx)
		}
		ctx, cancel := context.WithCancel(t.Context())
		report := quietly
		if name == "somebody leaves" {
			report = func(sandbox.Progress) { cancel() }
		}
		_, err := w.store.Take(ctx, "acme/golden", src, report)
		cancel()
		if err == nil || w.resumes != 1 {
			t.Errorf("%s: %v, resumed %d times", name, err, w.resumes)
		}
		if left, err := os.ReadDir(filepath.Join(w.artifacts, "snapshots", "acme")); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// Ensure a copy of a running device that is torn is refused, and one that is not is marked as what it is.
func TestACopyOfARunningDevice(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("skipped: needs qemu-img (Debian: qemu-utils)")
	}
	w := newWorld(t, local(t))
	dir := instance(t, "kept", qcow2.Old, size)
	m, err := w.store.Take(t.Context(), "acme/good", w.source(dir, snapshot.Crash), quietly)
	if err != nil || m.Consistency != snapshot.Crash {
		t.Errorf("got %+v, %v", m, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "overlay.img"), os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xff, 0xff}, 64<<10+1) // an entry of the L1 table
	must(t, errors.Join(err, f.Close()))
	_, err = w.store.Take(t.Context(), "acme/torn", w.source(dir, snapshot.Crash), quietly)
	wantKind(t, err, fault.Unavailable, "torn")
}

// Ensure a runner that is killed at any step leaves a snapshot that is whole or none, and what it leaves is swept.
func TestAKillAtAnyStep(t *testing.T) {
	t.Parallel()
	for n := range 24 {
		w := newWorld(t, &dying{Host: local(t), n: n})
		_, failed := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
		next := snapshot.New(snapshot.Options{Host: local(t), Artifacts: w.artifacts})
		_, err := next.Sweep(t.Context())
		must(t, err)
		left, _ := filepath.Glob(filepath.Join(w.artifacts, "snapshots", "acme", "*"))
		hidden, _ := filepath.Glob(filepath.Join(w.artifacts, "snapshots", "acme", ".*"))
		if len(left) > 1 || len(hidden) > 0 || failed == nil && len(left) == 0 {
			t.Fatalf("killed at %d: left %v and %v", n, left, hidden)
		}
		if len(left) == 1 {
			m, _, err := next.Read(t.Context(), left[0])
			must(t, err)
			must(t, next.Graft(t.Context(), left[0], m, instance(t, "lost", qcow2.Old, size)))
		}
	}
}

// Ensure a graft that is killed at any step is done by doing it again.
func TestAKillDuringAGraft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	m, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	dir, err := w.store.Dir("acme/golden")
	must(t, err)
	for n := range 16 {
		other := instance(t, "lost", qcow2.New, size)
		_ = snapshot.New(snapshot.Options{Host: &dying{Host: local(t), n: n}, Artifacts: w.artifacts}).Graft(t.Context(), dir, m, other)
		must(t, w.store.Graft(t.Context(), dir, m, other))
		if onDisk(t, other) != "kept" || read(t, other, "NVChip") != "tpm kept" {
			t.Errorf("killed at %d: it is not what was saved", n)
		}
		if left, _ := filepath.Glob(other + "/*.new"); len(left) > 0 {
			t.Errorf("killed at %d: left %v", n, left)
		}
	}
}

// Ensure what does not fit, or is not what was saved, is refused before the device is touched.
func TestWhatIsNotGrafted(t *testing.T) {
	t.Parallel()
	for says, spoil := range map[string]func(dir string, m *snapshot.Manifest) (kind fault.Kind, size int64){
		"virtual size": func(string, *snapshot.Manifest) (fault.Kind, int64) { return fault.Conflict, 2 * size },
		"is damaged":   func(dir string, _ *snapshot.Manifest) (fault.Kind, int64) { return fault.Invalid, flip(t, dir) },
		"the manifest says": func(_ string, m *snapshot.Manifest) (fault.Kind, int64) {
			m.Files[0].Size++
			return fault.Invalid, size
		},
		"does not list it": func(_ string, m *snapshot.Manifest) (fault.Kind, int64) {
			m.Files = m.Files[1:]
			return fault.Invalid, size
		},
		"is not a regular file": func(dir string, _ *snapshot.Manifest) (fault.Kind, int64) { return fault.Invalid, link(t, dir) },
		"no such file": func(dir string, _ *snapshot.Manifest) (fault.Kind, int64) {
			must(t, os.Remove(dir+"/instance_data/overlay.img"))
			return fault.NotFound, size
		},
	} {
		w := newWorld(t, local(t))
		m, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
		must(t, err)
		dir, err := w.store.Dir("acme/golden")
		must(t, err)
		kind, virtual := spoil(dir, &m)
		other := instance(t, "lost", qcow2.Old, virtual)
		wantKind(t, w.store.Graft(t.Context(), dir, m, other), kind, says)
		if onDisk(t, other) != "lost" || read(t, other, "NVChip") != "tpm lost" {
			t.Errorf("%s: the device was touched", says)
		}
	}
}

func flip(t *testing.T, dir string) int64 {
	f, err := os.OpenFile(dir+"/instance_data/overlay.img", os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 200<<10)
	must(t, errors.Join(err, f.Close()))
	return size
}

func link(t *testing.T, dir string) int64 {
	file := dir + "/instance_data/overlay.img"
	must(t, os.Rename(file, file+".away"))
	must(t, os.Symlink(file+".away", file))
	return size
}

// Ensure a manifest is refused for what it says before anything is done with it, keeps what is not known, and may have
// the specification's fields alone.
func TestManifests(t *testing.T) {
	t.Parallel()
	plain := `{"name":"golden","orgId":"acme","baseImage":"android-1","createdAt":"2026-01-02T03:04:05Z","size":7}`
	m, err := snapshot.Parse([]byte(plain))
	if err != nil || m.Verified() || m.Name != "golden" {
		t.Errorf("the specification's: %+v, %v", m, err)
	}
	disk := `"formatVersion":1,"qcow2":{"virtualSize":1},`
	file := func(name string, size int, more string) string {
		return fmt.Sprintf(`{%s"files":[{"name":%q,"size":%d,"sha256":%q%s}]}`, disk, name, size, hexOf(""), more)
	}
	if _, err := snapshot.Parse([]byte(file("instance_data/overlay.img", 5, ""))); err != nil {
		t.Error(err)
	}
	for says, text := range map[string]string{
		"cannot unmarshal":         `[]`,
		"none above 1":             `{"formatVersion":2}`,
		"a number is negative":     `{"size":-1}`,
		"does not say what the di": `{"formatVersion":1}`,
		"none that a snapshot has": file("/etc/passwd", 1, ""),
		`"instance_data/../../x"`:  file("instance_data/../../x", 1, ""),
		`"overlay.img" is none`:    file("overlay.img", 1, ""),
		"a size of -5":             file("instance_data/overlay.img", -5, ""),
		"1 chunks for 20000000":    file("instance_data/overlay.img", 20000000, `,"chunks":[""]`),
		"digest of a chunk":        file("instance_data/overlay.img", 5, `,"chunks":["zz"]`),
		"is there twice":           `{"images":[{"name":"super.img"},{"name":"super.img"}]}`,
		`image ".." is no`:         `{"images":[{"name":".."}]}`,
		`image "a/b" is no`:        `{"images":[{"name":"a/b"}]}`,
		"image \"manifest.json\"":  `{"images":[{"name":"manifest.json"}]}`,
		"sentinel":                 `{"sentinel":"'; rm -rf /"}`,
		"is no name of a file":     `{"images":[{"name":"` + strings.Repeat("a", 1<<20) + `"}]}`,
	} {
		if _, err := snapshot.Parse([]byte(text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: got %.300v; want %q", text, err, says)
		}
	}
	m, err = snapshot.Parse([]byte(`{"name":"x","theirs":{"a":[1]}}`))
	must(t, err)
	data, err := json.Marshal(m)
	if err != nil || !strings.Contains(string(data), `"theirs":{"a":[1]}`) {
		t.Errorf("got %s, %v", data, err)
	}
	for _, name := range []string{"x", "a/b/c", "../x", "a/..", "a/.hidden", "/x", "a/", "a/" + strings.Repeat("b", 200)} {
		if _, _, err := snapshot.Split(name); !fault.Is(err, fault.Invalid) {
			t.Errorf("name %q is taken", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"formatVersion":1,"files":[{"name":"instance_data/overlay.img","size":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := snapshot.Parse(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(m)
		must(t, err)
		if _, err := snapshot.Parse(out); err != nil {
			t.Errorf("written again it is refused: %v", err)
		}
	})
}
