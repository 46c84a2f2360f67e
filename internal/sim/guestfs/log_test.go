package guestfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
)

func TestBigFilesAndHoles(t *testing.T) {
	t.Parallel()
	dev := newDisk(200 << 20)
	f := mustOpen(t, dev, Options{})
	want := make([]byte, 9<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 8)
	}
	must(t, f.writeFile("/big", want))
	h, err := f.OpenFile("/big", os.O_RDWR, 0)
	must(t, err)
	_, err = h.WriteAt([]byte("tail"), 15<<20)
	must(t, err)
	must(t, h.Truncate(16<<20))
	must(t, h.Close())
	want = append(want, make([]byte, 7<<20)...)
	copy(want[15<<20:], "tail")
	check := func(when string) {
		t.Helper()
		if got, err := f.readFile("/big"); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: the file differs (%v)", when, err)
		}
		checkBooks(t, f)
	}
	check("before the flush")
	must(t, f.compact())
	check("after compaction")
	must(t, f.Close())
	f = mustOpen(t, dev, Options{})
	check("after reopening")
}

func TestRewritingForEverStaysInsideOfTheDevice(t *testing.T) {
	t.Parallel()
	dev := newDisk(4 << 20)
	f := mustOpen(t, dev, Options{})
	first := f.log.generation
	for i := range 300 {
		must(t, f.writeFile("/same", bytes.Repeat([]byte{byte(i)}, 100_000)))
		must(t, f.writeFile(fmt.Sprintf("/other%d", i%10), []byte{byte(i)}))
	}
	if f.log.generation < first+5 {
		t.Errorf("30 MB went through a device of 4 MiB with %d compactions", f.log.generation-first)
	}
	want := dump(t, f)
	must(t, f.Close())
	if got := dump(t, mustOpen(t, dev, Options{})); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAppendingALineDoesNotRewriteTheFile(t *testing.T) {
	t.Parallel()
	f := mustOpen(t, newDisk(1<<30), Options{})
	must(t, f.writeFile("/log", make([]byte, 8<<20)))
	must(t, f.Sync())
	before := f.log.used()
	h, err := f.OpenFile("/log", os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	for range 1000 {
		_, err := h.Write([]byte("a line of the log\n"))
		must(t, err)
	}
	must(t, h.Close())
	must(t, f.Sync())
	if grown := f.log.used() - before; grown > 30_000 {
		t.Errorf("18,000 bytes took %d in the log", grown)
	}
	if n := f.tree.pieces; n > 5 {
		t.Errorf("the file is in %d pieces", n)
	}
}

func TestAFullDeviceSaysSoAndHasRoomAfterRemove(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 5000, 60_000} {
		t.Run(fmt.Sprintf("files of %d bytes", size), func(t *testing.T) {
			t.Parallel()
			dev := newDisk(MinSize)
			f := mustOpen(t, dev, Options{})
			var err error
			n := 0
			for ; err == nil && n < 20_000; n++ {
				err = f.writeFile(fmt.Sprintf("/f%d", n), make([]byte, size))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("after %d files: %v, want ENOSPC", n, err)
			}
			if total, used := f.Usage(); used > total || used < total*3/4 {
				t.Errorf("%d of %d bytes are used", used, total)
			}
			must(t, f.compact()) // the promise behind capacity: it always fits
			must(t, f.compact())
			h, err := f.OpenFile("/f0", os.O_WRONLY, 0)
			must(t, err)
			for range 200 { // writing over what is there needs no more room
				_, err = h.WriteAt(make([]byte, 50), 10)
				must(t, err)
			}
			must(t, h.Close())
			for i := range n - 1 {
				must(t, f.Remove(fmt.Sprintf("/f%d", i)))
			}
			must(t, f.writeFile("/again", make([]byte, 60_000)))
			must(t, f.Close())
			checkBooks(t, mustOpen(t, dev, Options{}))
		})
	}
}

func TestAHundredThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	t.Parallel()
	const files = 100_000
	dev := newDisk(2 << 30)
	f := mustOpen(t, dev, Options{})
	for i := range files {
		if i%1000 == 0 {
			must(t, f.Mkdir(fmt.Sprintf("/d%d", i/1000), 0o755))
		}
		must(t, f.writeFile(fmt.Sprintf("/d%d/file%d", i/1000, i), []byte("content")))
	}
	must(t, f.compact())
	must(t, f.Close())
	f = mustOpen(t, dev, Options{})
	if n := len(f.tree.nodes); n != files+files/1000+1 {
		t.Errorf("%d nodes", n)
	}
	if got, err := f.readFile("/d99/file99999"); string(got) != "content" {
		t.Errorf("the last file reads %q, %v", got, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dev := newDisk(4 << 20)
	f := mustOpen(t, dev, Options{FlushBytes: 20_000})
	shared, err := f.OpenFile("/shared", os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	must(t, err)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 60 {
				path := fmt.Sprintf("/w%d", w)
				data := bytes.Repeat([]byte{byte(i)}, 3000)
				if err := f.writeFile(path, data); err != nil {
					t.Error(err)
					return
				}
				if got, err := f.readFile(path); err != nil || !bytes.Equal(got, data) {
					t.Errorf("worker %d reads %d bytes, %v", w, len(got), err)
					return
				}
				if _, err := shared.Write([]byte("0123456789")); err != nil {
					t.Error(err)
				}
				if _, err := f.ReadDir("/"); err != nil {
					t.Error(err)
				}
				if err := f.Rename(path, path+"x"); err != nil {
					t.Error(err)
				}
				if i%20 == 0 {
					if err := f.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if info, err := shared.Stat(); err != nil || info.Size != 8*60*10 {
		t.Errorf("the shared file is %+v, %v", info, err)
	}
	checkBooks(t, f)
	must(t, f.Close())
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	foreign := newDisk(1 << 20)
	foreign.copyIn([]byte("some other file system"), 1024)
	if _, err := Open(foreign, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a foreign device: %v", err)
	}
	if _, err := Open(newDisk(MinSize-1), Options{}); err == nil {
		t.Error("a tiny device: no error")
	}
	dev := newDisk(1 << 20)
	must(t, mustOpen(t, dev, Options{}).Close())
	dev.size = 2 << 20
	if _, err := Open(dev, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a device of another size: %v", err)
	}
}

func TestRangeIsAPartOfTheDisk(t *testing.T) {
	t.Parallel()
	whole := newDisk(10_000)
	part, err := Range(whole, 1000, 500)
	must(t, err)
	if _, err := part.WriteAt([]byte("abc"), 497); err != nil {
		t.Error(err)
	}
	if _, err := part.WriteAt([]byte("abc"), 498); err == nil {
		t.Error("a write left the range")
	}
	got := make([]byte, 5)
	if n, err := part.ReadAt(got, 497); n != 3 || !errors.Is(err, io.EOF) || string(got[:3]) != "abc" {
		t.Errorf("read %d bytes %q, %v", n, got, err)
	}
	for _, r := range [][2]int64{{-1, 5}, {0, 10_001}, {10_001, 0}, {5, 1<<63 - 1}} {
		if _, err := Range(whole, r[0], r[1]); err == nil {
			t.Errorf("range %v: no error", r)
		}
	}
}
