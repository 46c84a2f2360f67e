package guestfs

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tester is what helpers need of *testing.T, *testing.F and *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// disk is a sparse device in memory that can lose power: what was written since the last Sync
// then survives in part, in any order, and the last write may be torn.
type disk struct {
	mu      sync.Mutex
	size    int64
	pages   map[int64][]byte
	pending []pendingWrite
	full    bool // every write fails with ENOSPC
}

type pendingWrite struct {
	off int64
	p   []byte
}

const page = 4096

var _ Device = (*disk)(nil)

func newDisk(size int64) *disk { return &disk{size: size, pages: map[int64][]byte{}} }

func (d *disk) Size() int64 { return d.size }

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending = nil
	return nil
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off < 0 || off+int64(len(p)) > d.size {
		return 0, io.EOF
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		n := min(len(p)-done, int(page-at%page))
		if have := d.pages[at/page]; have != nil {
			copy(p[done:done+n], have[at%page:])
		} else {
			clear(p[done : done+n])
		}
		done += n
	}
	return len(p), nil
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off < 0 || off+int64(len(p)) > d.size {
		return 0, fmt.Errorf("write of %d bytes at %d leaves the device", len(p), off)
	}
	if d.full {
		return 0, syscall.ENOSPC
	}
	old := make([]byte, len(p))
	d.copyOut(old, off)
	d.pending = append(d.pending, pendingWrite{off, old})
	d.copyIn(p, off)
	return len(p), nil
}

func (d *disk) copyOut(p []byte, off int64) {
	for i := 0; i < len(p); {
		at := off + int64(i)
		n := min(len(p)-i, int(page-at%page))
		if have := d.pages[at/page]; have != nil {
			copy(p[i:i+n], have[at%page:])
		}
		i += n
	}
}

func (d *disk) copyIn(p []byte, off int64) {
	for i := 0; i < len(p); {
		at := off + int64(i)
		if d.pages[at/page] == nil {
			d.pages[at/page] = make([]byte, page)
		}
		i += copy(d.pages[at/page][at%page:], p[i:])
	}
}

// cutPower undoes writes since the last Sync: some in full, some in part, some not at all.
func (d *disk) cutPower(rnd *rand.Rand) {
	for i := len(d.pending) - 1; i >= 0; i-- {
		w := d.pending[i]
		switch rnd.IntN(3) {
		case 0:
			d.copyIn(w.p, w.off)
		case 1:
			if n := len(w.p); n > 0 {
				from := rnd.IntN(n)
				d.copyIn(w.p[from:], w.off+int64(from))
			}
		}
	}
	d.pending = nil
}

func (d *disk) clone() *disk {
	c := newDisk(d.size)
	for k, v := range d.pages {
		c.pages[k] = bytes.Clone(v)
	}
	return c
}

// clock is a guest clock that moves only when told.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func mustOpen(t tester, dev Device, o Options) *FS {
	t.Helper()
	f, err := Open(dev, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *FS) writeFile(path string, data []byte) error {
	h, err := f.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := h.Write(data); err != nil {
		_ = h.Close()
		return err
	}
	return h.Close()
}

func (f *FS) readFile(path string) ([]byte, error) {
	h, err := f.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(h)
	if err != nil {
		return nil, err
	}
	return data, h.Close()
}

// dump renders the whole tree with contents, for comparison.
func dump(t tester, f *FS) string {
	t.Helper()
	lines := map[string]string{}
	var visit func(dir string)
	visit = func(dir string) {
		list, err := f.ReadDir(dir)
		must(t, err)
		for _, i := range list {
			path := strings.TrimSuffix(dir, "/") + "/" + i.Name
			line := fmt.Sprintf("%s %v %d:%d %d nlink %d -> %q", path, i.Mode, i.UID, i.GID, i.Size, i.Nlink, i.Target)
			switch {
			case i.Mode.IsDir():
				visit(path)
			case i.Mode.IsRegular() && i.Size < 64<<20: // a hole may be of 16 TiB
				data, err := f.readFile(path)
				must(t, err)
				line += fmt.Sprintf(" %08x %d", checksum(data), len(data))
			}
			lines[path] = line
		}
	}
	visit("/")
	keys := make([]string, 0, len(lines))
	for k := range maps.Keys(lines) {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(lines[k] + "\n")
	}
	return b.String()
}

// checkBooks recounts what the tree keeps sums of.
func checkBooks(t tester, f *FS) {
	t.Helper()
	var cost int64
	pieces := 0
	for _, n := range f.tree.nodes {
		cost += nodeCost + int64(len(n.target)) + n.stored() + int64(len(n.extents))*extentCost
		if n.parent != nil {
			cost += int64(len(n.name))
		}
		pieces += len(n.extents)
		for i, e := range n.extents {
			if e.length <= 0 || e.end() > n.size || i > 0 && n.extents[i-1].end() > e.off {
				t.Fatalf("extents of inode %d are out of order: %v, size %d", n.ino, n.extents, n.size)
			}
		}
	}
	if cost != f.tree.cost || pieces != f.tree.pieces {
		t.Fatalf("books say %d bytes in %d pieces, the tree has %d in %d", f.tree.cost, f.tree.pieces, cost, pieces)
	}
}
