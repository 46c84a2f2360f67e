package s3store

import (
	"context"
	"fmt"
	"io"

	"github.com/daytonaio/runner-android/internal/fault"
)

// zeroBlocks are the sizes of the objects of zeros that the store makes, in bytes. The first is sent;
// each other one is put together, within the server, from copies of the one before.
var zeroBlocks = []int64{MinPart, 16 * MinPart, 256 * MinPart}

// fewZeros is how many zero bytes are not worth making a block to copy them from.
const fewZeros = 16 * MiB

// zeroBlock returns the size of the block for content of the given size: large files take the large
// one, so that they do not need too many parts.
func zeroBlock(size int64) int64 {
	if size > 256*GiB {
		return zeroBlocks[2]
	}
	return zeroBlocks[1]
}

// blockFor returns the number of the least block that can fill the longest of the parts of zeros,
// -1 where there is none.
func blockFor(parts []part) int {
	level := -1
	for _, p := range parts {
		if p.Kind != Zero {
			continue
		}
		for level < 1 || zeroBlocks[level] < p.Length {
			level++
		}
	}
	return level
}

// zeros returns the block of zeros of the given number, and makes it where it is not there. Callers
// wait for each other; that two hosts make it at once does no harm. A server that cannot copy
// is an Unsupported error.
func (s *Store) zeros(ctx context.Context, level int) (Origin, error) {
	select {
	case s.zeroTurn <- struct{}{}:
		defer func() { <-s.zeroTurn }()
		return s.makeZeros(ctx, level)
	case <-ctx.Done():
		return Origin{}, ctx.Err()
	}
}

func (s *Store) makeZeros(ctx context.Context, level int) (Origin, error) {
	size := zeroBlocks[level]
	if o, ok := s.zero[size]; ok {
		return o, nil
	}
	key := fmt.Sprintf("%szeros/%d", s.opts.Reserved, size)
	length := size
	if level == 0 {
		length += block // Amazon copies ranges only from objects of more than 5 MiB
	}
	obj, err := s.Stat(ctx, key)
	switch {
	case err == nil && obj.Size == length && (obj.crc == "" || obj.crc == formatCRC(zerosCRC(length))):
	case err != nil && !fault.Is(err, fault.NotFound):
		return Origin{}, err
	case level == 0:
		obj, err = s.put(ctx, key, io.NewSectionReader(nothing{}, 0, length), nil, false)
	default:
		var from Origin
		if from, err = s.makeZeros(ctx, level-1); err != nil {
			return Origin{}, err
		}
		parts := make([]part, size/zeroBlocks[level-1])
		for i := range parts {
			parts[i] = part{Offset: int64(i) * zeroBlocks[level-1], Length: zeroBlocks[level-1], Kind: Copy, From: from}
		}
		obj, err = s.assemble(ctx, &transfer{key: key, parts: parts, size: size})
		if fault.Is(err, fault.NotFound) {
			delete(s.zero, zeroBlocks[level-1]) // somebody has removed it
		}
	}
	if err != nil {
		return Origin{}, fault.Op("make a block of zeros", err)
	}
	s.zero[size] = Origin{Key: key, ETag: obj.ETag}
	return s.zero[size], nil
}

// forgetZeros has the blocks looked up again: one that was relied on is gone.
func (s *Store) forgetZeros(ctx context.Context) {
	select {
	case s.zeroTurn <- struct{}{}:
		clear(s.zero)
		<-s.zeroTurn
	case <-ctx.Done():
	}
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
