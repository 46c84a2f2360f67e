package cvd_test

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/host"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost is a host of functions for one test. Files are those of this machine unless a function
// says otherwise; everything else must be given.
type fakeHost struct {
	host.Host // nil: a method that no test gave panics

	run     func(context.Context, host.Command) (host.Result, error)
	launch  func(context.Context, host.Command, string, string) (host.ProcessID, error)
	dial    func(context.Context, string, string) (net.Conn, error)
	environ func(host.ProcessID) []string
	stat    func(string) (host.FileInfo, error)

	mu   sync.Mutex
	argv [][]string // of run, in order
}

var _ host.Host = (*fakeHost)(nil)

func (f *fakeHost) Run(ctx context.Context, cmd host.Command) (host.Result, error) {
	f.mu.Lock()
	f.argv = append(f.argv, cmd.Args)
	f.mu.Unlock()
	return f.run(ctx, cmd)
}

func (f *fakeHost) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, a := range f.argv {
		out = append(out, strings.Join(a, " "))
	}
	return out
}

func (f *fakeHost) Launch(ctx context.Context, cmd host.Command, o, e string) (host.ProcessID, error) {
	return f.launch(ctx, cmd, o, e)
}

func (f *fakeHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return f.dial(ctx, network, address)
}

func (f *fakeHost) Environ(_ context.Context, id host.ProcessID) ([]string, error) {
	return f.environ(id), nil
}

func (f *fakeHost) Stat(_ context.Context, p string) (host.FileInfo, error) {
	if f.stat != nil {
		return f.stat(p)
	}
	info, err := os.Stat(p)
	if err != nil {
		return host.FileInfo{}, err
	}
	out := host.FileInfo{Name: info.Name(), Size: info.Size(), Mode: info.Mode(), ModTime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		out.Inode = st.Ino
	}
	return out, nil
}

func (f *fakeHost) ReadFile(_ context.Context, p string, limit int64) ([]byte, error) {
	b, err := os.ReadFile(p)
	if limit > 0 && int64(len(b)) > limit {
		b = b[int64(len(b))-limit:]
	}
	return b, err
}

func (f *fakeHost) Chtimes(_ context.Context, p string, t time.Time) error {
	return os.Chtimes(p, t, t)
}
func (f *fakeHost) Rename(_ context.Context, a, b string) error { return os.Rename(a, b) }
func (f *fakeHost) MkdirAll(_ context.Context, p string, m fs.FileMode) error {
	return os.MkdirAll(p, m)
}

// prints is a command that ends well.
func prints(stdout string) func(context.Context, host.Command) (host.Result, error) {
	return func(context.Context, host.Command) (host.Result, error) {
		return host.Result{Stdout: []byte(stdout)}, nil
	}
}

// fails is a command that explains itself on stderr, with what cvd prints around it.
func fails(code int, stderr string) func(context.Context, host.Command) (host.Result, error) {
	return func(_ context.Context, cmd host.Command) (host.Result, error) {
		b := []byte("version: 1.40.0 | VCS: 0123abc\n" + stderr +
			"\nIf the error above is unclear, please file a bug at http://go/cuttlefish-bug\n")
		return host.Result{Stderr: b}, &host.ExitError{Args: cmd.Args, Code: code, Stderr: b}
	}
}

func client(h host.Host) *cvd.Client { return cvd.New(h, cvd.Options{Path: "/usr/bin/cvd"}) }

func writeFile(t *testing.T, name, data string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func readTestdata(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// golden compares got with a file, one argument on each line.
func golden(t *testing.T, name string, got []string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no golden file %s: run the test with -update", file)
	}
	if text != string(want) {
		t.Errorf("%s:\ngot\n%swant\n%s", name, text, want)
	}
}
