package vfs

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guestfs"
)

// ram is a disk in memory.
type ram []byte

func (r ram) Size() int64                              { return int64(len(r)) }
func (r ram) Sync() error                              { return nil }
func (r ram) WriteAt(p []byte, off int64) (int, error) { return copy(r[off:], p), nil }

func (r ram) ReadAt(p []byte, off int64) (int, error) {
	if n := copy(p, r[off:]); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

// pipes is a view with a named pipe /data/p.
func pipes(t *testing.T) *View {
	t.Helper()
	f, err := guestfs.Open(make(ram, 4<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Mkdir("/data", 0o777); err != nil {
		t.Fatal(err)
	}
	v := New(OnDisk(f), Dir(0o755, nil), "data").As(Cred{})
	if err := v.Mkfifo("/data/p", 0o640); err != nil {
		t.Fatal(err)
	}
	return v
}

// readPipe returns what a writer writes, or what went wrong. The pipe is closed then: a reader that is about to close it
// is still one that the next writer would find.
func readPipe(v *View) string {
	r, err := v.Open("/data/p", os.O_RDONLY, 0)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestNamedPipesWaitForEachOther(t *testing.T) {
	t.Parallel()
	v := pipes(t)
	if info, err := v.Lstat("/data/p"); err != nil || ModeString(info.Mode) != "prw-r-----" || UnixMode(info.Mode) != 0o010640 {
		t.Errorf("described as %+v, %v", info, err)
	}
	got := make(chan string)
	for range 3 { // each time anew
		go func() { got <- readPipe(v) }()
		w, err := v.Open("/data/p", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "through")
		w.Close()
		if text := <-got; text != "through" {
			t.Fatalf("got %q", text)
		}
	}
}

func TestAPipeOpenForBothNeverWaits(t *testing.T) {
	t.Parallel()
	v := pipes(t)
	both, err := v.Open("/data/p", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	w, err := v.Open("/data/p", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "a")
	w.Close()
	io.WriteString(both, "b")
	buf := make([]byte, 2)
	if _, err := io.ReadFull(both, buf); err != nil || string(buf) != "ab" {
		t.Errorf("got %q, %v", buf, err)
	}
	if err := v.Remove("/data/p"); err != nil {
		t.Error(err)
	}
}

func TestAWaitForAPipeCanBeGivenUp(t *testing.T) {
	t.Parallel()
	v := pipes(t)
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		mine := *v
		mine.Ctx = ctx
		if _, err := mine.Open("/data/p", flag, 0); Errno(err) != syscall.EINTR {
			t.Errorf("flag %d: %v", flag, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	mine := *v
	mine.Ctx = ctx
	f, err := mine.Open("/data/p", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cancel()
	if _, err := f.Read(make([]byte, 1)); err == nil {
		t.Error("a read goes on after its process")
	}
	if len(v.fs.fifos.pipes) != 1 {
		t.Errorf("%d pipes are kept", len(v.fs.fifos.pipes))
	}
	f.Close()
	if len(v.fs.fifos.pipes) != 0 {
		t.Error("a pipe nobody has open is kept")
	}
}
