package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// digests reads a file once and returns its digest and those of its chunks. done hears how far it is, in bytes.
func digests(ctx context.Context, h host.Files, name, path string, done func(int64)) (File, error) {
	info, err := h.Lstat(ctx, path)
	if err != nil {
		return File{}, err
	}
	if !info.Mode.IsRegular() {
		return File{}, fault.Invalidf("%s is not a regular file", path)
	}
	r, err := h.Open(ctx, path)
	if err != nil {
		return File{}, err
	}
	defer r.Close() //nolint:errcheck // it was read
	f := File{Name: name, Size: info.Size}
	whole, buf, zeros := sha256.New(), make([]byte, ChunkSize), make([]byte, ChunkSize)
	dataAt, dataEnd := int64(0), int64(0)
	for at := int64(0); at < info.Size; at += ChunkSize {
		if ctx.Err() != nil {
			return File{}, fault.Op("digest "+path, context.Cause(ctx))
		}
		piece := buf[:min(ChunkSize, info.Size-at)]
		if at >= dataEnd {
			if dataAt, dataEnd, err = r.NextData(at); err != nil {
				return File{}, err
			}
		}
		chunk := ""
		if dataAt >= at+int64(len(piece)) {
			piece = zeros[:len(piece)] // a hole is not read
		} else {
			if _, err := r.ReadAt(piece, at); err != nil {
				return File{}, fmt.Errorf("read %s at %d: %w", path, at, err)
			}
			chunk = chunkDigest(piece)
		}
		_, _ = whole.Write(piece)
		f.Chunks = append(f.Chunks, chunk)
		done(at + int64(len(piece)))
	}
	f.SHA256 = hex.EncodeToString(whole.Sum(nil))
	return f, nil
}

// digest is digests for files of the store's own. What it finds is remembered, so that a snapshot is not read once more to
// be put back while nobody has touched it.
func (s *Store) digest(ctx context.Context, name, path string, done func(int64)) (File, error) {
	before, err := s.host.Lstat(ctx, path)
	if err != nil {
		return File{}, err
	}
	f, known := s.recall(before)
	if known {
		f.Name = name
		return f, nil
	}
	if f, err = digests(ctx, s.host, name, path, done); err != nil {
		return File{}, err
	}
	s.remember(before, f)
	return f, nil
}

func (s *Store) recall(info host.FileInfo) (File, bool) {
	s.reading.Lock()
	defer s.reading.Unlock()
	f, ok := s.known[info.Stamp()]
	return f, ok
}

func (s *Store) remember(info host.FileInfo, f File) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(s.known) >= maxRemembered {
		clear(s.known)
	}
	s.known[info.Stamp()] = f
}

// maxRemembered bounds the files whose digests are remembered.
const maxRemembered = 1024

// checkers is how many chunks are read at a time to be compared.
const checkers = 4

// check compares a file with what is listed of it: chunk by chunk, several at a time, where there are chunks. Invalid, saying
// what differs.
func (s *Store) check(ctx context.Context, f File, path string) error {
	info, err := s.host.Lstat(ctx, path)
	if err != nil {
		return err
	}
	if got, known := s.recall(info); known && got.SHA256 == f.SHA256 {
		return nil
	}
	if len(f.Chunks) == 0 || f.Size != info.Size {
		got, err := s.digest(ctx, f.Name, path, func(int64) {})
		if err == nil && got.SHA256 != f.SHA256 {
			err = fault.Invalidf("its digest is %s, and the manifest says %s", got.SHA256, f.SHA256)
		}
		return err
	}
	r, err := s.host.Open(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was read
	held, err := withData(r, f.Size)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range checkers {
		group.Go(func() error {
			buf := make([]byte, min(ChunkSize, f.Size))
			for i := next.Add(1) - 1; i < int64(len(f.Chunks)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := f.checkChunk(r, i, held[i], buf); err != nil {
					return fault.Op(path, err)
				}
			}
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.remember(info, f)
	return nil
}

// checkChunk compares the chunk with this number, which is not read where it is a hole.
func (f File) checkChunk(r io.ReaderAt, i int64, held bool, buf []byte) error {
	at, got := i*ChunkSize, ""
	piece := buf[:min(ChunkSize, f.Size-at)]
	if held {
		if _, err := r.ReadAt(piece, at); err != nil {
			return fmt.Errorf("read at %d: %w", at, err)
		}
		got = chunkDigest(piece)
	}
	if got != f.Chunks[i] {
		return fault.Invalidf("the digest of %d bytes at %d is %q, and the manifest says %q", len(piece), at, got, f.Chunks[i])
	}
	return nil
}

// withData says of each chunk whether it may hold something else than zeros.
func withData(r host.Reader, size int64) ([]bool, error) {
	held := make([]bool, chunksOf(size))
	for at := int64(0); at < size; {
		start, end, err := r.NextData(at)
		if err != nil {
			return nil, err
		}
		if start >= size || end <= start {
			break
		}
		for i := start / ChunkSize; i <= (min(end, size)-1)/ChunkSize; i++ {
			held[i] = true
		}
		at = end
	}
	return held, nil
}

// chunkDigest is the digest of a chunk; empty for zeros.
func chunkDigest(piece []byte) string {
	if allZero(piece) {
		return ""
	}
	sum := sha256.Sum256(piece)
	return hex.EncodeToString(sum[:])
}

// allZero compares with itself, shifted by one.
func allZero(p []byte) bool { return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }
