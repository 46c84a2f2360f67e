package s3store

import (
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPartitionCoversTheContentWithinTheLimitsOfS3(t *testing.T) {
	t.Parallel()
	lengths := rapid.OneOf(
		rapid.Int64Range(0, 64*KiB), rapid.Int64Range(0, 12*MiB), rapid.Int64Range(4*MiB, 6*MiB),
		rapid.Int64Range(0, 600*MiB), rapid.Int64Range(0, 40*GiB), rapid.Just(MinPart), rapid.Just(16*MinPart),
	)
	rapid.Check(t, func(t *rapid.T) {
		plan := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Piece {
			p := Piece{Length: lengths.Draw(t, "length"), Kind: Kind(rapid.IntRange(0, 2).Draw(t, "kind"))}
			if p.Kind == Copy {
				p.From = Origin{Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "from"), Offset: rapid.Int64Range(0, GiB).Draw(t, "offset")}
			}
			return p
		}), 0, 40).Draw(t, "plan")
		partSize := rapid.SampledFrom([]int64{MinPart, 8 * MiB, 16 * MiB, 64 * MiB}).Draw(t, "partSize")
		size, err := sizeOf(plan)
		if err != nil {
			t.Fatal(err)
		}
		checkParts(t, plan, size, partition(plan, size, partSize))
	})
}

// checkParts fails when parts are not what S3 takes, or not what the plan says.
func checkParts(t rapid.TB, plan []Piece, size int64, parts []part) {
	t.Helper()
	if len(parts) > maxParts {
		t.Fatalf("%d parts; %d are the limit", len(parts), maxParts)
	}
	var at int64
	for i, p := range parts {
		if p.Offset != at || p.Length <= 0 {
			t.Fatalf("part %d is %+v; want it at %d", i, p, at)
		}
		if p.Length < MinPart && i < len(parts)-1 {
			t.Fatalf("part %d of %d has %d bytes; %d are the least", i, len(parts), p.Length, MinPart)
		}
		if p.Length > maxPart {
			t.Fatalf("part %d has %d bytes; %d are the limit", i, p.Length, maxPart)
		}
		if p.Kind == Zero && p.Length > zeroBlocks[blockFor(parts)] {
			t.Fatalf("part %d has %d zeros, more than a block", i, p.Length)
		}
		if p.Kind != Data && !agrees(plan, p) {
			t.Fatalf("part %d is %+v, which is not what the plan says", i, p)
		}
		at += p.Length
	}
	if at != size {
		t.Fatalf("the parts have %d bytes; want %d", at, size)
	}
}

// agrees reports whether the plan says of all of the part's bytes what the part says.
func agrees(plan []Piece, p part) bool {
	var at int64
	for _, piece := range plan {
		from, to := max(at, p.Offset), min(at+piece.Length, p.Offset+p.Length)
		if from < to {
			if piece.Kind != p.Kind || p.Kind == Copy && piece.From.after(from-at) != p.From.after(from-p.Offset) {
				return false
			}
		}
		at += piece.Length
	}
	return true
}

func TestPartitionKeepsWhatNeedsNoBandwidth(t *testing.T) {
	t.Parallel()
	from := Origin{Key: "old", Offset: 7}
	for _, tc := range []struct {
		name string
		plan []Piece
		want []part
	}{
		{"nothing", nil, nil},
		{"a little data is one part", []Piece{{Length: 100}}, []part{{Length: 100}}},
		{"the end of data may be short", []Piece{{Length: 17 * MiB}}, []part{{0, 8 * MiB, Data, Origin{}}, {8 * MiB, 8 * MiB, Data, Origin{}}, {16 * MiB, MiB, Data, Origin{}}}},
		{"short data takes from the zeros after it",
			[]Piece{{Length: MiB}, {Length: 20 * MiB, Kind: Zero}},
			[]part{{0, MinPart, Data, Origin{}}, {MinPart, 16 * MiB, Zero, Origin{}}}},
		{"short data takes from the copy before it when what follows can spare nothing",
			[]Piece{{Length: 20 * MiB, Kind: Copy, From: from}, {Length: MiB}, {Length: 6 * MiB, Kind: Zero}},
			[]part{{0, 16 * MiB, Copy, from}, {16 * MiB, MinPart, Data, Origin{}}, {21 * MiB, 6 * MiB, Zero, Origin{}}}},
		{"runs that are too short are data",
			[]Piece{{Length: 5 * MiB}, {Length: MiB, Kind: Zero}, {Length: MiB, Kind: Copy, From: from}, {Length: MiB}},
			[]part{{0, 8 * MiB, Data, Origin{}}}},
		{"a copy that goes on is one run",
			[]Piece{{Length: 3 * MiB, Kind: Copy, From: from}, {Length: 3 * MiB, Kind: Copy, From: from.after(3 * MiB)}},
			[]part{{0, 6 * MiB, Copy, from}}},
		{"the offset of a copy moves with its beginning",
			[]Piece{{Length: MiB}, {Length: 300 * MiB, Kind: Copy, From: from}},
			[]part{{0, MinPart, Data, Origin{}}, {MinPart, 256 * MiB, Copy, from.after(4 * MiB)}, {261 * MiB, 40 * MiB, Copy, from.after(260 * MiB)}}},
		{"zeros are cut so that no part is short",
			[]Piece{{Length: 81 * MiB, Kind: Zero}, {Length: 9 * MiB}},
			[]part{{0, 81 * MiB / 2, Zero, Origin{}}, {81 * MiB / 2, 81 * MiB / 2, Zero, Origin{}}, {81 * MiB, 8 * MiB, Data, Origin{}}, {89 * MiB, MiB, Data, Origin{}}}},
	} {
		size, err := sizeOf(tc.plan)
		if err != nil {
			t.Fatal(err)
		}
		got := partition(tc.plan, size, 8*MiB)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v; want %v", tc.name, got, tc.want)
		}
		checkParts(t, tc.plan, size, got)
	}
}

func TestPartitionSendsFewZerosOfALargeSparseFile(t *testing.T) {
	t.Parallel()
	// 8 GiB with 1 GiB of data, in runs from 4 MiB to 64 MiB: a part has 5 MiB, so that shorter runs take zeros along.
	rng := rand.New(rand.NewPCG(1, 2))
	var plan []Piece
	var data, size int64
	for data < GiB {
		run := min(4*MiB+rng.Int64N(60*MiB), GiB-data)
		plan = append(plan, Piece{Length: run}, Piece{Length: 7 * run, Kind: Zero})
		data += run
		size += 8 * run
	}
	var sent int64
	for _, p := range partition(plan, size, 8*MiB) {
		if p.Kind == Data {
			sent += p.Length
		}
	}
	sent += MinPart + block // the first block of zeros
	if share := float64(sent-data) / float64(sent); share > 0.01 {
		t.Errorf("%.2f %% of the bytes sent are zeros; want 1 %% at most", 100*share)
	}
}

func TestAPlanThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string][]Piece{
		"a negative length":       {{Length: -1}},
		"more than S3 holds":      {{Length: 1 << 62}, {Length: 1 << 62}},
		"a copy from nowhere":     {{Length: 1, Kind: Copy}},
		"a copy from before zero": {{Length: 1, Kind: Copy, From: Origin{Key: "k", Offset: -1}}},
		"a kind that is none":     {{Length: 1, Kind: 3}},
	} {
		if _, err := sizeOf(plan); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestChecksumsOfPartsJoin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		got := joinCRC(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b)))
		if want := crc32.ChecksumIEEE(slices.Concat(a, b)); got != want {
			t.Fatalf("got %08x; want %08x", got, want)
		}
		n := rapid.IntRange(0, 10000).Draw(t, "n")
		if got, want := zerosCRC(int64(n)), crc32.ChecksumIEEE(make([]byte, n)); got != want {
			t.Fatalf("%d zeros: got %08x; want %08x", n, got, want)
		}
	})
	if sum, ok := parseCRC(formatCRC(0xcafe)); !ok || sum != 0xcafe {
		t.Errorf("got %x, %v back", sum, ok)
	}
	if wholeCRC("ZG/iCw==-2") != "" {
		t.Error("the checksum of checksums is taken for that of the whole")
	}
}

func TestBlocksOfZerosAreFound(t *testing.T) {
	t.Parallel()
	data, zeros := slices.Repeat([]byte{1}, int(block)), make([]byte, block)
	almost := slices.Concat(zeros[:block-1], []byte{1})
	for _, tc := range []struct {
		name string
		in   []byte
		n    int
		zero bool
	}{
		{"zeros, then data", slices.Concat(zeros, zeros, data), 2 * int(block), true},
		{"data, then zeros", slices.Concat(data, almost, zeros), 2 * int(block), false},
		{"a short end", zeros[:10], 10, true},
		{"zeros with a short end of data", slices.Concat(zeros, []byte{1}), int(block), true},
	} {
		if n, zero := sameBlocks(tc.in); n != tc.n || zero != tc.zero {
			t.Errorf("%s: got %d, %v; want %d, %v", tc.name, n, zero, tc.n, tc.zero)
		}
	}
}
