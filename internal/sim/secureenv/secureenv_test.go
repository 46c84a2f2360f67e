package secureenv_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/secureenv"
)

func made(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pflash.img"), make([]byte, 8192), 0o644); err != nil { // as assembly makes it
		t.Fatal(err)
	}
	if err := secureenv.Make(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHostFilesAreMadeOnceAndDiffer(t *testing.T) {
	t.Parallel()
	one, two := made(t), made(t)
	first := secureenv.Look(one)
	if err := secureenv.Make(one); err != nil {
		t.Fatal(err)
	}
	if len(first) != len(secureenv.Files()) {
		t.Errorf("%d files of %d: %v", len(first), len(secureenv.Files()), first)
	}
	for name, id := range secureenv.Look(one) {
		if id != first[name] {
			t.Errorf("%s was made anew", name)
		}
		if id == secureenv.Look(two)[name] {
			t.Errorf("%s is the same in two instances", name)
		}
	}
	if info, err := os.Stat(filepath.Join(one, "pflash.img")); err != nil || info.Size() != 8192 {
		t.Errorf("pflash.img: %v, %v; want its old size", info, err)
	}
}

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	dir := made(t)
	bound := secureenv.Decode(append([]byte("nonsense\n0123 of_a_later_version\n"), secureenv.Look(dir).Encode()...))
	if secrets, others := bound.Misfits(secureenv.Look(dir)); len(secrets)+len(others) != 0 {
		t.Errorf("of the same files %v and %v do not fit", secrets, others)
	}
	if err := os.Remove(filepath.Join(dir, "NVChip")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sdcard.img"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	secrets, others := bound.Misfits(secureenv.Look(dir))
	if !slices.Equal(secrets, []string{"NVChip"}) || !slices.Equal(others, []string{"sdcard.img"}) {
		t.Errorf("%v and %v do not fit; want NVChip and sdcard.img", secrets, others)
	}
}
