package guestfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// mutate makes one random change; what can not be done is no change. It calls moment between
// the steps of a change that has several.
func mutate(f *FS, rnd *rand.Rand, moment func()) {
	name := func() string { return fmt.Sprintf("/%c/%c", 'a'+rnd.IntN(3), 'a'+rnd.IntN(4)) }
	switch rnd.IntN(9) {
	case 0:
		_ = f.Mkdir(name()[:2], 0o755)
	case 1:
		_ = f.Remove(name())
	case 2:
		_ = f.Rename(name(), name())
	case 3:
		_ = f.Symlink("a", name())
	case 4:
		_ = f.Chmod(name(), 0o600|os.FileMode(rnd.IntN(64)))
	default:
		h, err := f.OpenFile(name(), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return
		}
		moment()
		p := make([]byte, rnd.IntN(900))
		for i := range p {
			p[i] = byte(rnd.Int())
		}
		_, _ = h.WriteAt(p, int64(rnd.IntN(3000)))
		_ = h.Close()
	}
}

func TestPowerCutLeavesAPrefixBehindTheLastSync(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, round))
		dev := newDisk(1 << 20)
		for life := range 4 {
			f := mustOpen(t, dev, Options{FlushBytes: int64(1500 + rnd.IntN(20_000))})
			states, synced := []string{dump(t, f)}, 0
			for range rnd.IntN(120) {
				moment := func() { states = append(states, dump(t, f)) }
				mutate(f, rnd, moment)
				moment()
				if rnd.IntN(40) == 0 {
					must(t, f.Sync())
					synced = len(states) - 1
				}
				if rnd.IntN(60) == 0 {
					must(t, f.compact())
					synced = len(states) - 1
				}
			}
			checkBooks(t, f)
			dev.cutPower(rnd)
			again := mustOpen(t, dev, Options{})
			checkBooks(t, again)
			if got := dump(t, again); !slices.Contains(states[synced:], got) {
				t.Fatalf("round %d, life %d: the tree is of no moment since the last sync (%d of %d):\n%s",
					round, life, synced, len(states)-1, got)
			}
		}
	}
}

func TestUnflushedChangesAreLostAndSyncedOnesAreNot(t *testing.T) {
	t.Parallel()
	c := newClock()
	dev := newDisk(64 << 20)
	o := Options{Now: c.now, CommitInterval: 5 * time.Second}
	f := mustOpen(t, dev, o)
	must(t, f.writeFile("/kept", []byte("1")))
	must(t, f.Sync())
	must(t, f.writeFile("/lost", []byte("2")))
	if _, err := f.Stat("/lost"); err != nil {
		t.Error("a change is not visible at once:", err)
	}
	f = mustOpen(t, dev, o)
	if _, err := f.Stat("/kept"); err != nil {
		t.Error(err)
	}
	if _, err := f.Stat("/lost"); !errors.Is(err, syscall.ENOENT) {
		t.Error("a change survived without flush:", err)
	}

	must(t, f.writeFile("/old", []byte("3")))
	c.advance(5 * time.Second)
	if _, err := f.Stat("/"); err != nil { // any call will do
		t.Fatal(err)
	}
	f = mustOpen(t, dev, o)
	if _, err := f.Stat("/old"); err != nil {
		t.Error("a change older than the interval was lost:", err)
	}

	must(t, f.writeFile("/first", []byte("4")))
	must(t, f.writeFile("/big", make([]byte, 5<<20)))
	f = mustOpen(t, dev, o)
	if _, err := f.Stat("/first"); err != nil {
		t.Error("a change was lost although the cache was full behind it:", err)
	}
}

func TestAnOlderDeviceBringsTheOlderTreeBack(t *testing.T) {
	t.Parallel()
	dev := newDisk(1 << 20)
	f := mustOpen(t, dev, Options{})
	must(t, f.writeFile("/a", []byte("old")))
	must(t, f.Sync())
	want, saved := dump(t, f), dev.clone()
	must(t, f.writeFile("/a", []byte("new")))
	must(t, f.compact())
	must(t, f.compact())
	must(t, f.Close())
	if got := dump(t, mustOpen(t, saved, Options{})); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTornTailIsDropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		tear func(dev *disk, at, end int64)
	}{
		{"data", func(dev *disk, at, _ int64) { dev.copyIn([]byte{0xff}, at+headerSize+10) }},
		{"operations", func(dev *disk, _, end int64) { dev.copyIn(make([]byte, 600), end-600) }},
		{"header", func(dev *disk, at, _ int64) { dev.copyIn(make([]byte, headerSize/2), at) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dev := newDisk(1 << 20)
			f := mustOpen(t, dev, Options{})
			must(t, f.writeFile("/kept", []byte("1")))
			must(t, f.Sync())
			at := f.log.tail
			must(t, f.writeFile("/torn", make([]byte, 5000)))
			must(t, f.log.flush())
			c.tear(dev, at, f.log.tail)
			f = mustOpen(t, dev, Options{})
			if _, err := f.Stat("/torn"); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("the torn change is there: %v", err)
			}
			if _, err := f.Stat("/kept"); err != nil {
				t.Error(err)
			}
			must(t, f.writeFile("/next", []byte("2")))
			must(t, f.Close())
			if got, err := mustOpen(t, dev, Options{}).readFile("/next"); string(got) != "2" {
				t.Errorf("a change behind the torn one reads %q, %v", got, err)
			}
		})
	}
}

func TestAFullHostDiskIsReportedAndForgiven(t *testing.T) {
	t.Parallel()
	dev := newDisk(1 << 20)
	f := mustOpen(t, dev, Options{FlushBytes: 1024})
	must(t, f.writeFile("/a", []byte("before")))
	dev.full = true
	if err := f.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("sync: %v, want ENOSPC", err)
	}
	if err := f.writeFile("/b", make([]byte, 4000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v, want ENOSPC", err)
	}
	if got, err := f.readFile("/a"); string(got) != "before" {
		t.Errorf("the cached file reads %q, %v", got, err)
	}
	dev.full = false
	must(t, f.Close())
	if got, err := mustOpen(t, dev, Options{}).readFile("/a"); string(got) != "before" {
		t.Errorf("after the disk had room again: %q, %v", got, err)
	}
}
