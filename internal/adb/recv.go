package adb

import (
	"context"
	"errors"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// Recv begins to read a file of the device. When it returns, the device has opened the file.
// The caller closes the reader; the end of ctx ends the transfer.
//
// Errors are those of Stat; Invalid for a directory.
func (d *Device) Recv(ctx context.Context, path string) (*FileReader, error) {
	f := &FileReader{ctx: ctx, op: "read " + label(path)}
	var err error
	if f.s, err = d.openBulkSync(ctx, path); err != nil {
		return nil, fault.Op(f.op, err)
	}
	if err = f.begin(path); err != nil {
		_ = f.Close()
		return nil, fault.Op(f.op, err)
	}
	return f, nil
}

// FileReader is a file on its way from the device. Its end is io.EOF only when the device said
// that the file was complete. A transfer that was cut is Unavailable and wraps ErrClosed. It is
// for one goroutine; Close may be called from another, and ends a Read under way.
type FileReader struct {
	ctx  context.Context
	op   string
	s    *syncer
	left int   // bytes of the present chunk
	err  error // what all further reads return
}

var (
	_ io.ReadCloser = (*FileReader)(nil)
	_ io.WriterTo   = (*FileReader)(nil)
)

// begin asks for the file and waits for its first chunk.
func (f *FileReader) begin(path string) (err error) {
	if f.s.trans2 {
		err = f.s.ask(f.ctx, wire.SyncRecv2, path, wire.AppendSyncHeader(nil, wire.SyncRecv2, 0)...)
	} else {
		err = f.s.ask(f.ctx, wire.SyncRecv, path)
	}
	if err == nil {
		err = f.chunk()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.err = err
	return nil
}

// chunk reads the head of the next chunk; the end of the file is io.EOF.
func (f *FileReader) chunk() error {
	for f.left == 0 {
		id, n, err := f.s.header(f.ctx)
		switch {
		case err != nil:
			return err
		case id == wire.SyncDone:
			return io.EOF
		case id != wire.SyncData:
			return f.s.unexpected(f.ctx, id, n)
		case n > wire.MaxSyncData:
			return f.s.in.lies("a chunk of %d bytes", n)
		}
		f.left = int(n)
	}
	return nil
}

// some returns at most limit of the next bytes, valid until the call after.
func (f *FileReader) some(limit int) (part []byte, err error) {
	if f.err == nil {
		f.err = f.chunk()
	}
	if f.err == nil {
		part, f.err = f.s.in.some(f.ctx, min(limit, f.left))
		f.left -= len(part)
	}
	if f.err == nil || errors.Is(f.err, io.EOF) {
		return part, f.err
	}
	return nil, fault.Op(f.op, f.err)
}

// Read reads from the file.
func (f *FileReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	part, err := f.some(len(p))
	return copy(p, part), err
}

// WriteTo writes what is left of the file to w, without a copy in between.
func (f *FileReader) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for {
		part, err := f.some(wire.MaxSyncData)
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		n, err := w.Write(part)
		sum += int64(n)
		if err != nil {
			return sum, err
		}
	}
}

// Close ends the transfer. It may be called again.
func (f *FileReader) Close() error {
	f.s.close()
	return nil
}
