package qcow2

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

const mib = 1 << 20

func mustCreate(t *testing.T, path string, o Options) *Image {
	t.Helper()
	img, err := Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	return img
}

func mustWrite(t *testing.T, img *Image, p []byte, off int64) {
	t.Helper()
	if n, err := img.WriteAt(p, off); err != nil || n != len(p) {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
	}
}

func mustRead(t *testing.T, img *Image, n int, off int64) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := img.ReadAt(p, off); err != nil {
		t.Fatalf("ReadAt(%d bytes, %d): %v", n, off, err)
	}
	return p
}

func TestNewImageIsLaidOutAsCrosvmDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		opts   Options
		at     int64
		format string
	}{
		{"old style without backing", Options{Size: mib}, 0, ""},
		{"old style with backing", Options{Size: 20 << 30, Backing: "/a/os_composite.img"}, 0x70, ""},
		{"new style with backing", Options{Size: 200 << 30, Backing: "/a/os_composite.img", Style: New}, 0x88, "composite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "overlay.img")
			created := mustCreate(t, path, c.opts)
			if err := created.Close(); err != nil {
				t.Fatal(err)
			}
			img, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			want := Header{
				Size: c.opts.Size, L1Size: l1EntriesFor(c.opts.Size), L1Offset: 0x10000,
				RefcountTableOffset: 0x20000, RefcountTableClusters: 1, HeaderLength: 104,
				BackingOffset: c.at, Backing: c.opts.Backing, Format: c.format,
			}
			if c.format != "" {
				want.Style = New
			}
			if got := img.Header(); got != want {
				t.Errorf("header\n got %+v\nwant %+v", got, want)
			}
			if got := created.Header(); got != want {
				t.Errorf("header after Create\n got %+v\nwant %+v", got, want)
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if at := bytes.Index(raw[:clusterSize], []byte("/a/")); c.at != 0 && int64(at) != c.at {
				t.Errorf("backing path at %#x, want %#x", at, c.at)
			}
		})
	}
}

func TestCreateRefusesWhatTheFormatCanNotHold(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no size":               {},
		"a negative size":       {Size: -512},
		"half a sector":         {Size: 100},
		"beyond the L1 table":   {Size: MaxSize + 512},
		"a backing path of 1 K": {Size: mib, Backing: string(bytes.Repeat([]byte("x"), 1024))},
		"NUL in the path":       {Size: mib, Backing: "a\x00b"},
	} {
		path := filepath.Join(t.TempDir(), "x.img")
		if _, err := Create(path, o); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: left a file: %v", name, err)
		}
	}
}

func TestAnImageHasOneOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.img")
	img := mustCreate(t, path, Options{Size: mib})
	if _, err := Open(path); err == nil {
		t.Error("second open succeeded")
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnwrittenPartsReadFromTheBacking(t *testing.T) {
	t.Parallel()
	img := mustCreate(t, filepath.Join(t.TempDir(), "x.img"), Options{Size: 4 * clusterSize})
	base := bytes.Repeat([]byte("base"), clusterSize/2) // two of four clusters
	img.SetBacking(bytes.NewReader(base))
	mustWrite(t, img, []byte("XY"), clusterSize+1)
	want := append(bytes.Clone(base), make([]byte, 2*clusterSize)...)
	copy(want[clusterSize+1:], "XY")
	if got := mustRead(t, img, len(want), 0); !bytes.Equal(got, want) {
		t.Error("content is not the backing with the write on top")
	}
}

func TestBoundsOfTheDisk(t *testing.T) {
	t.Parallel()
	img := mustCreate(t, filepath.Join(t.TempDir(), "x.img"), Options{Size: mib})
	if n, err := img.ReadAt(make([]byte, 10), mib-4); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("read over the end = %d, %v; want 4, EOF", n, err)
	}
	if n, err := img.ReadAt(make([]byte, 1), mib); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read behind the end = %d, %v; want 0, EOF", n, err)
	}
	for _, off := range []int64{-1, mib - 3, mib + 1, 1<<63 - 1} {
		if _, err := img.WriteAt(make([]byte, 4), off); err == nil {
			t.Errorf("write at %d succeeded", off)
		}
	}
	if _, err := img.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read at -1 succeeded")
	}
}

func TestAnImageOf200GiBStaysSparseAndNeedsMoreRefcountBlocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.img")
	img := mustCreate(t, path, Options{Size: 200 << 30})
	for off := int64(0); off < img.Size(); off += l2Span {
		mustWrite(t, img, []byte{byte(off / l2Span), 1}, off+77)
	}
	img.end = (blockEntries - 1) * clusterSize // as if 2 GiB were used: the next ones need a block
	for off := int64(clusterSize); off < 5*clusterSize; off += clusterSize {
		mustWrite(t, img, []byte{2, byte(off / clusterSize)}, off)
	}
	if img.refTable[1] == 0 {
		t.Error("no second refcount block")
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	checkClean(t, path)
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for off := int64(0); off < again.Size(); off += l2Span {
		if got := mustRead(t, again, 2, off+77); got[0] != byte(off/l2Span) || got[1] != 1 {
			t.Errorf("at %d: %v", off, got)
		}
	}
	if n := again.l2.recent.Len(); n > maxCachedTables {
		t.Errorf("%d cached L2 tables, want at most %d", n, maxCachedTables)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.img")
	img := mustCreate(t, path, Options{Size: 64 * mib})
	var wg sync.WaitGroup
	for w := range int64(8) {
		wg.Go(func() {
			p := bytes.Repeat([]byte{byte(w + 1)}, 5000)
			for i := range int64(100) {
				off := (i*8 + w) * 5000 // neighbours share clusters
				if _, err := img.WriteAt(p, off); err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, len(p))
				if _, err := img.ReadAt(got, off); err != nil || !bytes.Equal(got, p) {
					t.Errorf("worker %d block %d reads back wrong (%v)", w, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := img.Sync(); err != nil {
		t.Fatal(err)
	}
	checkClean(t, path)
}

func TestImageBehavesLikeAnArrayOfBytes(t *testing.T) {
	t.Parallel()
	const size = 4 * clusterSize
	dir, got := t.TempDir(), make([]byte, size)
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "model.img")
		base := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "base")
		backing := bytes.Repeat(base, clusterSize)
		img, err := Create(path, Options{Size: size, Backing: "/base"})
		if err != nil {
			t.Fatal(err)
		}
		img.SetBacking(bytes.NewReader(backing))
		model := make([]byte, size)
		copy(model, backing)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				off := rapid.IntRange(0, size-1).Draw(t, "off")
				n := rapid.IntRange(0, min(size-off, 2*clusterSize)).Draw(t, "n")
				p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
				if _, err := img.WriteAt(p, int64(off)); err != nil {
					t.Fatal(err)
				}
				copy(model[off:], p)
			},
			"reopen": func(t *rapid.T) {
				if err := closeLocked(img.file); err != nil { // without the slow fsync of Close
					t.Fatal(err)
				}
				if img, err = Open(path); err != nil {
					t.Fatal(err)
				}
				img.SetBacking(bytes.NewReader(backing))
			},
			"": func(t *rapid.T) {
				if _, err := img.ReadAt(got, 0); err != nil || !bytes.Equal(got, model) {
					t.Fatalf("content differs from the model (%v)", err)
				}
			},
		})
		if err := closeLocked(img.file); err != nil { // without the slow fsync of Close
			t.Fatal(err)
		}
	})
}
