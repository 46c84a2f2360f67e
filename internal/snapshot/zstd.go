package snapshot

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/s3store"
)

const (
	// zstdMemory bounds what a stream may ask of its reader, in bytes. This package's own need 8 MiB.
	zstdMemory = 32 << 20
	// sparseBlock is the size of zeros that are not written.
	sparseBlock = 64 << 10
)

// sendCompressed sends a file as one stream. An interrupted one begins again.
func (p *push) sendCompressed(ctx context.Context, f File, r host.Reader, o s3store.UploadOptions) error {
	out, in := io.Pipe()
	compressed := make(chan error, 1)
	go func() {
		err := compress(ctx, in, r, f.Size, func(n int64) { p.there.Add(n) })
		compressed <- errors.Join(err, in.CloseWithError(err))
	}()
	o.Progress = &s3store.Progress{} // it counts what is sent, which is not what is done
	_, err := p.bucket.UploadStream(ctx, key(p.name, f.object()), out, o)
	return errors.Join(err, out.CloseWithError(err), <-compressed)
}

// compress writes the first size bytes of r. Holes are not read.
func compress(ctx context.Context, w io.Writer, r host.Reader, size int64, done func(int64)) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(true))
	if err != nil {
		return fault.Wrap(fault.Internal, "compress", err)
	}
	buf, zeros, dataEnd := make([]byte, 1<<20), make([]byte, 1<<20), int64(0)
	for at, start := int64(0), int64(0); at < size; {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), z.Close())
		}
		if at >= dataEnd {
			if start, dataEnd, err = r.NextData(at); err != nil {
				return errors.Join(err, z.Close())
			}
		}
		piece := buf[:min(int64(len(buf)), size-at)]
		if start > at {
			piece = zeros[:min(int64(len(zeros)), start-at, size-at)]
		} else if _, err := r.ReadAt(piece, at); err != nil {
			return errors.Join(err, z.Close())
		}
		if _, err := z.Write(piece); err != nil {
			return errors.Join(err, z.Close())
		}
		at += int64(len(piece))
		done(int64(len(piece)))
	}
	return z.Close()
}

// expand writes what a stream holds, which must be size bytes, and leaves out zeros.
func expand(w io.WriterAt, r io.Reader, size int64, done func(int64)) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdMemory), zstd.WithDecoderMaxWindow(zstdMemory))
	if err != nil {
		return fault.Wrap(fault.Invalid, "read a zstd stream", err)
	}
	defer z.Close()
	buf := make([]byte, sparseBlock)
	for at := int64(0); at < size; {
		piece := buf[:min(sparseBlock, size-at)]
		if _, err := io.ReadFull(z, piece); err != nil {
			return fault.Wrap(kindOfStream(err), "read a zstd stream", err)
		}
		if !allZero(piece) {
			if _, err := w.WriteAt(piece, at); err != nil {
				return err
			}
		}
		at += int64(len(piece))
		done(int64(len(piece)))
	}
	if n, err := io.ReadFull(z, buf[:1]); n > 0 || !errors.Is(err, io.EOF) {
		return fault.Invalidf("the stream holds more than the %d bytes that the manifest says (%v)", size, err)
	}
	return nil
}

// kindOfStream tells a stream that is wrong from one that could not be read.
func kindOfStream(err error) fault.Kind {
	var known *fault.Error
	if errors.As(err, &known) {
		return fault.KindOf(err)
	}
	return fault.Invalid
}
