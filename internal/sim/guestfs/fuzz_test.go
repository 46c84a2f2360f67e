package guestfs

import (
	"math/rand/v2"
	"testing"
)

// FuzzReplay opens a device whose log is made of the fuzzer's bytes, once as they are and once
// as the operations of a record with right checksums, so that the fuzzer gets behind those.
func FuzzReplay(f *testing.F) {
	dev := newDisk(MinSize)
	fsys := mustOpen(f, dev, Options{FlushBytes: 3000})
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		mutate(fsys, rnd, func() {})
	}
	must(f, fsys.Sync())
	raw := make([]byte, 8192)
	dev.copyOut(raw, logStart)
	f.Add(raw, false)
	f.Add(appendOp(appendOp(nil, op{code: opNode, ino: 3, mode: 0o644}),
		op{code: opLink, ino: 3, parent: rootInode, name: "a"}), true)
	f.Add(appendOp(nil, op{code: opExtent, ino: 3, off: 1, length: 5, data: 3}), true)
	f.Fuzz(func(t *testing.T, b []byte, asOps bool) {
		dev := newDisk(MinSize)
		fresh := mustOpen(t, dev, Options{})
		if asOps {
			if len(b) > maxMeta || int64(len(b)) > 100_000 {
				return
			}
			fresh.log.batch.meta = append(fresh.log.batch.meta, b...)
			fresh.log.batch.data = make([]byte, 16)
			must(t, fresh.log.flush())
		} else {
			dev.copyIn(b[:min(len(b), MinSize/2)], logStart)
		}
		got, err := Open(dev, Options{})
		if err != nil {
			return
		}
		checkBooks(t, got)
		before := dump(t, got)
		must(t, got.Mkdir("/made by the test", 0o755))
		must(t, got.Remove("/made by the test"))
		must(t, got.compact())
		if after := dump(t, got); after != before {
			t.Errorf("compaction changed the tree from\n%sto\n%s", before, after)
		}
		must(t, got.Close())
		if after := dump(t, mustOpen(t, dev, Options{})); after != before {
			t.Errorf("reopening changed the tree from\n%sto\n%s", before, after)
		}
	})
}

// FuzzHead opens a device with arbitrary superblocks.
func FuzzHead(f *testing.F) {
	f.Add(superblock{generation: 1, size: MinSize, synced: 1}.encode(), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, region uint64) {
		dev := newDisk(MinSize)
		must(t, mustOpen(t, dev, Options{}).Close())
		dev.copyIn(b[:min(len(b), logStart)], 0)
		if len(b)%2 == 0 {
			must(t, superblock{generation: region, region: region % 2, size: MinSize, synced: region}.write(dev))
		}
		if got, err := Open(dev, Options{}); err == nil {
			checkBooks(t, got)
		}
	})
}
