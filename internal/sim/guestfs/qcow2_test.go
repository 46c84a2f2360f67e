package guestfs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

var _ Device = (*qcow2.Image)(nil)

// TestLivesInAnOverlay is the arrangement of the simulated guest: a partition of a qcow2 disk.
func TestLivesInAnOverlay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "overlay.img")
	base := filepath.Join(t.TempDir(), "os_composite.img") // qemu-img wants it to exist
	must(t, os.WriteFile(base, make([]byte, 4096), 0o644))
	img, err := qcow2.Create(path, qcow2.Options{Size: 20 << 30, Backing: base, Style: qcow2.New})
	must(t, err)
	const offset = 5<<30 + 17*512
	part, err := Range(img, offset, 8<<30)
	must(t, err)
	f := mustOpen(t, part, Options{FlushBytes: 30_000})
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		mutate(f, rnd, func() {})
	}
	big := bytes.Repeat([]byte("guest data "), 300_000)
	must(t, f.writeFile("/big", big))
	must(t, f.compact())
	want := dump(t, f)
	must(t, f.Close())
	must(t, img.Close())

	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Log("not checked with qemu-img: it is not installed")
	} else if out, err := exec.Command("qemu-img", "check", "-f", "qcow2", path).CombinedOutput(); err != nil {
		t.Errorf("qemu-img check: %v\n%s", err, out)
	}

	img, err = qcow2.Open(path)
	must(t, err)
	defer img.Close()
	part, err = Range(img, offset, 8<<30)
	must(t, err)
	f = mustOpen(t, part, Options{})
	if got := dump(t, f); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func BenchmarkWriteThroughOverlay(b *testing.B) {
	img, err := qcow2.Create(filepath.Join(b.TempDir(), "overlay.img"), qcow2.Options{Size: 20 << 30})
	must(b, err)
	defer img.Close()
	f := mustOpen(b, img, Options{})
	p := make([]byte, 1<<20)
	for i := range p {
		p[i] = byte(i)
	}
	b.SetBytes(64 << 20)
	for i := 0; b.Loop(); i++ {
		path := fmt.Sprintf("/f%d", i%4)
		must(b, f.writeFile(path, bytes.Repeat(p, 64)))
	}
	must(b, f.Close())
}
