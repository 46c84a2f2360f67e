package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// sample is a small image with a few clusters in use.
func sample(t testing.TB, style Style) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.img")
	img, err := Create(path, Options{Size: mib, Backing: "/base", Style: style})
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 200_000, 900_000} {
		if _, err := img.WriteAt([]byte("data"), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOpenRefusesDamage(t *testing.T) {
	t.Parallel()
	good := sample(t, New)
	u32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	}
	u64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], v); return b }
	}
	l2At := int(binary.BigEndian.Uint64(good[l1Start:]) & offsetMask)
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"an empty file", func([]byte) []byte { return nil }},
		{"a file that ends inside the header", func(b []byte) []byte { return b[:60] }},
		{"a file that ends behind the header", func(b []byte) []byte { return b[:clusterSize] }},
		{"another magic", u32(0, 1)},
		{"version 2", u32(4, 2)},
		{"clusters of 2 MiB", u32(20, 21)},
		{"encryption", u32(32, 1)},
		{"a snapshot", u32(60, 1)},
		{"an incompatible feature", u64(72, 1)},
		{"other refcounts", u32(96, 6)},
		{"a short header", u32(100, 96)},
		{"a huge virtual size", u64(24, 1<<62)},
		{"no virtual size", u64(24, 0)},
		{"an L1 table that is too small", u64(24, 1<<40)},
		{"a huge L1 table", u32(36, 1<<31)},
		{"an L1 table outside of the file", u64(40, 1<<50)},
		{"an unaligned L1 table", u64(40, 0x10200)},
		{"a huge refcount table", u32(56, 1<<30)},
		{"tables that overlap", u64(48, l1Start)},
		{"a backing path outside of the header", u64(8, clusterSize-2)},
		{"a backing path over the header", u64(8, 24)},
		{"a long backing path", u32(16, 1024)},
		{"an extension without end", u32(108, 1<<31)},
		{"an L1 entry outside of the file", u64(l1Start, copiedFlag|1<<40)},
		{"an L1 entry without its flag", u64(l1Start, uint64(l2At))},
		{"an L2 entry outside of the file", u64(l2At, copiedFlag|1<<40)},
		{"two users of one cluster", u64(l2At+8, binary.BigEndian.Uint64(good[l2At:]))},
		{"a compressed cluster", u64(l2At, compressedFlag|0x40000)},
		{"a used cluster with no refcount", u32(refBlockStart, 0)},
		{"a missing refcount block", u64(refTableStart, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.img")
			if err := os.WriteFile(path, c.damage(bytes.Clone(good)), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); !errors.Is(err, ErrFormat) {
				t.Errorf("error is %v, want ErrFormat", err)
			}
		})
	}
}

func TestOpenRefusesADirectory(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("no error")
	}
}

func TestOpenTakesBackLeaksAndLeavesCleanImagesAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.img")
	img := mustCreate(t, path, Options{Size: mib})
	mustWrite(t, img, []byte("data"), 0)
	for range 3 { // allocated, never linked: what a kill leaves behind
		if _, err := img.allocate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	reopen := func() os.FileInfo {
		img, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := reopen()
	if after := reopen(); !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Errorf("opening a clean image changed it: %v %d, then %v %d",
			before.ModTime(), before.Size(), after.ModTime(), after.Size())
	}
	checkClean(t, path)
}

func FuzzHeader(f *testing.F) {
	f.Add(sample(f, Old)[:256], int64(mib))
	f.Add(sample(f, New)[:256], int64(mib))
	f.Fuzz(func(t *testing.T, b []byte, fileSize int64) {
		if len(b) > clusterSize || fileSize < int64(len(b)) {
			return
		}
		h, err := parseHeader(b, fileSize)
		if err != nil {
			return
		}
		if h.L1Offset+8*int64(h.L1Size) > fileSize || len(h.Backing) > MaxBacking || h.Size > MaxSize {
			t.Errorf("accepted %+v for a file of %d bytes", h, fileSize)
		}
	})
}

// FuzzOpen lays patches over a good image: three places with eight bytes each.
func FuzzOpen(f *testing.F) {
	good := sample(f, New)
	f.Add(uint32(l1Start), uint64(copiedFlag|0x50000), uint32(refTableStart), uint64(0x30000), uint32(24), uint64(mib), uint32(1<<20))
	f.Add(uint32(refBlockStart), uint64(1)<<48, uint32(36), uint64(1)<<32, uint32(0), uint64(magic)<<32, uint32(300_000))
	f.Fuzz(func(t *testing.T, a uint32, av uint64, b uint32, bv uint64, c uint32, cv uint64, size uint32) {
		raw := bytes.Clone(good)
		for at, v := range map[uint32]uint64{a: av, b: bv, c: cv} {
			binary.BigEndian.PutUint64(raw[int(at)%(len(raw)-8):], v)
		}
		raw = raw[:min(len(raw), int(size))]
		path := filepath.Join(t.TempDir(), "x.img")
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		img, err := Open(path)
		if err != nil {
			return
		}
		defer img.Close()
		end := min(img.Size(), 4*mib)
		if _, err := io.Copy(io.Discard, io.NewSectionReader(img, 0, end)); err != nil {
			t.Errorf("an accepted image does not read: %v", err)
		}
		if _, err := img.WriteAt([]byte("more"), end-4); err != nil {
			t.Errorf("an accepted image does not write: %v", err)
		}
	})
}
